"""What the pages and endpoints of an app share."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

if TYPE_CHECKING:
    from fer.hub.client import ModelSource
    from fer.recognition.recognizer import Recognizer


class Serving(NamedTuple):
    """The model that answers.

    Attributes:
        recognizer: the loaded model.
        source: the place that the model was loaded from.
        reason: sentence for visitors on why the requested model could not be loaded, without the paths of folders;
            "" if it could.
    """

    recognizer: "Recognizer"
    source: "ModelSource"
    reason: str = ""


@dataclass(frozen=True)
class Services:
    """The model that answers, the reader of photos, the limits of Live, and whether browsers answer.

    serving: future of a `Serving`; pages are built and served before it is done.
    load_image: function with the signature of `fer.images.loading.load_image`.
    live_seconds: seconds after which a stream ends by itself.
    live_people: largest number of streams that the server answers at once.
    on_device: whether browsers may load the model.
    """

    serving: Future
    load_image: Callable[..., Image.Image]
    live_seconds: int
    live_people: int
    on_device: bool

    @property
    def recognizer(self) -> "Recognizer":
        """Recognizer of the model that answers. It waits until the model is loaded."""
        return self.serving.result().recognizer


async def wait_for_model(serving: Future) -> Serving:
    """Return the `Serving` of a future once the model is loaded.

    Waiting holds no thread: the threads also send the page's files, and twenty visitors would hold all of them.
    """
    # A request that ends early would otherwise cancel the future itself.
    return await asyncio.shield(asyncio.wrap_future(serving))
