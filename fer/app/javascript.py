"""JavaScript of the pages, which lies in .js files beside the modules that use it."""

from pathlib import Path

APP = Path(__file__).parent


def read_script(name):
    """Return a file's text without its opening comment, which is for who reads the file.

    Args:
        name: path within this package, such as `pages/about.js`.
    """
    text = (APP / name).read_text("utf-8")
    return text.partition("*/")[2].strip() if text.startswith("/*") else text.strip()
