"""Files that the browser makes from what it shows: the server writes none."""

from fer.app.javascript import read_script

SAVE_TEXT = read_script("components/save_text.js")
SAVE_PICTURE = read_script("components/save_picture.js")


def save_text(content, kind, name):
    """Return the JavaScript of a click that saves a text.

    Args:
        content: JavaScript expression of the text, in which `answer` is the event's input.
        kind: media type.
        name: of the file.
    """
    return SAVE_TEXT.replace("CONTENT", content).replace("KIND", kind).replace("NAME", name)
