"""Options and messages that several commands share."""

import re
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from fer.errors import UserError
from fer.outputs import is_special, is_stdout

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Pattern of the characters that move the cursor, colour or turn the text around it."""


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


def to_sentence(text: str) -> str:
    """Return the help text of a command as a sentence, for its description."""
    return f"{text[0].upper()}{text[1:]}."


def tell_left_out(count: int) -> str:
    """Return the end of a sentence on the number of smaller faces that were left out; "" for none."""
    return f"; smaller ones left out: {count}" if count else ""


def stream_beside(*outputs: str | Path | None) -> TextIO:
    """Return the stream for what a command says: standard output, unless one of its outputs goes there."""
    return sys.stderr if any(map(is_stdout, outputs)) else sys.stdout


def printed(name: str) -> str:
    """Return a text with file names for a line of output: a character that controls the terminal becomes a space."""
    return CONTROLS.sub(" ", name)


def tell_written(*outputs: str | Path | None) -> None:
    """Print the paths of the outputs of a command to standard error, but not devices, pipes and None."""
    written = [printed(str(path)) for path in outputs if path is not None and not is_special(Path(path))]
    if written:
        sys.stdout.flush()  # So that what was printed before stands before it.
        print(f"Written: {', '.join(written)}", file=sys.stderr)


def finish(failures: Sequence[str], *outputs: str | Path | None) -> int:
    """Print what was written, and return the exit code 0, if every output of a command was written.

    Args:
        failures: messages about outputs that could not be written, collected by `fer.outputs.kept`.
        outputs: paths of the outputs, as `tell_written` takes them.

    Raises:
        UserError: with the messages, if there are any.
    """
    if failures:
        raise UserError("\n".join(failures))
    tell_written(*outputs)
    return 0
