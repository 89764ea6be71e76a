"""The environment variables that switch a part of the app on or off."""

import os

from fer.errors import check

FLAGS = {"FER_ON_DEVICE": True, "FER_STRICT": False}
"""Values of the variables that are not set, or empty, by name."""
WORDS = {"1": True, "true": True, "0": False, "false": False}
"""Values by what a variable may say, in lower case."""


def read_flag(name: str) -> bool:
    """Return the value of a variable in `FLAGS`.

    Raises:
        UserError: if it is neither 0, 1, false nor true.
    """
    value = os.environ.get(name, "")
    if not value:
        return FLAGS[name]
    check(value.lower() in WORDS, name, "0 or false, 1 or true", repr(value))
    return WORDS[value.lower()]


def check_flags() -> None:
    """Check all variables in `FLAGS`; call this before Gradio is imported, which takes seconds.

    Raises:
        UserError: if one has another value than those in `WORDS`.
    """
    for name in FLAGS:
        read_flag(name)
