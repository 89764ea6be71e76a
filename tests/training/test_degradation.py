"""Tests of the augmentation that degrades the quality of pictures."""

import io

import keras
import numpy as np
import pytest
from PIL import Image

from fer.training.augmentation import build_augmentation
from fer.training.degradation import BLURS, QUALITIES, RandomDegradation, build_operators, compress


@pytest.fixture(scope="module")
def pictures():
    """Grey crops of the example photo, float32 `(40, 48, 48, 1)`."""
    with Image.open("examples/astronaut.jpg") as photo:
        grey = np.asarray(photo.convert("L").resize((240, 240)), "float32")
    return np.stack(
        [grey[top : top + 48, left : left + 48] for top in range(0, 192, 40) for left in range(0, 192, 24)]
    )[..., None]


def degrade(pictures, share, seed=1, training=True):
    return keras.ops.convert_to_numpy(RandomDegradation(share, seed)(pictures, training=training))


def test_pictures_are_degraded_independently_and_only_in_training(pictures):
    np.testing.assert_array_equal(degrade(pictures, 1.0, training=False), pictures)
    np.testing.assert_allclose(degrade(pictures, 0.0), pictures, atol=1e-3)
    changes = np.abs(degrade(pictures, 1.0) - pictures).mean(axis=(1, 2, 3))
    assert changes.min() > 0.3
    assert len(set(changes.round(3))) > 30
    half = np.abs(degrade(pictures, 0.2) - pictures).mean(axis=(1, 2, 3)) > 0.01
    assert 8 < half.sum() < 32  # 1 - 0.8³ = 0.49 of 40 is expected.
    assert not np.array_equal(degrade(pictures, 1.0), degrade(pictures, 1.0, seed=2))
    answer = degrade(pictures, 1.0)
    assert answer.shape == pictures.shape
    assert answer.min() >= 0
    assert answer.max() <= 255


@pytest.mark.parametrize("quality", [*map(int, QUALITIES), 90])
@pytest.mark.parametrize("size", [48, 44])
def test_compress_agrees_with_jpeg_files(pictures, quality, size):
    pictures = pictures[:8, :size, :size, 0].round()
    ours = keras.ops.convert_to_numpy(compress(pictures, np.full((8, 1, 1), float(quality), "float32")))
    for picture, answer in zip(pictures, ours, strict=True):
        file = io.BytesIO()
        Image.fromarray(picture.astype("uint8")).save(file, "JPEG", quality=quality)
        expected = np.asarray(Image.open(file), "float32")
        assert np.abs(answer - expected).mean() < 0.5
        assert np.abs(expected - picture).mean() > 2 * np.abs(answer - expected).mean()


@pytest.mark.parametrize("size", [48, 64])
def test_operators_keep_brightness_and_reduce_detail(size):
    operators = build_operators(size)
    np.testing.assert_allclose(operators.sum(axis=2), 1, atol=1e-5)
    wave = 100 * np.sin(np.arange(size) * 2 * np.pi / 16)
    contrast = (operators @ wave)[:, 8:-8].std(axis=1) / wave[8:-8].std()
    assert contrast.max() < 0.995
    blurs, sides = contrast[: len(BLURS)], contrast[len(BLURS) :]
    assert (np.diff(blurs) < 0).all()
    assert (np.diff(sides) < 0).all()


def test_without_degrade_there_is_no_degradation_layer():
    assert len(build_augmentation(1, 0.25)) == len(build_augmentation(1, 0.25, 0.3)) - 1
    assert not any(isinstance(layer, RandomDegradation) for layer in build_augmentation(1, 0.25))
