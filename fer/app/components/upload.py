"""Photos, clips and camera frames on their way to the recognizer: they are handed over unopened.

`gr.Image` would open a photo without the guards of `fer.images.loading`, and `gr.Video` would have the program ffmpeg
write a second file without sound. So events that take a file are registered with `preprocess=False`: their functions
get what `fer.app.server.payloads` has checked, and read it with the functions of this module.
"""

import base64
from pathlib import Path
from typing import NamedTuple

import gradio as gr
from gradio_client import handle_file

from fer.app.server.limits import LIVE_BYTES

EXAMPLE_ADDRESS = handle_file(
    "https://raw.githubusercontent.com/scikit-image/scikit-image/v0.25.2/skimage/data/astronaut.png"
)
"""Photo in the API's documentation: the app's example, at the address that it comes from."""


class Upload(NamedTuple):
    """A file in the app's cache.

    path: where it lies.
    name: what its owner calls it.
    """

    path: str
    name: str


def to_upload(file):
    """Return the `Upload` of a `gr.Image`'s or `gr.Video`'s unprocessed value; None for None."""
    return file and Upload(file["path"], file["orig_name"] or Path(file["path"]).name)


def decode_frame(frame):
    """Return the bytes of a camera's frame, which comes within its message and is never written to disk.

    Args:
        frame: unprocessed value of a streaming `gr.Image`.

    Raises:
        gr.Error: if it is no small picture as a data: URL.
    """
    head, _, data = ((frame and frame["url"]) or "").partition(";base64,")
    try:
        if head.startswith("data:image/") and len(data) <= LIVE_BYTES:
            return base64.b64decode(data)
    except ValueError:
        pass
    raise gr.Error("A frame must be a small picture as a data URL.", print_exception=False)
