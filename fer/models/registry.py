"""The registry of networks: what each is called, how large its input is, and the function that builds it.

`@network` registers a function, in `fer.models.networks`, which imports all modules that register any. None of them
imports Keras before a network is built, so that a name or a size that does not fit is refused before Keras is loaded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from fer.errors import UserError

MOST_PIXELS = 512
"""Largest side of an input in pixels: a `config.json` from elsewhere must not use up the memory."""
NETWORKS: dict[str, "Network"] = {}
"""Registered networks by name; complete where `fer.models.networks` is imported."""


class Size(NamedTuple):
    """Side of a network's square input in pixels.

    usual: default, unless another side is asked for.
    least: smallest side that the network can have.
    step: number that the side must be a multiple of.
    """

    usual: int
    least: int
    step: int = 1


@dataclass(frozen=True)
class Backbone:
    """What is particular to a network of `keras.applications`.

    load: function that returns Keras' function of the network and its `preprocess_input`, for pictures of three
        channels and values 0-255.
    joint: name of the layer behind which fine-tuning begins; everything passes through it.
    enlarged: side in pixels to which the network enlarges its input before anything else; None: it does not.
    """

    load: Callable
    joint: str
    enlarged: int | None = None


@dataclass(frozen=True)
class Network:
    """A registered network.

    name: name by which command lines and `config.json` know it.
    size: sides that its input may have.
    build: function of `image_size`, `classes` and options with defaults; it returns a Keras model with fresh weights.
    former_name: earlier name, by which model folders of earlier versions know it; None for none.
    backbone: `Backbone` of a network of `keras.applications`; None for other networks.
    """

    name: str
    size: Size
    build: Callable
    former_name: str | None = None
    backbone: Backbone | None = None

    def check_size(self, image_size: int, enlarged: int | None = None) -> None:
        """Make sure that the network can have an input of a size.

        Args:
            image_size: side of the input in pixels.
            enlarged: side in pixels to which the network enlarges it first (`fer.models.networks.se_resnet`); None for
                none.

        Raises:
            UserError: if it cannot.
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
    """Return a decorator that registers the function of a network; arguments are those of `Network`."""

    def register(build):
        NETWORKS[name] = Network(name, size, build, former_name, backbone)
        return build

    return register
