"""The networks: the project's own and, imported to be registered, those of `fer.models.backbones`.

Every network takes `(batch, image_size, image_size, 1)` grey pictures with values 0-255 (scaling is its first layer)
and answers `(batch, classes)` float32 probabilities. Where a network ends in global average pooling and one dense
layer, its last feature map is the layer named `features`.

A function with `@network` is all that a new network needs here; `fer.training.recipes` has how it is trained. Keras is
imported where a network is built.
"""

from typing import Any

from fer.errors import UserError
from fer.models import backbones  # noqa: F401  Registers its networks.
from fer.models.registry import NETWORKS, Network, Size, network

MOST_FILTERS, MOST_STAGES, MOST_BLOCKS = 512, 5, 8
"""Bounds of a network: a `config.json` from elsewhere must not use up the memory."""


def find_network(name: str) -> Network:
    """Return the network of a name, or of a name that it had in earlier versions.

    Raises:
        UserError: for an unknown name.
    """
    for entry in NETWORKS.values():
        if name in (entry.name, entry.former_name):
            return entry
    raise UserError(f"`network` must be one of {', '.join(sorted(NETWORKS))}. Received: {name!r}")


def build_network(name: str, image_size: int, classes: int, **options: Any) -> Any:
    """Build a registered network with fresh weights.

    Args:
        name: name of the network.
        image_size: side of the square grey input in pixels, as the network's `Size` allows.
        classes: number of outputs, at least 2.
        **options: the network's own arguments.

    Raises:
        UserError: for an unknown name, a size or a number of classes that the network cannot have.
    """
    found = find_network(name)
    if not isinstance(classes, int) or classes < 2:
        raise UserError(f"A network needs at least two classes. Received: classes={classes!r}")
    found.check_size(image_size, options.get("enlarged"))
    return found.build(image_size, classes, **options)


@network("se_resnet", size=Size(48, least=16, step=8))
def se_resnet(image_size, classes, stem=64, widths=(64, 128, 192), depth=2, dropout=0.2, enlarged=None):
    """Build a small residual network with squeeze-and-excitation for 48-pixel faces.

    A strided 5x5 stem, then `depth` residual blocks (He et al., 2016) with squeeze-and-excitation (Hu et al., 2018) a
    width, each width at half the resolution of the one before: 24, 12 and 6 pixels for a 48-pixel face. Global average
    pooling and one dense layer make the last feature map explain the answer (Zhou et al., 2016).
    With its defaults and seven classes: 1.95 M parameters, 206 M multiply-adds a picture.

    Args:
        image_size: side of the input in pixels, a multiple of 8, at least 16.
        classes: number of outputs.
        stem: filters of the first convolution, 8 to 512.
        widths: filters of each of 1 to 5 stages, 8 to 512.
        depth: residual blocks a stage, 1 to 8.
        dropout: share of pooled features dropped in training.
        enlarged: side in pixels to which it enlarges its input first (`Enlarge`), a multiple of 8: a face of 48 pixels
            enlarged to 64 has maps of 32, 16 and 8, and 1.8 times the multiply-adds. None: it reads the input as it is.
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
def original_cnn(image_size, classes):
    """Build the network that this project goes back to: it told happy from sad faces in 244-pixel enlargements.

    Two convolutions, one pooling, and a dense layer of 200 units over all of the (image_size / 2)^2 x 16 values: at 244
    pixels that layer alone has 47.6 M parameters.

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
