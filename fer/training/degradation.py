"""Data augmentation by a random loss of quality, such as that of small faces, cameras and streams."""

import math

import keras
import numpy as np
from keras import layers, ops
from PIL import Image
from scipy.fft import dct
from scipy.ndimage import gaussian_filter1d

BLURS = (0.4, 0.7, 1.0, 1.3, 1.6)
"""Standard deviations of Gaussian blur, in pixels of a picture of 48 pixels."""
SIDES = (40, 32, 28, 24, 20, 16)
"""Sides to which a picture of 48 pixels is reduced before it is enlarged again."""
NOISE = 12.0
"""Largest standard deviation of Gaussian noise, in grey levels."""
QUALITIES = (15.0, 75.0)
"""Lowest and highest quality of JPEG compression, on the scale of the Independent JPEG Group."""
BLOCK = 8
"""Side in pixels of the blocks that JPEG transforms."""
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    "float32",
)
"""Quantisation table for luminance at quality 50: ITU-T T.81 (1992), table K.1."""


class RandomDegradation(layers.Layer):
    """Blur or coarsen pictures, add noise to them, and compress them as JPEG does.

    Each of the three is drawn independently for each picture, with a random strength. The layer takes and returns grey
    pictures `(n, size, size, 1)` of values 0-255, and does not change them in inference.

    Args:
        share: probability of each of the three, from 0 to 1.
        seed: seed of the random changes.
    """

    def __init__(self, share, seed, **kwargs):
        super().__init__(**kwargs)
        self.share = share
        self.generator = keras.random.SeedGenerator(seed)

    def build(self, shape):
        size = shape[1]
        self.operators = np.stack([np.eye(size, dtype="float32"), *build_operators(size)])

    def call(self, images, training=False):
        if not training:
            return images
        pictures = images[..., 0]
        count = ops.shape(pictures)[0]

        def draw(least, most):
            return keras.random.uniform((count, 1, 1), least, most, seed=self.generator)

        def is_drawn():
            return draw(0.0, 1.0) < self.share

        last = len(self.operators)
        chosen = ops.where(is_drawn(), ops.floor(draw(1.0, float(last))), 0.0)[:, 0, 0]
        chosen = ops.minimum(ops.cast(chosen, "int32"), last - 1)
        operators = ops.take(ops.convert_to_tensor(self.operators), chosen, axis=0)
        pictures = ops.matmul(ops.matmul(operators, pictures), ops.transpose(operators, (0, 2, 1)))

        strength = ops.where(is_drawn(), draw(0.0, NOISE), 0.0)
        noise = keras.random.normal(ops.shape(pictures), seed=self.generator)
        pictures = ops.clip(pictures + strength * noise, 0.0, 255.0)

        pictures = ops.where(is_drawn(), compress(pictures, draw(*QUALITIES)), pictures)
        return pictures[..., None]

    def compute_output_shape(self, input_shape):
        return input_shape


def build_operators(size: int) -> np.ndarray:
    """Return matrices M that degrade a picture X of `size` pixels as M X Mᵀ, float32 `(n, size, size)`.

    The first ones blur it by `BLURS`, the others reduce it to `SIDES` and enlarge it again.
    """
    identity = np.eye(size, dtype="float32")
    blurs = [gaussian_filter1d(identity, blur * size / 48, axis=0) for blur in BLURS]
    sides = []
    for side in SIDES:
        small = Image.fromarray(identity).resize((size, round(side * size / 48)), Image.Resampling.BOX)
        sides.append(np.asarray(small.resize((size, size), Image.Resampling.BILINEAR)))
    return np.stack([*blurs, *sides])


def compress(pictures: keras.KerasTensor, quality: keras.KerasTensor) -> keras.KerasTensor:
    """Apply the loss of JPEG compression to pictures: it quantises the cosine transform of each block.

    Args:
        pictures: grey pictures `(n, height, width)` of values 0-255.
        quality: float tensor `(n, 1, 1)`, from 1 to 100, on the scale of the Independent JPEG Group.
    """
    there, back = zip(*map(_transforms, pictures.shape[1:]), strict=True)
    scale = ops.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    table = ops.clip(ops.floor((scale * ops.convert_to_tensor(LUMINANCE) + 50) / 100), 1, 255)
    table = ops.tile(table, (1, *(len(matrix) // BLOCK for matrix in there)))
    values = ops.matmul(ops.matmul(there[0], pictures - 128), there[1].T)
    values = ops.round(values / table) * table
    return ops.clip(ops.matmul(ops.matmul(back[0], values), back[1].T) + 128, 0, 255)


def _transforms(size):
    """Return the matrix of the discrete cosine transform of each block along a side of `size` pixels, and its inverse.

    If blocks do not divide the side, its last pixel is repeated, as in libjpeg.
    """
    blocks = math.ceil(size / BLOCK)
    matrix = np.kron(np.eye(blocks, dtype="float32"), dct(np.eye(BLOCK, dtype="float32"), axis=0, norm="ortho"))
    repeat = np.eye(size, dtype="float32")[np.minimum(np.arange(blocks * BLOCK), size - 1)]
    return matrix @ repeat, matrix.T[:size]
