"""Backbones: published networks without their top, and the weights from which they can start.

All but EfficientNet-Lite0 are those of `keras.applications`. The layers of a backbone are not nested in a model of
their own, so that code which walks the layers of a network finds them too. Keras is imported only when a network is
built.
"""

import hashlib
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fer.errors import UserError, check
from fer.models import efficientnet_lite, pretrained
from fer.models.registry import NETWORKS, Backbone, Size, WeightsFile, network

KERAS_SUFFIXES = (".weights.h5", ".h5", ".hdf5")
"""Suffixes of weights files of Keras 3, and of earlier versions and `keras.applications`."""


def backbone(name: str, size: Size, **properties: Any) -> Callable:
    """Return a decorator that registers a backbone.

    The arguments are those of `Network` and `Backbone`; the decorated function becomes `Backbone.load`.
    """

    def register(load):
        network(name, size, backbone=Backbone(load, **properties))(partial(build_backbone, name))
        return load

    return register


def build_backbone(name: str, image_size: int, classes: int) -> Any:
    """Build a backbone with fresh weights: the base, then a head of global average pooling and one dense layer.

    Args:
        name: name of a network that has a `Backbone`.
        image_size: side of the grey input in pixels, within the network's `Size`.
        classes: number of outputs.
    """
    from keras import Input, Model, layers

    build, preprocess = NETWORKS[name].backbone.load()
    image = Input((image_size, image_size, 1), name="image")
    side = NETWORKS[name].backbone.enlarged
    enlarged = layers.Resizing(side, side, interpolation="bilinear", dtype="float32")(image) if side else image
    x = preprocess(layers.Concatenate(name="grey_to_color")([enlarged] * 3))
    x = build(include_top=False, weights=None, input_tensor=x).output
    x = layers.Activation("linear", name="features")(x)
    x = layers.GlobalAveragePooling2D()(x)
    probabilities = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return Model(image, probabilities, name=name)


# The ImageNet weights of EfficientNet-Lite0 were trained at 224 pixels, so the network enlarges its input.
@backbone(
    "efficientnet_lite0",
    size=Size(48, least=32),
    last_frozen_layer="block6d_add",
    enlarged=128,
    file=WeightsFile(".pth", efficientnet_lite.load_efficientnet_weights, efficientnet_lite.SOURCE),
    no_download=efficientnet_lite.ADVICE,
)
def efficientnet_lite0() -> tuple[Callable, Callable]:
    """Return EfficientNet-Lite0 (Tan and Le, 2019)."""
    return efficientnet_lite.build_efficientnet_lite0, efficientnet_lite.preprocess_input


# FER2013's faces have 48 pixels, and a larger input costs time without adding detail. So the default input of each
# backbone is the smallest whose last feature map has at least 2x2 positions, which a class activation map needs. VGG16
# and ResNet50 halve the resolution five times, which divides 64 without remainder. InceptionV3 has no padding in its
# stem: inputs of 75 to 106 pixels leave a single position. ImageNet weights were trained at 224 pixels (InceptionV3:
# 299).
@backbone("inception_v3", size=Size(107, least=75), last_frozen_layer="mixed9")
def inception_v3() -> tuple[Callable, Callable]:
    """Return InceptionV3 (Szegedy et al., 2016)."""
    from keras import applications

    return applications.InceptionV3, applications.inception_v3.preprocess_input


# The face weights of MobileNet (`fer.models.pretrained`) were trained at 224 pixels, so the network enlarges its input.
# The crop itself stays at 48 pixels: otherwise faces in photos would be sharper than the FER2013 faces in training.
@backbone(
    "mobilenet",
    size=Size(48, least=32),
    last_frozen_layer="conv_pw_3_relu",
    enlarged=128,
    file=WeightsFile(".json", pretrained.load_face_weights, pretrained.SOURCE),
)
def mobilenet() -> tuple[Callable, Callable]:
    """Return MobileNet (Howard et al., 2017)."""
    from keras import applications

    return applications.MobileNet, applications.mobilenet.preprocess_input


@backbone("resnet50", size=Size(64, least=32), last_frozen_layer="conv5_block2_out")
def resnet50() -> tuple[Callable, Callable]:
    """Return ResNet50 (He et al., 2016)."""
    from keras import applications

    return applications.ResNet50, applications.resnet50.preprocess_input


@backbone("vgg16", size=Size(64, least=32), last_frozen_layer="block4_pool")
def vgg16() -> tuple[Callable, Callable]:
    """Return VGG16 (Simonyan and Zisserman, 2015)."""
    from keras import applications

    return applications.VGG16, applications.vgg16.preprocess_input


