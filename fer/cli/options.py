"""Options that several commands share."""

import math
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fer.data.layouts import CODES

OF_TRAINING = "the data set of the model's training has the layout of that training"
"""Argument of `add_layout` for commands that measure a model, which use `fer.data.facts.find_layout`."""


class Parser(ArgumentParser):
    """Parser that refuses empty values of options and positional arguments, as a shell makes them of unset variables.

    It takes the arguments of `ArgumentParser`.
    """

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.register("type", None, _not_empty)  # Of values without a type.
        self.register("type", str, _not_empty)
        self.register("type", Path, lambda text: Path(_not_empty(text)))


def _not_empty(text):
    if not text:
        raise ArgumentTypeError("must not be empty. Received: ''")
    return text


def add_model(parser: ArgumentParser) -> None:
    """Add the option `--model`, the model that answers."""
    parser.add_argument(
        "--model",
        default="bundled",
        metavar="MODEL",
        help="model that answers: `bundled`, a model folder, or OWNER/NAME or OWNER/NAME@REVISION of the Hugging Face "
        "Hub (default: %(default)s)",
    )


def add_already_cropped(parser: ArgumentParser) -> None:
    """Add the option `--already-cropped`, which skips face detection."""
    parser.add_argument(
        "--already-cropped",
        action="store_true",
        help="treat each picture as one face, as in FER2013, without looking for faces",
    )


def add_data(container: ArgumentParser, use: str = "", required: bool = False) -> None:
    """Add the option `--data`, the data set of a command.

    Args:
        container: parser or group of options.
        use: end of the help text, on what the command does with the data set.
        required: whether the option must be given.
    """
    text = "data set as a folder, zip or CSV file (docs/training.md)"
    container.add_argument("--data", required=required, metavar="PATH", help=f"{text}, {use}" if use else text)


def add_layout(parser: ArgumentParser, default: str = "numbers are not guessed") -> None:
    """Add the option `--layout`, the layout of the data set of a command; `default` is what holds without it."""
    parser.add_argument(
        "--layout",
        choices=tuple(CODES),
        help="published layout of the data set, which tells what its numbered folders and label files mean "
        f"(docs/training.md); without it, {default}",
    )


def add_votes(parser: ArgumentParser, use: str) -> None:
    """Add the option `--votes`, the votes of FER+; `use` is the end of the help text, on what the command does."""
    parser.add_argument("--votes", metavar="CSV", help=f"file with the votes of FER+: {use}")


def add_commit(parser: ArgumentParser) -> None:
    """Add the options of the commit that publishes a model on the Hub."""
    parser.add_argument("--private", action="store_true", default=None, help="make a new repository of the Hub private")
    parser.add_argument("--create-pr", action="store_true", help="open a pull request instead of committing")
    parser.add_argument("--tag", metavar="NAME", help="tag the commit with this name, such as v1.0")


def add_skip_bad(parser: ArgumentParser) -> None:
    """Add the option `--skip-bad`, which leaves out what cannot be read of a data set."""
    parser.add_argument(
        "--skip-bad", action="store_true", help="skip pictures and rows that cannot be read, instead of stopping there"
    )


def add_allow_duplicates(parser: ArgumentParser) -> None:
    """Add the option `--allow-duplicates`, which lets a command measure on any number of training pictures."""
    parser.add_argument(
        "--allow-duplicates",
        action="store_true",
        help="go on even if more than half of the pictures to measure on are identical to training pictures",
    )


def add_prior(parser: ArgumentParser, default: str) -> None:
    """Add the option `--prior`, the exponent of the class shares; `default` says in the help which one it is else."""
    parser.add_argument(
        "--prior",
        type=number_between(0, 2),  # `fer.models.calibration.MAX_PRIOR_EXPONENT`, without importing NumPy.
        metavar="X",
        help="divide the probabilities by the training shares of the classes raised to this power, 0 to 2 (default: "
        f"{default})",
    )


def number_between(low: float, high: float) -> Callable[[str], float]:
    """Return a function for `type` of an argument, which takes numbers from `low` to `high`."""

    def convert(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ArgumentTypeError(f"must be a number from {low:g} to {high:g}. Received: {text}")
        return value

    return convert


def to_sentence(text: str) -> str:
    """Return the help text of a command as a sentence, for its description."""
    return f"{text[0].upper()}{text[1:]}."
