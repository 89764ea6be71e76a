"""Command `fer average`: write the mean of the weights of several models as a model."""

import shlex
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from fer.cli.messages import tell_written
from fer.errors import UserError, check
from fer.outputs import check_folder, is_new_or_empty

HELP = "average the weights of models that descend from the same weights"
"""Help text of the command."""


def add_options(parser: ArgumentParser) -> None:
    """Add this command's options to its parser."""
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="model folder, or `bundled`; two or more")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="new or empty folder for the mean")


def run(options: Namespace) -> int:
    """Write the model folder of an average, without calibration and metrics; return the exit code."""
    from fer.models.model_folder import check_new_model, save_model

    output = options.output
    check_new_model("--output", output)
    check(is_new_or_empty(output), "--output", "a new or empty folder", output)
    check_folder("`--output`", output)

    from fer.export.litert_file import write_litert_file
    from fer.models.averaging import KEY, average_models
    from fer.publishing.redaction import clean_command

    network, config = average_models(options.folders)
    command = shlex.join(["python", "-m", "fer", "average", *options.folders, "--output", str(output)])
    config.training[KEY]["command"] = clean_command(command)
    output.mkdir(parents=True, exist_ok=True)
    save_model(output, network, config)
    try:
        write_litert_file(output)
    except UserError as error:  # The model has been written; the message says what is left to do.
        print(error, file=sys.stderr)
    tell_written(output)
    print(f"Not calibrated yet, and without a card: python -m fer calibrate {shlex.quote(str(output))} --data PATH")
    return 0
