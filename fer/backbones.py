"""Networks of `keras.applications` without their top, and weights that they start from.

A backbone is built flat, all layers in one model, so that whatever reads a network's layers reads these too.
"""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keras import Input, Model, applications, layers

from fer.errors import UserError

SUFFIXES = (".weights.h5", ".h5", ".hdf5")
"""Of weights files: Keras 3's, and those of before, as `keras.applications` still publishes its own."""


@dataclass(frozen=True)
class Backbone:
    """What is particular to a network of `keras.applications`.

    build: its function.
    preprocess: its `preprocess_input`, for pictures of three channels and values 0-255.
    least: side of the smallest input that it can have, in pixels.
    image_size: side of its input here, unless another is asked for.
    joint: name of the layer behind which its last block begins; everything passes through it.
    """

    build: Callable
    preprocess: Callable
    least: int
    image_size: int
    joint: str


# A face has 48 pixels, more hold no more of it, and the work on a CPU grows with their number: so each input is the
# smallest that loses nothing and leaves 2x2 places in the last feature map, for a class activation map to tell apart.
# VGG16 and ResNet50 halve five times: of 64 pixels no row falls off an edge. InceptionV3 does not pad its stem: of 75
# to 106 pixels it leaves a single place. The weights of ImageNet have learnt from 224 pixels (InceptionV3: 299).
BACKBONES = {
    "inception_v3": Backbone(
        applications.InceptionV3, applications.inception_v3.preprocess_input, least=75, image_size=107, joint="mixed9"
    ),
    "resnet50": Backbone(
        applications.ResNet50,
        applications.resnet50.preprocess_input,
        least=32,
        image_size=64,
        joint="conv5_block2_out",
    ),
    "vgg16": Backbone(
        applications.VGG16, applications.vgg16.preprocess_input, least=32, image_size=64, joint="block4_pool"
    ),
}
"""By name: InceptionV3 (Szegedy et al., 2016), ResNet50 (He et al., 2016), VGG16 (Simonyan and Zisserman, 2015)."""


def build_backbone(name, image_size, classes):
    """A network of `BACKBONES` with fresh weights: the base, global average pooling and one dense layer, the head.

    Args:
        name: a key of `BACKBONES`.
        image_size: side of the grey input in pixels, at least the backbone's `least`.
        classes: number of outputs.
    """
    backbone = BACKBONES[name]
    if image_size < backbone.least:
        raise UserError(f"`image_size` must be at least {backbone.least} for {name}. Received: {image_size}")
    image = Input((image_size, image_size, 1), name="image")
    x = backbone.preprocess(layers.Concatenate(name="grey_to_color")([image, image, image]))
    x = backbone.build(include_top=False, weights=None, input_tensor=x).output
    x = layers.Activation("linear", name="features")(x)
    x = layers.GlobalAveragePooling2D()(x)
    probabilities = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return Model(image, probabilities, name=name)


def load_base(name, weights):
    """Loads the weights of a backbone's base.

    Args:
        name: of a network.
        weights: `none`; `imagenet`, which Keras downloads, unless it has before, and checks; or the path of a file that
            Keras wrote of the same base, or of a network with it.

    Returns:
        The arrays, in the order of the network's own, which has the head's two besides; and the facts to keep of them:
        a file's `name` and its `sha256`, None for `imagenet`. None and None for `none`.

    Raises:
        UserError: if the network is no backbone, the weights cannot be had, or are another network's.
    """
    if name not in BACKBONES:
        raise UserError(f"`--weights` goes with the networks {', '.join(BACKBONES)}. Received: {name}")
    if weights == "none":
        return None, None
    build = BACKBONES[name].build
    if weights == "imagenet":
        try:
            base = build(include_top=False, weights="imagenet")
        except Exception as error:  # Of no narrower class where Keras fails to download.
            raise UserError(
                f"The ImageNet weights of {name} could not be downloaded: {error}. `--weights PATH` takes a local file."
            ) from None
        return base.get_weights(), {"name": "imagenet", "sha256": None}
    path = Path(weights)
    if not path.is_file():
        raise UserError(f"`--weights` must be imagenet, none or a file. Received: {weights}")
    if not path.name.endswith(SUFFIXES):
        raise UserError(f"`--weights` must be a file named *{', *'.join(SUFFIXES)}. Received: {weights}")
    base = build(include_top=False, weights=None)
    try:
        with warnings.catch_warnings():
            # Of what Keras warns here it raises an error in the end.
            warnings.simplefilter("ignore")
            base.load_weights(path)
    except ValueError:
        raise UserError(
            f"`--weights` must hold the weights of {name} without its top, as Keras writes them. "
            f"Received: {path}, which holds others"
        ) from None
    except (OSError, RuntimeError, KeyError) as error:
        raise UserError(f"`--weights` must be an HDF5 file that is whole. Received: {path} ({error})") from None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return base.get_weights(), {"name": path.name, "sha256": digest}


def leave_last_block_trainable(network):
    """Freezes all of a network of `build_backbone` but the last block of its base, and its head.

    Batch normalization is frozen there too: it goes on with the means and variances that the base has learnt from many
    pictures, in training as in inference.
    """
    joint = network.get_layer(BACKBONES[network.name].joint)
    # Keras has the layers in the order of the graph, so what comes after the joint is the last block.
    after = False
    for layer in network.layers:
        layer.trainable = after and not isinstance(layer, layers.BatchNormalization)
        after = after or layer is joint
