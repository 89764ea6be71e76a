"""Registry of networks: the name of each, the sizes of its input, and the function that builds it.

`@network` registers a function. `fer.models.networks` imports all modules with such functions, so import that module
before you look up a name. Keras is imported only when a network is built: a wrong name or size is refused before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from fer.errors import UserError

MOST_PIXELS = 512
"""Largest side of an input in pixels. It keeps a downloaded `config.json` from exhausting the memory."""
NETWORKS: dict[str, "Network"] = {}
"""Registered networks by name; complete once `fer.models.networks` is imported."""


class Size(NamedTuple):
    """Sides that the square input of a network may have, in pixels.

    usual: default side.
    least: smallest side.
    step: divisor of the side.
    """

    usual: int
    least: int
    step: int = 1


@dataclass(frozen=True)
class WeightsFile:
    """A kind of weights file from which one backbone can start, in addition to the files that Keras writes.

    suffix: end of the file's name.
    load: function that sets the weights of a base from the path of such a file, and returns the paths that it read.
    source: origin of the published file, as text for the model card.
    """

    suffix: str
    load: Callable
    source: str


@dataclass(frozen=True)
class Backbone:
    """Properties of a base of `keras.applications`, or of one with the same arguments.

    load: function that returns two functions: the one that builds the network, and its `preprocess_input` for pictures
        with three channels and values 0-255.
    last_frozen_layer: name of the last layer that fine-tuning of the last block leaves frozen. All paths through the
        network pass through it.
    enlarged: side in pixels to which the network enlarges its input first; None: it does not.
    file: `WeightsFile` from which it can start; None if it can only start from files that Keras wrote.
    no_download: sentence on where its ImageNet weights are, if Keras cannot download them.
    """

    load: Callable
    last_frozen_layer: str
    enlarged: int | None = None
    file: WeightsFile | None = None
    no_download: str = ""


@dataclass(frozen=True)
class Network:
    """A registered network.

    name: name in command lines and in `config.json`.
    size: sides that its input may have.
    build: function of `image_size`, `classes` and options with defaults; it returns a Keras model with fresh weights.
    former_name: name in the `config.json` of earlier versions; None if it was the same.
    backbone: `Backbone` of a network that can start from the weights of a base; None for other networks.
    """

    name: str
    size: Size
    build: Callable
    former_name: str | None = None
    backbone: Backbone | None = None

    def check_size(self, image_size: int, enlarged: int | None) -> None:
        """Raise an error unless the network supports the size of an input.

        Args:
            image_size: side of the input in pixels.
            enlarged: side in pixels to which the network enlarges the input (`fer.models.networks.se_resnet`), or None.

        Raises:
            UserError: if a side is out of range, or not a multiple of the network's step.
        """
        if image_size < self.size.least or image_size % self.size.step:
            multiple = f"a multiple of {self.size.step}, " if self.size.step > 1 else ""
            rule = f"`image_size` must be {multiple}at least {self.size.least} for {self.name}"
            raise UserError(f"{rule}. Received: {image_size}")
        if image_size > MOST_PIXELS:
            raise UserError(f"`image_size` must be at most {MOST_PIXELS}. Received: {image_size}")
        if enlarged is not None and not (image_size < enlarged <= MOST_PIXELS and enlarged % self.size.step == 0):
            raise UserError(
                f"`enlarged` must be a multiple of {self.size.step} above the input's {image_size}, at most "
                f"{MOST_PIXELS}. Received: {enlarged}"
            )


def network(name: str, size: Size, former_name: str | None = None, backbone: Backbone | None = None) -> Callable:
    """Return a decorator that registers the function that builds a network; the arguments are those of `Network`."""

    def register(build):
        NETWORKS[name] = Network(name, size, build, former_name, backbone)
        return build

    return register
