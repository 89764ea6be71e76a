"""Downloads that the browser creates from the page's answers, so that the server writes no file for them."""

from fer.app.javascript import read_script

SAVE_TEXT = read_script("components/save_text.js")
"""JavaScript that saves a text, with placeholders that `save_text` replaces."""
SAVE_PICTURE = read_script("components/save_picture.js")
"""JavaScript of a click that saves the picture of a `gr.Image`."""


def save_text(content: str, kind: str, name: str) -> str:
    """Return the JavaScript of a click that saves a text as a file.

    Args:
        content: JavaScript expression of the text; in it, `answer` is the input of the event.
        kind: media type of the file.
        name: name of the file.
    """
    return SAVE_TEXT.replace("CONTENT", content).replace("KIND", kind).replace("NAME", name)
