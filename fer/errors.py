"""What a person can mend."""


class UserError(ValueError):
    """A mistake in what a person gave: its message states the rule and what was received, for that person to read.

    The message is on one line, whatever the name of a file or a library's own message has in it.
    """

    def __init__(self, message):
        super().__init__(one_line(str(message)))


def one_line(text):
    """Return a text with a space for each character that cannot be printed, such as the end of a line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
