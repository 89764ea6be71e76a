"""What the pages and endpoints of an app share."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from fer.errors import UserError

if TYPE_CHECKING:
    from fer.hub.client import ModelSource
    from fer.models.config import ModelConfig
    from fer.recognition.recognizer import Recognizer


class ServedModel(NamedTuple):
    """The model that answers, and what its folder held when it was loaded. No request reads the folder again.

    Attributes:
        recognizer: the loaded model.
        source: the place that the model was loaded from.
        reason: sentence for visitors on why the requested model could not be loaded, without the paths of folders;
            "" if it could.
        config: its configuration, for the page about it.
        metrics: content of its `metrics.json`; None if it has no valid one.
        settings: settings with which a browser reads pictures, see `fer.web.settings.build_settings`.
        networks: content of each network by its path in the settings.
    """

    recognizer: "Recognizer"
    source: "ModelSource"
    reason: str = ""
    config: "ModelConfig | None" = None
    metrics: dict[str, Any] | None = None
    settings: Mapping[str, Any] = MappingProxyType({})
    networks: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True)
class Services:
    """The model that answers, the reader of photos, the limits of Live, and whether browsers answer.

    served_model: future of a `ServedModel`; pages are built and served before it is done.
    load_image: function with the signature of `fer.images.loading.load_image`.
    live_seconds: seconds after which a stream ends by itself.
    live_people: largest number of streams that the server answers at once.
    on_device: whether browsers may load the model.
    """

    served_model: Future
    load_image: Callable[..., Image.Image]
    live_seconds: int
    live_people: int
    on_device: bool

    @property
    def recognizer(self) -> "Recognizer":
        """Recognizer of the model that answers. It waits until the model is loaded."""
        return self.served_model.result().recognizer


def open_model(source: "ModelSource", reason: str = "") -> ServedModel:
    """Load a model.

    Args:
        source: the place to load it from.
        reason: `ServedModel.reason`.

    Raises:
        UserError: if it cannot be loaded.
    """
    from fer.models.model_folder import load_metrics
    from fer.recognition.litert_network import read_litert_file
    from fer.recognition.recognizer import Recognizer
    from fer.web.settings import build_settings

    file = read_litert_file(source.folder)
    recognizer = Recognizer.open(file, source.public_name)
    try:
        metrics = load_metrics(source.folder, "the page")
    except UserError:
        metrics = None
    settings, networks = build_settings(source.folder, source.public_name, file)
    return ServedModel(recognizer, source, reason, file.config, metrics, settings, networks)


async def wait_for_model(served_model: Future) -> ServedModel:
    """Return the `ServedModel` of a future once the model is loaded.

    Waiting holds no thread: the threads also send the page's files, and twenty visitors would hold all of them.
    """
    # A request that ends early would otherwise cancel the future itself.
    return await asyncio.shield(asyncio.wrap_future(served_model))
