"""What a person can mend."""

import numpy as np


class UserError(ValueError):
    """A mistake in what a person gave: its message states the rule and what was received, for that person to read.

    The message is on one line, whatever the name of a file or a library's own message has in it.
    """

    def __init__(self, message: object):
        super().__init__(one_line(str(message)))


def one_line(text: str) -> str:
    """Return a text with a space for each character that cannot be printed, such as the end of a line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def check_finite(answers):
    """Return a network's answers, an array of floats, if all of them are finite numbers.

    Raises:
        UserError: for NaN or an infinity.
    """
    if not np.isfinite(answers).all():
        received = answers[~np.isfinite(answers)].flat[0]
        raise UserError(
            f"A network must answer finite numbers; train, export or download it again. Received: {received}"
        )
    return answers
