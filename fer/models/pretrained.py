"""Weights that have learnt faces, as a start for `mobilenet`: those of a network that tells people apart."""

import json
import math
from pathlib import Path

import numpy as np

from fer.errors import UserError

SOURCE = (
    "a MobileNet that learnt to tell people apart on VGGFace2 (Savchenko, 2019, PeerJ Computer Science 5:e197), "
    "from the npm package @vladmandic/human"
)
"""Published in TensorFlow.js' format as `faceres.json` and `faceres.bin`, its batch normalization folded into its
convolutions. Its heads for age and gender, which were trained apart, are left out."""
MEANS = (103.939, 116.779, 123.68)
"""Blue, green and red, which that network's pictures have subtracted; they are not scaled otherwise."""
BLOCKS = 13
"""Depthwise separable convolutions of MobileNet (Howard et al., 2017, arXiv:1704.04861, table 1)."""
LAYERS = ("conv1", *(f"conv_{kind}_{block}" for block in range(1, BLOCKS + 1) for kind in ("dw", "pw")))
"""Its convolutions, as Keras and that file name them, from the input on."""


def load_face_weights(base, path):
    """Gives the base of a MobileNet the weights of that network.

    Keras' MobileNet takes pixels / 127.5 - 1, so the first convolution's kernel and shift are brought to that: what it
    answers differs along the picture's border alone, where zeros are another grey.

    Args:
        base: `keras.applications.MobileNet(include_top=False)`.
        path: of `faceres.json`, with the file of numbers that it names beside it.

    Returns:
        The paths of the files that were read.

    Raises:
        UserError: if the files are not whole, or another network's.
    """
    arrays, files = read_weights(path)
    try:
        for name in LAYERS:
            shift = arrays[f"{name}_bn/batchnorm_1/sub"]
            scale = np.ones_like(shift)
            if "_dw_" in name:
                kernel, scale = arrays[f"{name}/depthwise_kernel"], arrays[f"{name}_bn/batchnorm_1/mul"]
            else:
                kernel = arrays[f"{name}/convolution/merged_input"]
            if name == "conv1":
                shift = shift + np.einsum("hwcf,c->f", kernel, 127.5 - np.array(MEANS))
                kernel = 127.5 * kernel
            base.get_layer(name).set_weights([kernel])
            # A normalization that scales and shifts, and does no more.
            normalization = base.get_layer(f"{name}_bn")
            mean, variance = np.zeros_like(shift), np.full_like(shift, 1 - normalization.epsilon)
            normalization.set_weights([scale, shift, mean, variance])
    except (KeyError, ValueError):
        raise UserError(
            f"`--weights` must hold the MobileNet of faceres.json. Received: {path}, which holds another network"
        ) from None
    return files


def read_weights(path):
    """Reads the numbers of a TensorFlow.js model.

    Args:
        path: its JSON file; the binary files that it names lie beside it.

    Returns:
        A dict of float32 arrays by name, and the paths of all files, the JSON's first.

    Raises:
        UserError: if a file is missing, cut short or no such model.
    """
    path = Path(path)
    arrays, files = {}, [path]
    try:
        for group in json.loads(path.read_text(encoding="utf-8"))["weightsManifest"]:
            # Never from another folder, whatever the file says.
            parts = [path.with_name(Path(name).name) for name in group["paths"]]
            content = b"".join(part.read_bytes() for part in parts)
            files += parts
            for weight in group["weights"]:
                stored = weight.get("quantization", weight)
                if "scale" in stored:
                    raise ValueError(f"its weights are quantised to {stored['dtype']}")
                kind = np.dtype(stored["dtype"])
                size = math.prod(weight["shape"]) * kind.itemsize
                array = np.frombuffer(content[:size], kind).reshape(weight["shape"])
                arrays[weight["name"]], content = array.astype(np.float32), content[size:]
            if content:
                raise ValueError(f"{len(content)} bytes too many")
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise UserError(
            f"`--weights` must be a TensorFlow.js model that is whole. Received: {path} ({reason})"
        ) from None
    return arrays, files
