"""What several commands share: options and the end of a command."""

from fer.data.layouts import CODES
from fer.errors import UserError


def add_model(parser):
    """Add `--model`, the model that answers."""
    parser.add_argument(
        "--model",
        default="bundled",
        metavar="MODEL",
        help="`bundled`, a model folder, or OWNER/NAME or OWNER/NAME@REVISION of the Hub (default: %(default)s)",
    )


def add_already_cropped(parser):
    """Add `--already-cropped`, by which no face is looked for."""
    parser.add_argument(
        "--already-cropped",
        action="store_true",
        help="each picture is one face, as FER2013's are: do not look for faces",
    )


def add_layout(parser):
    """Add `--layout`, which says what numbered folders mean."""
    parser.add_argument(
        "--layout",
        choices=tuple(CODES),
        help="published layout of --data, with its numbers and label files (docs/training.md); numbers are not guessed",
    )


def tell_left_out(count):
    """Return the end of a sentence that tells how many smaller faces were left out; "" for none."""
    return f"; smaller ones left out: {count}" if count else ""


def finish(failures):
    """Return the exit code of a command whose work is done.

    Args:
        failures: messages of the outputs that could not be written, of `fer.outputs.kept`.

    Raises:
        UserError: with these messages, if there are any.
    """
    if failures:
        raise UserError("\n".join(failures))
    return 0
