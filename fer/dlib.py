"""The weights of dlib's face recognition network, as a start for `face_resnet`: it has seen three million faces.

Davis King, 2017, github.com/davisking/dlib-models: `dlib_face_recognition_resnet_model_v1.dat`, in the public domain
(CC0 1.0), and in PyPI's `face_recognition_models` 0.3.0. It learnt to tell 7,485 people apart, not expressions.
"""

import hashlib
import re
from pathlib import Path

import keras
import numpy as np
from keras import layers

from fer.data import load_faces
from fer.errors import UserError
from fer.labels import check_classes
from fer.model_folder import ModelConfig, save_model
from fer.models import FACE_OFFSET, IMAGE_SIZES

SOURCE = "dlib_face_recognition_resnet_model_v1.dat"
SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
MEANS = (122.782, 117.001, 104.298)
"""Red, green and blue that dlib's input layer subtracts before it divides by 256 (`input_rgb_image_sized`)."""
LAYER = re.compile(rb"(con_4|affine_)\x01\x02")
"""The name of a layer with weights and the version of the array that follows."""


PICTURES = 512
"""How many training pictures batch normalization's first means and variances come from."""


def make_start(path, folder, data, classes):
    """Writes a model folder whose network knows faces and no expression yet, for `train.py --start`.

    Args:
        path: dlib's file.
        folder: where the model folder goes; new or empty.
        data: as `fer.data.load_faces` takes it.
        classes: emotions to tell apart.

    Raises:
        UserError: for a file, a folder or data that do not fit.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"FOLDER must be a new or empty folder. Received: {folder}")
    config = ModelConfig(
        "face_resnet",
        check_classes(classes),
        IMAGE_SIZES["face_resnet"],
        training={"weights": {"name": Path(path).name, "sha256": SHA256}},
    )
    keras.utils.set_random_seed(0)
    network = config.build()
    convolutions = read_convolutions(path)
    images = load_faces(data, "train", config.labels, config.image_size, PICTURES).images
    load_dlib(network, convolutions, images)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder, network, config)


def read_convolutions(path):
    """Reads the convolutions of dlib's file, each with the scale and the shift of each filter that follow it.

    Args:
        path: of the file.

    Returns:
        A list, from the input on, of `(kernel, scale, shift)`: float32 `(side, side, channels, filters)`, `(filters,)`
        and `(filters,)`; the convolution's own bias is in the shift.

    Raises:
        UserError: if it is not that file.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"The weights must be the file {SOURCE}. Received: {path}, no such file")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise UserError(f"The weights must be dlib's {SOURCE}, sha256 {SHA256}. Received: {path}, sha256 {digest}")
    arrays, position = [], 0
    while match := LAYER.search(content, position):
        # An integer is a byte that tells how many bytes follow, little end first. The array has four of them, its
        # sides, of which all but the first are 1.
        size = content[match.end()]
        count = int.from_bytes(content[match.end() + 1 : match.end() + 1 + size], "little")
        start = match.end() + 1 + size + 3 * 2
        arrays.append(np.frombuffer(content, "<f4", count, start))
        position = start + 4 * count
    convolutions = []
    for weights, affine in zip(arrays[::2], arrays[1::2], strict=True):
        scale, shift = np.split(affine, 2)
        filters = len(scale)
        kernels, bias = weights[:-filters], weights[-filters:]
        side = 3 if convolutions else 7
        kernel = kernels.reshape(filters, -1, side, side).transpose(2, 3, 1, 0)
        convolutions.append((kernel, scale, shift + scale * bias))
    return convolutions


def shrink_stem(kernel):
    """A stem for a grey picture that does what another does with stride 2 for the picture enlarged twice.

    Args:
        kernel: float `(7, 7, 3, filters)`, of red, green and blue, on the picture enlarged bilinearly.

    Returns:
        float `(5, 5, 1, filters)`.
    """
    # Of the enlarged picture the pixel 2i has a quarter of the pixel i - 1 and three of i, 2i + 1 three of i and one of
    # i + 1. The seven that an output sees, from 2i - 2 on, lie over the five from i - 2 on.
    enlarge = np.zeros((7, 5))
    for row in range(7):
        near = 1 + row // 2
        far = near + (1 if row % 2 else -1)
        enlarge[row, near], enlarge[row, far] = 0.75, 0.25
    return np.einsum("abcf,ai,bj->ijf", kernel, enlarge, enlarge)[:, :, None]


def load_dlib(network, convolutions, images):
    """Gives a `face_resnet` the weights of dlib's network; the head keeps its own.

    dlib's file has no batch normalization, but what it came down to after training. Here it is put back: with the
    means and variances that pictures have at each place, and a scale and shift that leave what the network computes
    as it is.

    Args:
        network: `fer.models.face_resnet` with its default options, float32.
        convolutions: of `read_convolutions`, the first of which it takes.
        images: `(n, image_size, image_size, 1)` of values 0-255 to measure on; some hundred training pictures.
    """
    read = iter(convolutions)
    affine = []
    for convolution, normalization in _convolutions(network):
        if convolution.kernel_size == (1, 1):
            # dlib's shortcut to more channels leaves the new ones empty. They start at zero here, and can learn.
            kernel = keras.ops.convert_to_numpy(convolution.kernel).copy()
            old, new = kernel.shape[2:]
            kernel[..., :old] = np.eye(old)
            scale, shift = np.arange(new) < old, np.zeros(new)
        elif convolution.kernel_size == (5, 5):
            kernel, scale, shift = next(read)
            means = np.reshape(MEANS, (3, 1)) / 256 + FACE_OFFSET
            shift = shift - scale * (means * kernel.sum((0, 1))).sum(0)
            kernel = shrink_stem(kernel)
        else:
            kernel, scale, shift = next(read)
        convolution.kernel.assign(kernel)
        affine.append((scale, shift))
        normalization.moving_mean.assign(np.zeros_like(shift))
        normalization.moving_variance.assign(np.full_like(shift, 1 - normalization.epsilon))
        normalization.gamma.assign(scale)
        normalization.beta.assign(shift)
    before = keras.Model(network.input, [convolution.output for convolution, _ in _convolutions(network)])
    outputs = before.predict_on_batch(np.asarray(images, np.float32))
    for (_, normalization), output, (scale, shift) in zip(_convolutions(network), outputs, affine, strict=True):
        mean, variance = output.mean((0, 1, 2)), output.var((0, 1, 2))
        normalization.moving_mean.assign(mean)
        normalization.moving_variance.assign(variance)
        normalization.gamma.assign(scale * np.sqrt(variance + normalization.epsilon))
        normalization.beta.assign(shift + scale * mean)


def _convolutions(network):
    """Each convolution with the batch normalization behind it, in the network's order."""
    behind = {layer.input: layer for layer in network.layers if isinstance(layer, layers.BatchNormalization)}
    return [(layer, behind[layer.output]) for layer in network.layers if isinstance(layer, layers.Conv2D)]
