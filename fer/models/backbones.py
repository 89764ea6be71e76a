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
from fer.models.pretrained import SOURCE, load_face_weights

FACE_WEIGHTS = ".json"
SUFFIXES = (".weights.h5", ".h5", ".hdf5", FACE_WEIGHTS)
"""Of weights files: Keras 3's; those of before, as `keras.applications` still publishes its own; and TensorFlow.js'."""


@dataclass(frozen=True)
class Backbone:
    """What is particular to a network of `keras.applications`.

    build: its function.
    preprocess: its `preprocess_input`, for pictures of three channels and values 0-255.
    joint: name of the layer behind which fine-tuning begins; everything passes through it.
    enlarged: side in pixels to which the network enlarges its input before anything else; None: it does not.
    """

    build: Callable
    preprocess: Callable
    joint: str
    enlarged: int | None = None


# `fer.models.sizes` has how large their inputs are. The weights of ImageNet have learnt from 224 pixels (InceptionV3:
# 299). MobileNet is here for weights that have learnt faces of 224 pixels (`fer.models.pretrained`): it enlarges what
# it is given, so that a photo's face, which has more than 48 pixels, is no sharper to it than those that it was trained
# on.
BACKBONES = {
    "inception_v3": Backbone(applications.InceptionV3, applications.inception_v3.preprocess_input, joint="mixed9"),
    "mobilenet": Backbone(
        applications.MobileNet,
        applications.mobilenet.preprocess_input,
        joint="conv_pw_3_relu",
        enlarged=128,
    ),
    "resnet50": Backbone(
        applications.ResNet50,
        applications.resnet50.preprocess_input,
        joint="conv5_block2_out",
    ),
    "vgg16": Backbone(applications.VGG16, applications.vgg16.preprocess_input, joint="block4_pool"),
}
"""By name: InceptionV3 (Szegedy et al., 2016), MobileNet (Howard et al., 2017), ResNet50 (He et al., 2016), VGG16
(Simonyan and Zisserman, 2015)."""


def build_backbone(name, image_size, classes):
    """A network of `BACKBONES` with fresh weights: the base, global average pooling and one dense layer, the head.

    Args:
        name: a key of `BACKBONES`.
        image_size: side of the grey input in pixels, as `fer.models.sizes.SIZES` allows.
        classes: number of outputs.
    """
    backbone = BACKBONES[name]
    image = Input((image_size, image_size, 1), name="image")
    side = backbone.enlarged
    enlarged = layers.Resizing(side, side, interpolation="bilinear", dtype="float32")(image) if side else image
    x = backbone.preprocess(layers.Concatenate(name="grey_to_color")([enlarged] * 3))
    x = backbone.build(include_top=False, weights=None, input_tensor=x).output
    x = layers.Activation("linear", name="features")(x)
    x = layers.GlobalAveragePooling2D()(x)
    probabilities = layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return Model(image, probabilities, name=name)


def load_base(name, weights):
    """Loads the weights of a backbone's base.

    Args:
        name: of a network.
        weights: `none`; `imagenet`, which Keras downloads, unless it has before, and checks; the path of a file that
            Keras wrote of the same base, or of a network with it; or for `mobilenet` that of `faceres.json`.

    Returns:
        The arrays, in the order of the network's own, which has the head's two besides; and the facts to keep of them:
        a file's `name` and the `sha256` of it and the files that belong to it, None for `imagenet`, and a `source`
        where there is more to say of them. None and None for `none`.

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
    if path.suffix == FACE_WEIGHTS:
        if name != "mobilenet":
            raise UserError(f"`--weights *{FACE_WEIGHTS}` goes with the network mobilenet. Received: {name}")
        files, source = load_face_weights(base, path), {"source": SOURCE}
    else:
        _load_keras_file(base, name, path)
        files, source = [path], {}
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return base.get_weights(), {"name": path.name, "sha256": digest, **source}


def _load_keras_file(base, name, path):
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


def freeze_to_joint(network):
    """Freezes a network of `build_backbone` up to its backbone's joint; what comes after, and the head, stay trainable.

    Batch normalization is frozen there too: it goes on with the means and variances that the base has learnt from many
    pictures, in training as in inference.
    """
    joint = network.get_layer(BACKBONES[network.name].joint)
    # Keras has the layers in the order of the graph, so all that follows is tuned.
    after = False
    for layer in network.layers:
        layer.trainable = after and not isinstance(layer, layers.BatchNormalization)
        after = after or layer is joint
