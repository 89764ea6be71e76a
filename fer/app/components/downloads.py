"""Files that the browser makes from what it shows: the server writes none."""

SAVE = """(answer) => {
    if (!answer) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([%s], {type: "%s"}));
    link.download = "%s";
    link.click();
    URL.revokeObjectURL(link.href);
}"""


def save_text(content, kind, name):
    """JavaScript for a click that saves a text.

    Args:
        content: JavaScript expression of the text, in which `answer` is the event's input.
        kind: media type.
        name: of the file.
    """
    return SAVE % (content, kind, name)
