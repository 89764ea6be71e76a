"""Data augmentation: layers that change training pictures at random."""

import math

import keras
from keras import layers, ops

from fer.training.degradation import RandomDegradation


def build_augmentation(seed: int, zoom: float, degrade: float = 0.0) -> list[layers.Layer]:
    """Build the augmentation layers, which do not change pictures in inference.

    The layers take and return pictures `(n, size, size, 1)` of values 0-255.

    Args:
        seed: seed of the random changes.
        zoom: largest change of scale, as `RandomAffine` takes it.
        degrade: probability of each loss of quality, as `RandomDegradation` takes it; 0 for none.
    """
    degradation = [RandomDegradation(degrade, seed=seed + 4, dtype="float32")] if degrade else []
    return [
        RandomAffine(rotation=12, zoom=zoom, shift=0.12, seed=seed, dtype="float32"),
        layers.RandomBrightness(0.15, seed=seed + 1, dtype="float32"),
        layers.RandomContrast(0.3, seed=seed + 2, dtype="float32"),
        *degradation,
        layers.RandomErasing(0.3, scale=(0.02, 0.15), seed=seed + 3, dtype="float32"),
    ]


class RandomAffine(layers.Layer):
    """Mirror, rotate, zoom and shift each picture in a single resampling.

    Keras' own four layers would resample, and blur, 48-pixel pictures three times.

    Args:
        rotation: largest angle in degrees, to either side.
        zoom: largest change of scale; pictures are scaled by 1 / (1 + `zoom`) to 1 + `zoom`.
        shift: largest shift in each direction, as a share of the side.
        seed: seed of the random changes.
    """

    def __init__(self, rotation, zoom, shift, seed, **kwargs):
        super().__init__(**kwargs)
        self.rotation, self.zoom, self.shift, self.seed = rotation, zoom, shift, seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        if not training:
            return images
        height, width = images.shape[1:3]

        def draw(limit):
            return keras.random.uniform((ops.shape(images)[0],), -limit, limit, seed=self.generator)

        angle, scale = draw(math.radians(self.rotation)), ops.exp(draw(math.log1p(self.zoom)))
        mirror = ops.where(draw(1.0) < 0, -1.0, 1.0)
        cosine, sine = scale * ops.cos(angle), scale * ops.sin(angle)
        center_x, center_y = (width - 1) / 2, (height - 1) / 2
        # Output pixel (x, y) reads the input at (a x + b y + c, d x + e y + f), turned about the centre.
        a, b, d, e = cosine * mirror, -sine * mirror, sine, cosine
        c = center_x - a * center_x - b * center_y + draw(self.shift) * width
        f = center_y - d * center_x - e * center_y + draw(self.shift) * height
        zero = ops.zeros_like(a)
        transform = ops.stack([a, b, c, d, e, f, zero, zero], axis=1)
        return ops.image.affine_transform(images, transform, fill_mode="reflect", data_format="channels_last")

    def compute_output_shape(self, input_shape):
        return input_shape
