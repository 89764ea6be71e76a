import io

import numpy as np
import pytest
from conftest import draw_face
from PIL import Image

from fer.data.duplicates import check_copies, find_copies, find_duplicates
from fer.data.faces import Faces
from fer.errors import UserError


def recompressed(pixels):
    """Return pixels after compression as a JPEG of low quality."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


def test_copies_are_found_even_if_recompressed_brightened_or_mirrored():
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


def test_a_copy_with_other_noise_is_found():
    one, other = (np.asarray(draw_face("happy", number))[None, ..., None] for number in (1, 2))
    assert find_duplicates(one, other).all()


def test_pictures_with_an_odd_side_are_compared():
    faces = np.random.default_rng(0).integers(0, 256, (3, 107, 107, 1), np.uint8)
    assert list(find_duplicates(faces, faces[1:2])) == [False, True, False]


def pictures(values, prefix):
    """Return `Faces` of one grey value each."""
    images = np.stack([np.full((8, 8, 1), value, np.uint8) for value in values])
    return Faces(images, np.zeros(len(values), int), ("happy",), tuple(f"{prefix}{value}" for value in values))


def test_some_training_pictures_give_a_note_and_a_majority_is_refused():
    train = pictures(range(10), "train/")
    assert check_copies(pictures([20, 21], "test/"), train) == ""
    some, most = pictures([3, 20, 21], "test/"), pictures([3, 4, 20], "test/")
    assert find_copies(most, train) == [("test/3", "train/3"), ("test/4", "train/4")]
    assert check_copies(some, train) == (
        "1 of 3 pictures (33.3%) to measure on are pixel-identical to training pictures, such as test/3 = train/3"
    )
    with pytest.raises(UserError, match=r"--allow-duplicates .* Received: 2 of 3 pictures \(66\.7%\), such as"):
        check_copies(most, train)
    assert "2 of 3" in check_copies(most, train, allowed=True)


def test_of_several_identical_training_pictures_the_first_is_named():
    assert find_copies(pictures([1], "test/"), pictures([1, 1], "train/")) == [("test/1", "train/1")]
