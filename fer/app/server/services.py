"""What the pages and endpoints of an app share."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from fer.recognition.recognizer import Recognizer


@dataclass(frozen=True)
class Services:
    """The model that answers, the reader of photos, the limits of Live, and whether browsers answer.

    serving: future of a `fer.app.demo.Serving`; pages are built and served before it is done.
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
