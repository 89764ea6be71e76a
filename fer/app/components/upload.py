"""How a photo or clip reaches the recognizer: unopened, for fer.images.loading and fer.images.clips to open it
guarded."""

import base64
from pathlib import Path
from typing import NamedTuple

import gradio as gr
from gradio_client import handle_file

from fer.app.server.limits import LIVE_BYTES


class Upload(NamedTuple):
    """A file as it came: where it lies and what its owner calls it."""

    path: str
    name: str


EXAMPLE = handle_file("https://raw.githubusercontent.com/scikit-image/scikit-image/v0.25.2/skimage/data/astronaut.png")
"""What the API's documentation sends: the example photo, at the address that it comes from."""


class Photo(gr.Image):
    """`gr.Image` that hands over an `Upload` unopened: fer.images.loading opens it, guarded, and says in words what is
    broken.

    It lies in the app's cache: `fer.app.server.payloads` has refused all other paths. (For every class like this one
    Gradio writes a stub, upload.pyi, where it may; git ignores it.)
    """

    is_template = True

    def preprocess(self, payload):
        if payload is None:
            return None
        return Upload(payload.path, payload.orig_name or Path(payload.path).name)

    def example_payload(self):
        return EXAMPLE


class Files(gr.File):
    """`gr.File` whose example in the API's documentation is a photo."""

    is_template = True

    def example_payload(self):
        return [EXAMPLE]


class Clip(gr.Video):
    """`gr.Video` that hands over an `Upload` unopened: fer.images.clips opens it, guarded, and says in words what is
    broken.

    Gradio's own would have the program ffmpeg write a second file without sound beside the first.
    """

    is_template = True

    def preprocess(self, payload):
        if payload is None:
            return None
        return Upload(payload.path, payload.orig_name or Path(payload.path).name)


class Camera(gr.Image):
    """`gr.Image` that hands over a stream's frame as the bytes that came, for fer.images.loading to open guarded.

    Frames come within the message, as a data URL, and are never written to disk.
    """

    is_template = True

    def preprocess(self, payload):
        head, _, data = ((payload and payload.url) or "").partition(";base64,")
        try:
            if head.startswith("data:image/") and len(data) <= LIVE_BYTES:
                return base64.b64decode(data)
        except ValueError:
            pass
        raise gr.Error("A frame must be a small picture as a data URL.", print_exception=False)
