"""The project's own networks. Importing this module also registers those of `fer.models.backbones`.

Every network takes grey pictures `(batch, image_size, image_size, 1)` with values 0-255, which its first layer scales,
and returns float32 probabilities `(batch, classes)`. If a network ends in global average pooling and one dense layer,
its last feature map is the output of the layer `features`.

To add a network, decorate a function with `@network` here, and add its recipe to `fer.training.recipes`. Keras is
imported only when a network is built.
"""

from collections.abc import Sequence
from typing import Any

from fer.errors import UserError
from fer.models import backbones  # noqa: F401  Registers its networks.
from fer.models.registry import NETWORKS, Network, Size, network

MOST_FILTERS, MOST_STAGES, MOST_BLOCKS = 512, 5, 8
"""Largest numbers of filters per layer, of stages, and of blocks per stage. They keep a downloaded `config.json` from
exhausting the memory."""


def find_network(name: str) -> Network:
    """Return a registered network by its name, or by the name that it had in earlier versions.

    Raises:
        UserError: if the name is unknown.
    """
    for entry in NETWORKS.values():
        if name in (entry.name, entry.former_name):
            return entry
    raise UserError(f"`network` must be one of {', '.join(sorted(NETWORKS))}. Received: {name!r}")


def build_network(name: str, image_size: int, classes: int, **options: Any) -> Any:
    """Build a registered network with fresh weights.

    Args:
        name: name of the network.
        image_size: side of the square grey input in pixels, within the network's `Size`.
        classes: number of outputs, at least 2.
        **options: arguments of the network's function except `image_size` and `classes`.

    Returns:
        A Keras model.

    Raises:
        UserError: if the name is unknown, or the network does not support the size, the number of classes or an option.
    """
    found = find_network(name)
    if not isinstance(classes, int) or classes < 2:
        raise UserError(f"A network needs at least two classes. Received: classes={classes!r}")
    found.check_size(image_size, options.get("enlarged"))
    return found.build(image_size, classes, **options)


@network("se_resnet", size=Size(48, least=16, step=8))
def se_resnet(
    image_size: int,
    classes: int,
    stem: int = 64,
    widths: Sequence[int] = (64, 128, 192),
    depth: int = 2,
    dropout: float = 0.2,
    enlarged: int | None = None,
) -> Any:
    """Build a small residual network with squeeze-and-excitation for 48-pixel faces.

    A 5x5 convolution with stride 2 is followed by stages of residual blocks (He et al., 2016) with
    squeeze-and-excitation (Hu et al., 2018). Each stage has half the resolution of the one before: 24, 12 and 6 pixels
    for a 48-pixel face. It ends in global average pooling and one dense layer, so that it has class activation maps
    (Zhou et al., 2016). With the default options and seven classes it has 1.95 M parameters and needs 206 M
    multiply-adds per picture.

    Args:
        image_size: side of the input in pixels, a multiple of 8, at least 16.
        classes: number of outputs.
        stem: filters of the first convolution, 8 to 512.
        widths: filters of each stage, 8 to 512; 1 to 5 stages.
        depth: residual blocks per stage, 1 to 8.
        dropout: share of the pooled features that is dropped in training.
        enlarged: side in pixels to which the input is enlarged first (`fer.models.layers.Enlarge`), a multiple of 8.
            Enlarged from 48 to 64 pixels, a face has feature maps of 32, 16 and 8 pixels and needs 1.8 times the
            multiply-adds. None: the input is not enlarged.
    """
    if not 1 <= len(widths) <= MOST_STAGES or not all(8 <= filters <= MOST_FILTERS for filters in (stem, *widths)):
        raise UserError(
            f"`stem` and each of 1 to {MOST_STAGES} `widths` must be from 8 to {MOST_FILTERS}. "
            f"Received: stem={stem}, widths={widths}"
        )
    if not 1 <= depth <= MOST_BLOCKS:
        raise UserError(f"`depth` must be from 1 to {MOST_BLOCKS}. Received: {depth}")
    from keras import Input, Model, layers

    from fer.models.layers import Enlarge, convolution, residual_block

    image = Input((image_size, image_size, 1), name="image")
    x = Enlarge(enlarged, dtype="float32")(image) if enlarged else image
    x = layers.Rescaling(1 / 127.5, offset=-1, dtype="float32")(x)
    x = convolution(x, stem, size=5, strides=2)
    x = layers.ReLU()(x)
    for stage, width in enumerate(widths):
        for block in range(depth):
            x = residual_block(x, width, strides=2 if stage and not block else 1)
    x = layers.Activation("linear", name="features")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    probabilities = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return Model(image, probabilities, name="se_resnet")


@network("original_cnn", size=Size(244, least=8), former_name="seed")
def original_cnn(image_size: int, classes: int) -> Any:
    """Build the network with which this project began, to tell happy from sad faces enlarged to 244 pixels.

    Two convolutions and one pooling are followed by a dense layer of 200 units over all (image_size / 2)^2 x 16 values.
    At 244 pixels that layer alone has 47.6 M parameters.

    Args:
        image_size: side of the input in pixels, at least 8.
        classes: number of outputs.
    """
    from keras import Input, Model, layers

    image = Input((image_size, image_size, 1), name="image")
    x = layers.Rescaling(1 / 255, dtype="float32")(image)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(16, 3, padding="same")(x)
    x = layers.LeakyReLU(negative_slope=0.5)(x)
    x = layers.BatchNormalization()(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(200, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    probabilities = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return Model(image, probabilities, name="original_cnn")
