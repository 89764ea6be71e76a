"""Reader of the pages' JavaScript, which is in .js files beside the modules that use it."""

from pathlib import Path

APP = Path(__file__).parent
"""Folder of this package."""


def read_script(name: str) -> str:
    """Return the text of a .js file without its opening comment, which is for readers of the file.

    Args:
        name: path within this package, such as `components/paste.js`.
    """
    text = (APP / name).read_text("utf-8")
    return text.partition("*/")[2].strip() if text.startswith("/*") else text.strip()
