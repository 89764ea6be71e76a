import io

import numpy as np
from conftest import draw_face
from PIL import Image

from fer.duplicates import find_duplicates


def recompressed(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


def test_copies_are_found_recompressed_brightened_or_mirrored_and_others_are_not():
    rng = np.random.default_rng(0)
    # Coarse patterns: as different from each other as photos are, and as smooth.
    patterns = [
        np.asarray(Image.fromarray(rng.integers(0, 180, (8, 8), np.uint8)).resize((48, 48), Image.Resampling.BICUBIC))
        for _ in range(12)
    ]
    train = np.stack(patterns[:8])[..., None]
    copies = [recompressed(patterns[0]), patterns[1] // 2 + 60, patterns[2][:, ::-1]]
    faces = np.stack([*copies, *patterns[8:], np.full((48, 48), 90, np.uint8)])[..., None]
    assert list(find_duplicates(faces, train)) == [True] * 3 + [False] * 5


def test_one_face_with_new_grain_is_the_same_photo():
    one, other = (np.asarray(draw_face("happy", number))[None, ..., None] for number in (1, 2))
    assert find_duplicates(one, other).all()


def test_pictures_of_an_odd_side_are_compared_too():
    faces = np.random.default_rng(0).integers(0, 256, (3, 107, 107, 1), np.uint8)
    assert list(find_duplicates(faces, faces[1:2])) == [False, True, False]
