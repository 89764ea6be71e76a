"""What a person can mend."""


class UserError(ValueError):
    """A mistake in what a person gave: its message states the rule and what was received, for that person to read.

    The message is on one line, whatever the name of a file or a library's own message has in it.
    """

    def __init__(self, message: object):
        super().__init__(one_line(str(message)))


def check(holds, name, rule, received):
    """Make sure that an option is what it must be.

    Args:
        holds: whether it is.
        name: of the option.
        rule: what it must be, such as `at least 1`.
        received: what it is, as the message shows it.

    Raises:
        UserError: if it is not.
    """
    if not holds:
        raise UserError(f"`{name}` must be {rule}. Received: {received}")


def one_line(text: str) -> str:
    """Return a text with a space for each character that cannot be printed, such as the end of a line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def check_finite(answers):
    """Return a network's answers, an array of floats, if all of them are finite numbers.

    Raises:
        UserError: for NaN or an infinity.
    """
    import numpy as np

    if not np.isfinite(answers).all():
        received = answers[~np.isfinite(answers)].flat[0]
        raise UserError(
            f"A network must answer finite numbers; train, export or download it again. Received: {received}"
        )
    return answers
