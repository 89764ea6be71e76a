"""What the commands print: where it goes, how file names and numbers are written, and what was written to files."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from fer.errors import UserError
from fer.outputs import is_special, is_stdout

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Pattern of the characters that move the cursor, colour or turn the text around it."""


def count(number: int, noun: str) -> str:
    """Return a number and a noun in the singular or plural, such as "1 face" or "1,200 pictures"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
