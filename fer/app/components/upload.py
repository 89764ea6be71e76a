"""Access to uploaded photos, clips and camera frames without Gradio's preprocessing.

`gr.Image` would decode a photo without the limits of `fer.images.loading`, and `gr.Video` would have ffmpeg write a
second file without sound. Therefore events with a file are registered with `preprocess=False`: their functions receive
the JSON that `fer.app.server.payloads` has checked, and read it with the functions of this module.
"""

import base64
from pathlib import Path
from typing import NamedTuple

from gradio.components import Component
from gradio_client import handle_file

from fer.app.javascript import read_script
from fer.app.server.limits import LIVE_BYTES
from fer.app.server.values import refusal
from fer.resources import find_resource

EXAMPLE = find_resource("examples/astronaut.jpg")
"""Path of the example photo."""
EXAMPLE_ADDRESS = handle_file(
    "https://raw.githubusercontent.com/scikit-image/scikit-image/v0.25.2/skimage/data/astronaut.png"
)
"""Photo in the documentation of the API: `EXAMPLE`, at its original address."""
EMPTY_OTHERS = read_script("components/empty_others.js")
"""JavaScript that empties the answer to other uploads, with a placeholder that `empty_others` replaces."""


class Upload(NamedTuple):
    """A file in the app's cache.

    Attributes:
        path: path in the cache.
        name: name of the file that was uploaded.
    """

    path: str
    name: str

    @property
    def place(self) -> str:
        """The last folder and the name of the path, by which the page tells its uploads apart."""
        return "/".join(Path(self.path).parts[-2:])


def to_upload(file: dict | None) -> Upload | None:
    """Return the `Upload` of the unprocessed value of a `gr.Image` or `gr.Video`; None for None."""
    return file and Upload(file["path"], file["orig_name"] or Path(file["path"]).name)


def empty_others(inputs: list[Component], outputs: list[Component], empty: str) -> dict[str, object]:
    """Return the arguments of events that empty the answer to other uploads and lock its two buttons.

    An answer is that of other uploads while these wait or are read, or if it arrives after they were chosen.

    Args:
        inputs: components of the uploads, of the answer, whose `uploads` are the `Upload.place` of what was read, and
            further ones.
        outputs: components of the answer, of the two buttons, and further ones.
        empty: JavaScript expression of a list with the values of the further outputs if they are empty; in it, `shown`
            is the list of the further inputs, and `hide(html)` makes HTML invisible that keeps its place.
    """
    script = EMPTY_OTHERS.replace("EMPTY", empty)
    return {"fn": None, "inputs": inputs, "outputs": outputs, "js": script, "api_visibility": "private"}


def decode_frame(frame: dict | None) -> bytes:
    """Return the bytes of a camera's frame, which is part of the message and is never written to disk.

    Args:
        frame: unprocessed value of a streaming `gr.Image`.

    Raises:
        gr.Error: if the frame is not a small picture as a data: URL.
    """
    head, _, data = ((frame and frame["url"]) or "").partition(";base64,")
    try:
        if head.startswith("data:image/") and len(data) <= LIVE_BYTES:
            return base64.b64decode(data)
    except ValueError:
        pass
    raise refusal("A frame must be a small picture as a data URL.")
