"""How a photo or clip reaches the recognizer: unopened, for fer.images and fer.video to open it guarded."""

from pathlib import Path
from typing import NamedTuple

import gradio as gr


class Upload(NamedTuple):
    """A file as it came: where it lies and what its owner calls it."""

    path: str
    name: str


class Photo(gr.Image):
    """`gr.Image` that hands over an `Upload` unopened: fer.images opens it, guarded, and says in words what is broken.

    Gradio has moved the file to its cache by then, and has refused paths from outside of it. (For every class like this
    one Gradio writes a stub, upload.pyi, where it may; git ignores it.)
    """

    is_template = True

    def preprocess(self, payload):
        if payload is None:
            return None
        if payload.path is None:
            raise gr.Error("A photo must be sent as a file.", print_exception=False)
        return Upload(payload.path, payload.orig_name or Path(payload.path).name)


class Clip(gr.Video):
    """`gr.Video` that hands over an `Upload` unopened: fer.video opens it, guarded, and says in words what is broken.

    Gradio's own would have the program ffmpeg write a second file without sound beside the first.
    """

    is_template = True

    def preprocess(self, payload):
        if payload is None:
            return None
        return Upload(payload.path, payload.orig_name or Path(payload.path).name)
