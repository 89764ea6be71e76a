"""Check of one value that a client sends, by the component that takes it."""

import json
import os
from urllib.parse import urlsplit
from uuid import uuid4

import gradio as gr
import httpx
from gradio.components import Component
from gradio_client.utils import is_http_url_like

from fer.app.server.limits import MAX_PICTURES
from fer.errors import one_line
from fer.images.fetching import is_address

MAX_TEXT = 100
"""Maximal length in characters of a text, such as a language code: each session keeps the last text that it sent."""
MAX_NAME = 200
"""Maximal length in characters of a file name in answers and messages; a longer name is cut."""
MAX_FILES = 1_000
"""Maximal number of files in a list, the same as in an upload; `fer.app.server.batch` says how many are read."""
MAX_ADDRESS = 2_000
"""Maximal length in characters of an http(s) address."""
MAX_QUOTED = 60
"""Maximal length in characters of a wrong value that an error message quotes."""
FILE = "a file that was uploaded to this app, or its http(s) address"
"""Rule for a file, in error messages."""
FILES = f"a list of at most {MAX_PICTURES} files that were uploaded to this app, or of their http(s) addresses"
"""Rule for a list of files, in error messages."""


def check_value(name: str, component: Component, value: object) -> object:
    """Check one value.

    Args:
        name: name of the argument, for the error message.
        component: Gradio component that takes the value.
        value: JSON value that the client sent.

    Returns:
        The value in the form that the component needs.

    Raises:
        gr.Error: if the value is wrong, or the component takes none from clients; one sentence.
    """
    for kind, check in CHECKS.items():
        if isinstance(component, kind):
            try:
                return check(component, value)
            except _WrongValueError as error:
                raise refusal(f"`{name}` must be {error.rule}. Received: {error.received}") from None
    raise refusal(f"`{name}` is not taken from clients.")


def is_file(component: Component) -> bool:
    """Return whether a component takes files."""
    return isinstance(component, (gr.Image, gr.Video, gr.File)) and not is_stream(component)


def is_stream(component: Component) -> bool:
    """Return whether a component takes the frames of a camera."""
    return isinstance(component, gr.Image) and bool(component.streaming)


def describe(value: object) -> str:
    """Describe a JSON value that a client sent, in a few words on one line."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        keys = ", ".join(f"`{_cut(_clean(str(key)), 20)}`" for key in list(value)[:3])
        return f"an object with {keys}" if keys else "an empty object"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number too large"
    return _cut(json.dumps(value), MAX_QUOTED)


def in_cache(path: str) -> bool:
    """Return whether a path leads into the app's cache, where uploads are stored. Symbolic links are followed.

    A path that does not begin with the cache's own path is never looked up on the disk.
    """
    root = os.path.abspath(os.environ["GRADIO_TEMP_DIR"])
    try:
        if not _is_below(os.path.abspath(path), {root, os.path.realpath(root)}):
            return False
        return _is_below(os.path.realpath(path), {os.path.realpath(root)})
    except (ValueError, OSError):  # A null byte, a lone surrogate, or a name that is too long.
        return False


def refusal(sentence: str) -> gr.Error:
    """Return the error that answers a client's mistake with one sentence and logs no traceback."""
    return gr.Error(sentence, print_exception=False)


class _WrongValueError(Exception):
    """A value that breaks the rule of its component.

    Args:
        rule: end of the sentence "`argument` must be …".
        value: the wrong value.
        received: description of the value, if not that of `describe`.
    """

    def __init__(self, rule, value, received=None):
        self.rule, self.received = rule, received or describe(value)


def _is_below(path, roots):
    return any(path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def _number(component, value):
    low, high = component.minimum, component.maximum
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise _WrongValueError(f"a number from {low} to {high}", value)
    return value


def _flag(_, value):
    if not isinstance(value, bool):
        raise _WrongValueError("true or false", value)
    return value


def _text(_, value):
    if value is not None and not (isinstance(value, str) and len(value) <= MAX_TEXT):
        raise _WrongValueError(f"a text of at most {MAX_TEXT} characters", value)
    return value


def _choice(component, value):
    choices = [choice for _, choice in component.choices]
    if not choices and isinstance(value, int):
        return None  # The session has been forgotten, with the choices that the page still shows.
    if value is not None and (isinstance(value, (bool, list, dict)) or value not in choices):
        raise _WrongValueError("one of the choices", value)
    return value


def _row(component, value):
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(component.samples):
        raise _WrongValueError("the number of an example", value)
    return value


def _file(_, value):
    return None if value is None else _file_data(value, FILE)


def _files(component, value):
    if component.file_count == "single" or value is None:
        return _file(component, value)
    files = value if isinstance(value, list) else [value]
    if len(files) > MAX_FILES:
        raise _WrongValueError(FILES, value)
    files = [_file_data(file, FILES) for file in files]
    if sum(is_address(file["path"]) for file in files) > MAX_PICTURES:  # They would all be fetched.
        raise _WrongValueError(FILES, value)
    return files


def _file_data(value, rule):
    """Return the object that Gradio needs for a file, from a client's object, path or http(s) address."""
    file = {"path": value} if isinstance(value, str) else value
    path = (file.get("path") or file.get("url")) if isinstance(file, dict) else None
    if not isinstance(path, str):
        raise _WrongValueError(rule, value)
    if _may_be_fetched(path):
        # Gradio keeps a fetched file by its address. With a fragment of its own, every call fetches it anew.
        path = f"{path.partition('#')[0]}#{uuid4().hex}"
    elif in_cache(path):
        path = os.path.realpath(path)
    else:
        # Every such path gets the same sentence, which reveals nothing about the files on the disk.
        raise _WrongValueError(rule, value, "a path outside of the uploads")
    name = file.get("orig_name")
    name = _cut(_clean(name), MAX_NAME) if isinstance(name, str) else None
    return {"path": path, "orig_name": name or None, "meta": {"_type": "gradio.FileData"}}


def _may_be_fetched(text):
    """Return whether a text is an http(s) address with a host that is short enough to be fetched."""
    try:
        return (
            is_http_url_like(text)
            and len(text) <= MAX_ADDRESS
            and bool(urlsplit(text).hostname and httpx.URL(text).host)
        )
    except (httpx.InvalidURL, ValueError):
        return False


def _image(component, value):
    """Check a photo, or that a stream's frame has a URL, which `fer.app.components.upload.decode_frame` then checks."""
    if not is_stream(component):
        return _file(component, value)
    url = value.get("url") if isinstance(value, dict) else None
    if not isinstance(url, str):
        raise _WrongValueError("a picture as a data: URL", value)
    return {"url": url}


def _clean(text):
    """Return a text on one line, without characters that UTF-8 cannot encode."""
    return " ".join(one_line(text).split())


def _cut(text, length):
    return text if len(text) <= length else f"{text[: length - 1]}…"


CHECKS = {
    gr.Slider: _number,
    gr.Checkbox: _flag,
    gr.Textbox: _text,
    gr.Radio: _choice,
    gr.Dataset: _row,
    gr.File: _files,
    gr.Image: _image,
    gr.Video: _file,
}
"""Functions that check a value, by the component that takes it; the first matching component counts."""
