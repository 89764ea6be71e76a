"""Sizes of the networks' inputs, known without Keras: what does not fit is told before it loads."""

from typing import NamedTuple

from fer.errors import UserError

MOST_PIXELS = 512
"""Largest side of an input in pixels: a `config.json` from elsewhere must not use up the memory."""


class Size(NamedTuple):
    """Side of a network's square input in pixels.

    usual: unless another is asked for.
    least: the smallest that the network can have.
    step: what it must be a multiple of.
    """

    usual: int
    least: int
    step: int = 1


# A face has 48 pixels, more hold no more of it, and the work on a CPU grows with their number: so each backbone's input
# is the smallest that loses nothing and leaves 2x2 places in the last feature map, for a class activation map to tell
# apart. VGG16 and ResNet50 halve five times: of 64 pixels no row falls off an edge. InceptionV3 does not pad its stem:
# of 75 to 106 pixels it leaves a single place. MobileNet enlarges what it is given.
SIZES = {
    "se_resnet": Size(48, least=16, step=8),
    "seed": Size(244, least=8),
    "inception_v3": Size(107, least=75),
    "mobilenet": Size(48, least=32),
    "resnet50": Size(64, least=32),
    "vgg16": Size(64, least=32),
}
"""By name of a network of `fer.models.networks`."""


def check_size(name: str, image_size: int, enlarged: int | None = None) -> None:
    """Make sure that a network can have an input of a size.

    Args:
        name: a key of `SIZES`.
        image_size: side of the input in pixels.
        enlarged: side in pixels to which the network enlarges it first (`fer.models.networks.se_resnet`); None for
            none.

    Raises:
        UserError: if it cannot.
    """
    size = SIZES[name]
    if image_size < size.least or image_size % size.step:
        multiple = f"a multiple of {size.step}, " if size.step > 1 else ""
        rule = f"`image_size` must be {multiple}at least {size.least} for {name}"
        raise UserError(f"{rule}. Received: {image_size}")
    if image_size > MOST_PIXELS:
        raise UserError(f"`image_size` must be at most {MOST_PIXELS}. Received: {image_size}")
    if enlarged is not None and not (image_size < enlarged <= MOST_PIXELS and enlarged % size.step == 0):
        raise UserError(
            f"`enlarged` must be a multiple of {size.step} above the input's {image_size}, at most {MOST_PIXELS}. "
            f"Received: {enlarged}"
        )
