"""The values that clients send for a function, checked in one place before anything looks at them.

Gradio checks little of what an API client sends: it takes paths of the whole disk for some components, any JSON for a
checkbox, and fails with a traceback where a value is of another type. `CheckedBlocks` stands before all of it, whatever
the route is: the page's events, the API's functions by name or number, a camera's stream, the tools of MCP.
"""

import json
import os
from urllib.parse import urlsplit

import gradio as gr
import httpx
from gradio_client.utils import is_http_url_like

from fer.errors import one_line
from fer.images.archives import MAX_PICTURES

MAX_TEXT = 100
"""Characters of a text such as the language's code: each session keeps the last one that it sent."""
MAX_NAME = 200
"""Characters that are kept of a file's name, which stands in answers and messages."""
MAX_ADDRESS = 2_000
"""Characters of an http(s) address."""
SHOWN = 60
"""Characters of a wrong value that its message repeats."""
FILE = "a file that was uploaded to this app, or its http(s) address"
FILES = f"a list of at most {MAX_PICTURES} files that were uploaded to this app, or of their http(s) addresses"


class CheckedBlocks(gr.Blocks):
    """`gr.Blocks` that hands a function no value but those that its components take (`check_values`).

    Args:
        waiting: number of events that may wait in the queue.
        **options: of `gr.Blocks`.
    """

    def __init__(self, waiting=None, **options):
        self._waiting = waiting
        super().__init__(**options)

    def queue(self, *args, max_size=None, **options):
        """Make the queue. `gr.Blocks` does so when it is made; a second call, only for the size, would take longer."""
        return super().queue(*args, max_size=max_size or self._waiting, **options)

    async def preprocess_data(self, block_fn, inputs, state, explicit_call=False):
        components = [
            block if block.stateful or not state else state.get(block._id, block) for block in block_fn.inputs
        ]
        values = check_values(block_fn, inputs, components)
        try:
            return await super().preprocess_data(block_fn, values, state, explicit_call)
        except gr.Error as error:
            error.print_exception = False  # Of what somebody sent: a sentence for them, not a traceback in the log.
            raise
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise _refusal("A file cannot be fetched from its address.") from None
        finally:
            # Gradio keeps each value for the session: of a camera, megabytes that nobody reads again.
            for block in block_fn.inputs:
                if state and is_stream(block) and block._id in state.config_values:
                    state.config_values[block._id]["props"]["value"] = None


def check_values(block_fn, values, components=None):
    """Check what a client sent for a function, in the order of its inputs.

    Args:
        block_fn: `gradio.blocks.BlockFunction`.
        values: list of JSON values, one per input.
        components: the inputs as they are in the client's session, where a choice may have other options; by default
            as the function has them.

    Returns:
        The values as a list, files in the one form that Gradio needs.

    Raises:
        gr.Error: if their number, or one of them, is wrong; a sentence, with the name of the argument.
    """
    if block_fn.fn is None:
        raise _refusal("This event is answered by the browser, not here.")
    components = components or block_fn.inputs
    if len(values) != len(components):
        names = ", ".join(f"`{name}`" for name in _names(block_fn)) or "none"
        raise _refusal(f"The number of values must be {len(components)}: {names}. Received: {len(values)}")
    return [
        value if component.stateful else check_value(name, component, value)
        for name, component, value in zip(_names(block_fn), components, values, strict=True)
    ]


def check_value(name, component, value):
    """Check one value: returned as its component takes it, or raises `gr.Error` of one sentence.

    Args:
        name: of the argument.
        component: Gradio's component for it.
        value: from JSON.
    """
    for kind, check in CHECKS.items():
        if isinstance(component, kind):
            try:
                return check(component, value)
            except _WrongValueError as error:
                raise _refusal(f"`{name}` must be {error.rule}. Received: {error.received}") from None
    raise _refusal(f"`{name}` is not taken from clients.")


