"""Parser of all commands; `python -m fer --help` lists them.

A command is a module with `HELP`, `add_options(parser)` and `run(options)`, which returns the exit code. It imports
libraries inside `run`, so that `--help` and wrong options are answered at once.
"""

from argparse import ArgumentParser
from collections.abc import Sequence

from fer import __version__
from fer.cli import (
    app,
    average,
    calibrate,
    compare,
    data,
    deploy,
    evaluate,
    export,
    predict,
    push,
    score,
    train,
    video,
    web,
)
from fer.cli.console import exit_on_user_error, quiet_libraries
from fer.cli.options import Parser, to_sentence

COMMANDS = {
    "predict": predict,
    "video": video,
    "score": score,
    "evaluate": evaluate,
    "calibrate": calibrate,
    "compare": compare,
    "average": average,
    "export": export,
    "push": push,
    "deploy": deploy,
    "web": web,
    "app": app,
    "data": data,
    "train": train,
}
"""Modules of the commands, in the order of `--help`."""


def main(arguments: Sequence[str] | None = None, program: str = "python -m fer") -> int:
    """Run one command.

    Args:
        arguments: arguments of the command line, without the program; None for those of this process.
        program: command by which the program was started, for its messages.

    Returns:
        The exit code: 0, or 2 if a picture could not be read.

    Raises:
        SystemExit: with code 2 if an argument is wrong, with 130 or 143 if the command was interrupted.
    """
    quiet_libraries()
    options = build_parser(program).parse_args(arguments)
    command = COMMANDS[options.command]
    options.program, options.own_process = f"{program} {options.command}", arguments is None
    with exit_on_user_error(options.program):
        return command.run(options)


def build_parser(program: str) -> ArgumentParser:
    """Return the parser of all commands."""
    parser = ArgumentParser(program, description="Facial expression recognition.")
    parser.add_argument("--version", action="version", version=f"facial-expression-recognition {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    for name, command in COMMANDS.items():
        text = command.HELP
        command.add_options(commands.add_parser(name, help=text, description=to_sentence(text)))
    return parser