def check_backbone(name: str) -> None:
    """Raise an error unless a network has a base that can start from weights."""
    known = [entry.name for entry in NETWORKS.values() if entry.backbone]
    if name not in known:
        raise UserError(f"`--weights` goes with the networks {', '.join(known)}. Received: {name}")


def check_base(name: str, weights: str) -> None:
    """Raise an error, before Keras is imported, unless weights are ones from which the base of a backbone can start.

    Args:
        name: name of the backbone.
        weights: as in `load_base`; what a file holds is not checked.
    """
    advice = NETWORKS[name].backbone.no_download
    if weights == "imagenet" and advice:
        raise UserError(f"Keras has no ImageNet weights of {name} to download. {advice}. Received: --weights imagenet")
    if weights in ("none", "imagenet"):
        return
    files = {
        entry.backbone.file.suffix: entry.name for entry in NETWORKS.values() if entry.backbone and entry.backbone.file
    }
    path, suffixes = Path(weights), (*KERAS_SUFFIXES, *files)
    check(path.is_file(), "--weights", "imagenet, none or a file", weights)
    check(path.name.endswith(suffixes), "--weights", f"a file named *{', *'.join(suffixes)}", weights)
    owner = files.get(path.suffix, name)
    if owner != name:
        raise UserError(f"`--weights *{path.suffix}` goes with the network {owner}. Received: {name}")


def load_base(name: str, weights: str) -> tuple[list[np.ndarray] | None, dict[str, Any] | None]:
    """Load weights for the base of a backbone, which `check_base` has checked.

    Args:
        name: name of the backbone.
        weights: `none`; `imagenet`, which Keras downloads and caches; the path of a file that Keras wrote, with the
            weights of the same base or of a network that contains it; or the path of the backbone's own `WeightsFile`.

    Returns:
        The arrays, in the order of the network's `get_weights`, which has two more at the end for the head; and facts
        about the weights: the file's `name`, the `sha256` of all files that were read (None for `imagenet`), and a
        `source` if it is known. `(None, None)` for `none`.

    Raises:
        UserError: if the weights cannot be downloaded, read, or loaded into the base.
    """
    if weights == "none":
        return None, None
    if weights == "imagenet":
        return _load_imagenet(name), {"name": "imagenet", "sha256": None}
    return _load_file(name, weights)


def _load_imagenet(name):
    """Return the ImageNet weights of a base."""
    build, _ = NETWORKS[name].backbone.load()
    try:
        return build(include_top=False, weights="imagenet").get_weights()
    except Exception as error:  # Keras raises a plain `Exception` if a download fails.
        raise UserError(
            f"The ImageNet weights of {name} could not be downloaded: {error}. `--weights PATH` takes a local file."
        ) from None


def _load_file(name, weights):
    """Return the weights of a base from a file, and the facts about them."""
    path, own = Path(weights), NETWORKS[name].backbone.file
    build, _ = NETWORKS[name].backbone.load()
    base = build(include_top=False, weights=None)
    if own and path.suffix == own.suffix:
        read, source = own.load(base, path), {"source": own.source}
    else:
        _load_keras_file(base, name, path)
        read, source = [path], {}
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in read)).hexdigest()
    return base.get_weights(), {"name": path.name, "sha256": digest, **source}


def _load_keras_file(base, name, path):
    """Load a weights file of Keras into a base."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns first, and then raises an error for the same reason.
            base.load_weights(path)
    except ValueError:
        raise UserError(
            f"`--weights` must hold the weights of {name} without its top, as Keras writes them. "
            f"Received: {path}, which holds others"
        ) from None
    except (OSError, RuntimeError, KeyError) as error:
        raise UserError(f"`--weights` must be an HDF5 file that is whole. Received: {path} ({error})") from None


def freeze_base(network: Any, tune: str = "block") -> None:
    """Freeze the layers of a backbone's base that fine-tuning does not train. The head stays trainable.

    Batch normalization is always frozen, so that it keeps the means and variances of the base's own, larger training
    set.

    Args:
        network: Keras model of `build_backbone`.
        tune: part of the base to train: `block`, the layers after its `last_frozen_layer`, or `all`.
    """
    from keras import layers

    last_frozen = network.get_layer(NETWORKS[network.name].backbone.last_frozen_layer)
    # `network.layers` is in the order of the graph: all layers after this one depend on it.
    after = tune == "all"
    for layer in network.layers:
        layer.trainable = after and not isinstance(layer, layers.BatchNormalization)
        after = after or layer is last_frozen
