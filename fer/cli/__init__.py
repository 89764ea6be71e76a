"""Command line: `main` is the program, `fer.cli.commands` has the parser, and each command has its own module."""


def main(program: str = "fer") -> int:
    """Run the command in `sys.argv`; this is the entry point of the console script `fer`.

    Args:
        program: command by which the program was started, for its messages.

    Returns:
        The exit code.
    """
    from fer.cli import commands
    from fer.cli.console import own_terminal

    with own_terminal():
        return commands.main(program=program)