def check_names(block_fn, names):
    """Check the names of arguments that a client gave: none unknown, and none left out that has no default.

    Raises:
        gr.Error: with the names, in one sentence.
    """
    arguments = arguments_of(block_fn)
    known = ", ".join(f"`{name}`" for name in arguments) or "none"
    for name in names:
        if name not in arguments:
            raise _refusal(f"The arguments are: {known}. Received: {describe(name)}")
    for name, component in arguments.items():
        if name not in names and component.value is None:
            raise _refusal(f"`{name}` is needed. Received: none")


def arguments_of(block_fn):
    """The components of the arguments that a client gives, by name; the values of others are kept by the server."""
    arguments = zip(_names(block_fn), block_fn.inputs, strict=True)
    return {name: component for name, component in arguments if not component.stateful}


def is_file(component):
    """Return whether a component takes files."""
    return isinstance(component, (gr.Image, gr.Video, gr.File)) and not is_stream(component)


def is_stream(component):
    """Return whether a component takes the frames of a camera."""
    return isinstance(component, gr.Image) and bool(component.streaming)


def describe(value):
    """What a client sent, in a few words on one line."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        keys = ", ".join(f"`{_cut(_clean(str(key)), 20)}`" for key in list(value)[:3])
        return f"an object with {keys}" if keys else "an empty object"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number too large"
    return _cut(json.dumps(value), SHOWN)


def in_cache(path):
    """Whether a path is of a file in the app's own cache, which is where uploads lie.

    A path that does not even claim to be in there is never looked up on the disk. Symbolic links are followed.
    """
    root = os.path.abspath(os.environ["GRADIO_TEMP_DIR"])
    try:
        if not _is_below(os.path.abspath(path), {root, os.path.realpath(root)}):
            return False
        return _is_below(os.path.realpath(path), {os.path.realpath(root)})
    except (ValueError, OSError):  # A null byte, half a character, a name too long.
        return False


class _WrongValueError(Exception):
    def __init__(self, rule, value, received=None):
        self.rule, self.received = rule, received or describe(value)


def _names(block_fn):
    names = block_fn.input_parameter_names or []
    return [names[index] if index < len(names) and names[index] else f"value {index + 1}"
            for index in range(len(block_fn.inputs))]  # fmt: skip


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
    if len(files) > MAX_PICTURES:
        raise _WrongValueError(FILES, value)
    return [_file_data(file, FILES) for file in files]


def _file_data(value, rule):
    """One file, as a client's object for it or only its address, as the object that Gradio takes."""
    file = {"path": value} if isinstance(value, str) else value
    path = (file.get("path") or file.get("url")) if isinstance(file, dict) else None
    if not isinstance(path, str):
        raise _WrongValueError(rule, value)
    if not _is_address(path):
        if not in_cache(path):
            # The same sentence for each such path: it tells nothing of what there is on the disk.
            raise _WrongValueError(rule, value, "a path outside of the uploads")
        path = os.path.realpath(path)
    name = file.get("orig_name")
    name = _cut(_clean(name), MAX_NAME) if isinstance(name, str) else None
    return {"path": path, "orig_name": name or None, "meta": {"_type": "gradio.FileData"}}


def _is_address(text):
    try:
        return (
            is_http_url_like(text)
            and len(text) <= MAX_ADDRESS
            and bool(urlsplit(text).hostname and httpx.URL(text).host)
        )
    except (httpx.InvalidURL, ValueError):
        return False


def _image(component, value):
    """Check a photo, or a stream's frame, whose picture `fer.app.components.upload.decode_frame` checks."""
    if not is_stream(component):
        return _file(component, value)
    url = value.get("url") if isinstance(value, dict) else None
    if not isinstance(url, str):
        raise _WrongValueError("a picture as a data: URL", value)
    return {"url": url}


def _refusal(sentence):
    return gr.Error(sentence, print_exception=False)


def _clean(text):
    """A text on one line, that UTF-8 can hold."""
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
"""By component: what checks a value for it. The first that fits counts."""
