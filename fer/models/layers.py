"""The building blocks of the project's own networks."""

import numpy as np
from keras import layers, ops
from PIL import Image


class Enlarge(layers.Layer):
    """Enlarges grey pictures `(n, size, size, 1)` of values 0-255 by Lanczos' filter, as
    `fer.data.fer2013.Faces.resize` does for training.

    Keras' `Resizing` has that filter neither on PyTorch nor in LiteRT; here it is two products with one matrix.

    Args:
        side: of the enlarged pictures in pixels.
    """

    def __init__(self, side, **kwargs):
        super().__init__(**kwargs)
        self.side = side

    def build(self, input_shape):
        size = input_shape[1]
        unit = Image.fromarray(np.eye(size, dtype=np.float32))
        # A column for each pixel of a row, what it gives to those of an enlarged one.
        self.weights_of_pixels = np.array(unit.resize((size, self.side), Image.Resampling.LANCZOS))

    def call(self, images):
        matrix = ops.convert_to_tensor(self.weights_of_pixels)
        # Pillow too goes across first, and keeps to what a byte holds after each way.
        wider = ops.clip(ops.matmul(images[..., 0], ops.transpose(matrix)), 0, 255)
        return ops.clip(ops.matmul(matrix, wider), 0, 255)[..., None]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.side, self.side, 1)


def residual_block(x, filters, strides):
    shortcut = x
    if strides > 1:
        shortcut = layers.AveragePooling2D(strides)(shortcut)
    if x.shape[-1] != filters:
        shortcut = convolution(shortcut, filters, size=1)
    x = layers.ReLU()(convolution(x, filters, strides=strides))
    x = squeeze_and_excite(convolution(x, filters))
    return layers.ReLU()(layers.Add()([shortcut, x]))


def squeeze_and_excite(x, ratio=8):
    filters = x.shape[-1]
    scale = layers.GlobalAveragePooling2D(keepdims=True)(x)
    scale = layers.Conv2D(filters // ratio, 1, activation="relu")(scale)
    scale = layers.Conv2D(filters, 1, activation="sigmoid")(scale)
    return layers.Multiply()([x, scale])


def convolution(x, filters, size=3, strides=1):
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.BatchNormalization()(x)
