"""Building blocks of the project's own networks."""

import numpy as np
from keras import KerasTensor, layers, ops
from PIL import Image

REDUCTION = 8
"""Number of channels per unit of the hidden layer of squeeze and excitation."""


class Enlarge(layers.Layer):
    """Enlarge grey pictures `(n, size, size, 1)` with values 0-255 by Pillow's Lanczos filter.

    `fer.data.faces.Faces.resize` does the same for training. Keras' `Resizing` does not support this filter on
    PyTorch and in LiteRT, so the layer multiplies rows and columns by a constant matrix.

    Args:
        side: side of the enlarged pictures in pixels.
    """

    def __init__(self, side, **kwargs):
        super().__init__(**kwargs)
        self.side = side

    def build(self, input_shape):
        size = input_shape[1]
        unit = Image.fromarray(np.eye(size, dtype=np.float32))
        # Float `(side, size)`: the weight of each input pixel in each output pixel of the same column.
        self.filter_matrix = np.array(unit.resize((size, self.side), Image.Resampling.LANCZOS))

    def call(self, images):
        matrix = ops.convert_to_tensor(self.filter_matrix)
        # As in Pillow, the horizontal pass comes first, and each pass is clipped to the range of a byte.
        wider = ops.clip(ops.matmul(images[..., 0], ops.transpose(matrix)), 0, 255)
        return ops.clip(ops.matmul(matrix, wider), 0, 255)[..., None]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.side, self.side, 1)


def residual_block(x: KerasTensor, filters: int, strides: int) -> KerasTensor:
    """Add two 3x3 convolutions with squeeze-and-excitation to a shortcut (He et al., 2016; Hu et al., 2018).

    Args:
        x: feature map `(n, height, width, channels)`.
        filters: channels of the result.
        strides: strides of the first convolution; the shortcut is pooled to the same size.
    """
    shortcut = x
    if strides > 1:
        shortcut = layers.AveragePooling2D(strides)(shortcut)
    if x.shape[-1] != filters:
        shortcut = convolution(shortcut, filters, size=1)
    x = layers.ReLU()(convolution(x, filters, strides=strides))
    x = squeeze_and_excite(convolution(x, filters))
    return layers.ReLU()(layers.Add()([shortcut, x]))


def squeeze_and_excite(x: KerasTensor) -> KerasTensor:
    """Scale each channel by a weight from 0 to 1, computed from the means of all channels (Hu et al., 2018).

    Args:
        x: feature map `(n, height, width, channels)`.
    """
    filters = x.shape[-1]
    scale = layers.GlobalAveragePooling2D(keepdims=True)(x)
    scale = layers.Conv2D(filters // REDUCTION, 1, activation="relu")(scale)
    scale = layers.Conv2D(filters, 1, activation="sigmoid")(scale)
    return layers.Multiply()([x, scale])


def convolution(x: KerasTensor, filters: int, size: int = 3, strides: int = 1) -> KerasTensor:
    """Apply a convolution without bias, and batch normalization."""
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.BatchNormalization()(x)
