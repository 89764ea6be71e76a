"""Networks of `keras.applications` without their top, and weights that they start from.

A backbone is built flat, all layers in one model, so that whatever reads a network's layers reads these too. Keras is
imported where a network is built.
"""

import hashlib
import warnings
from functools import partial
from pathlib import Path

from fer.errors import UserError
from fer.models.pretrained import SOURCE, load_face_weights
from fer.models.registry import NETWORKS, Backbone, Size, network

FACE_WEIGHTS = ".json"
SUFFIXES = (".weights.h5", ".h5", ".hdf5", FACE_WEIGHTS)
"""Suffixes of weights files: Keras 3's; earlier ones, as `keras.applications` still publishes; and TensorFlow.js'."""


def backbone(name, size, joint, enlarged=None):
    """Return a decorator that registers a network of `keras.applications`; arguments are those of `Network` and
    `Backbone`, and the decorated function is `Backbone.load`."""

    def register(load):
        network(name, size, backbone=Backbone(load, joint, enlarged))(partial(build_backbone, name))
        return load

    return register


def build_backbone(name, image_size, classes):
    """Build a backbone with fresh weights: the base, global average pooling and one dense layer, the head.

    Args:
        name: name of a network that has a `Backbone`.
        image_size: side of the grey input in pixels, as the network's `Size` allows.
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


# A face has 48 pixels, more hold no more of it, and the work on a CPU grows with their number: so each backbone's input
# is the smallest that loses nothing and leaves 2x2 places in the last feature map, for a class activation map to tell
# apart. VGG16 and ResNet50 halve five times: of 64 pixels no row falls off an edge. InceptionV3 does not pad its stem:
# of 75 to 106 pixels it leaves a single place. The weights of ImageNet have learnt from 224 pixels (InceptionV3: 299).
@backbone("inception_v3", size=Size(107, least=75), joint="mixed9")
def inception_v3():
    """Return InceptionV3 (Szegedy et al., 2016)."""
    from keras import applications

    return applications.InceptionV3, applications.inception_v3.preprocess_input


# For weights that have learnt faces of 224 pixels (`fer.models.pretrained`): it enlarges what it is given, so that a
# photo's face, which has more than 48 pixels, is no sharper to it than those that it was trained on.
@backbone("mobilenet", size=Size(48, least=32), joint="conv_pw_3_relu", enlarged=128)
def mobilenet():
    """Return MobileNet (Howard et al., 2017)."""
    from keras import applications

    return applications.MobileNet, applications.mobilenet.preprocess_input


@backbone("resnet50", size=Size(64, least=32), joint="conv5_block2_out")
def resnet50():
    """Return ResNet50 (He et al., 2016)."""
    from keras import applications

    return applications.ResNet50, applications.resnet50.preprocess_input


@backbone("vgg16", size=Size(64, least=32), joint="block4_pool")
def vgg16():
    """Return VGG16 (Simonyan and Zisserman, 2015)."""
    from keras import applications

    return applications.VGG16, applications.vgg16.preprocess_input


def load_base(name, weights):
    """Load the weights of a backbone's base.

    Args:
        name: name of a network.
        weights: `none`; `imagenet`, which Keras downloads, unless it has before, and checks; the path of a file that
            Keras wrote of the same base, or of a network with it; or for `mobilenet` that of `faceres.json`.

    Returns:
        The arrays, in the order of the network's own, which has the head's two besides; and the facts to keep of them:
        a file's `name` and the `sha256` of it and the files that belong to it, None for `imagenet`, and a `source`
        where there is more to say of them. None and None for `none`.

    Raises:
        UserError: if the network is no backbone, the weights cannot be had, or are another network's.
    """
    known = [entry.name for entry in NETWORKS.values() if entry.backbone]
    if name not in known:
        raise UserError(f"`--weights` goes with the networks {', '.join(known)}. Received: {name}")
    if weights == "none":
        return None, None
    build, _ = NETWORKS[name].backbone.load()
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
    """Freeze a network of `build_backbone` up to its backbone's joint; what comes after, and the head, stay trainable.

    Batch normalization is frozen there too: it goes on with the means and variances that the base has learnt from many
    pictures, in training as in inference.
    """
    from keras import layers

    joint = network.get_layer(NETWORKS[network.name].backbone.joint)
    # Keras has the layers in the order of the graph, so all that follows is tuned.
    after = False
    for layer in network.layers:
        layer.trainable = after and not isinstance(layer, layers.BatchNormalization)
        after = after or layer is joint
