"""Errors that the user of a command, a page or the API can correct, and the checks that raise them."""


class UserError(ValueError):
    """A mistake in the user's input. Its message is one line for that user: the rule, and what was received.

    Characters that would break the line, from a file name or from a library's message, become spaces.
    """

    def __init__(self, message: object):
        super().__init__(one_line(str(message)))


class ImageError(UserError):
    """Error for a picture that cannot be read. Its message is one sentence for the person who sent the picture."""


def check(holds: object, name: str, rule: str, received: object) -> None:
    """Raise an error unless the value of an option is valid.

    Args:
        holds: whether the value is valid.
        name: name of the option.
        rule: what the value must be, such as `at least 1`.
        received: the value, as the message shows it.

    Raises:
        UserError: if `holds` is false.
    """
    if not holds:
        raise UserError(f"`{name}` must be {rule}. Received: {received}")


def one_line(text: str) -> str:
    """Return a text on one line: each character that is not printable, such as a line break, becomes a space."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
