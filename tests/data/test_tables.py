"""Tests of data sets in a table."""

import numpy as np
import pytest
from distributed_forms import COMPETITION_HEADER, KAGGLE_HEADER, pack, pixels, rows, write_csv

from fer.data.faces import load_faces
from fer.data.items import DataError
from fer.labels import CSV_EMOTIONS, EMOTIONS


@pytest.mark.parametrize("header", [KAGGLE_HEADER, COMPETITION_HEADER, ("Usage", "pixels", "emotion")])
@pytest.mark.parametrize("place", ["fer2013.csv", "folder", "folder above", "zip"])
def test_a_csv_is_read_with_its_columns_in_any_order(tmp_path, header, place):
    path = write_csv(tmp_path / "data" / "fer2013" / "fer2013.csv", rows(), header)
    if place == "folder":
        path = path.parent
    elif place == "folder above":
        path = path.parent.parent
    elif place == "zip":
        path = pack(tmp_path / "data", tmp_path / "archive.zip")
    for split in ("train", "validation", "test"):
        faces = load_faces(path, split)
        assert (faces.images.shape, faces.images.dtype) == ((14, 48, 48, 1), np.uint8)
        for image, label in zip(faces.images, faces.labels, strict=True):
            assert set(image.ravel().tolist()) == {10 * CSV_EMOTIONS.index(EMOTIONS[label])}


def test_csv_codes_are_mapped_to_emotions(tmp_path):
    faces = load_faces(write_csv(tmp_path / "fer2013.csv", rows()), "train")
    value = {EMOTIONS[label]: int(image[0, 0, 0]) for image, label in zip(faces.images, faces.labels, strict=True)}
    assert value == {"angry": 0, "disgust": 10, "fear": 20, "happy": 30, "sad": 40, "surprise": 50, "neutral": 60}


def test_pictures_take_precedence_over_a_csv_beside_them(tmp_path, dataset):
    write_csv(dataset / "fer2013.csv", rows())
    assert len(load_faces(dataset, "train")) == 21
    assert len(load_faces(pack(dataset, tmp_path / "faces.zip"), "train")) == 21


BROKEN_ROWS = {
    "columns": (["3", pixels(1)], r"3 columns expected\. Received: 2\."),
    "emotion": (["7", pixels(1), "Training"], r"`emotion` must be 0 to 6\. Received: '7'\."),
    "emotion name": (["happy", pixels(1), "Training"], r"`emotion` must be 0 to 6\. Received: 'happy'\."),
    "usage": (
        ["3", pixels(1), "Mine"],
        r"`usage` must be one of Training, PublicTest, PrivateTest, or train, validation or test\. Received: 'Mine'\.",
    ),
    "too few pixels": (["3", "1 2 3", "Training"], r"`pixels` must be 2304 numbers\. Received: 3\."),
    "no pixels": (["3", "", "Training"], r"`pixels` must be 2304 numbers\. Received: 0\."),
    "no number": (["3", pixels(1)[:-1] + "x", "Training"], "`pixels` must be whole numbers 0-255"),
    "too bright": (["3", pixels(256), "Training"], "`pixels` must be whole numbers 0-255"),
    "negative": (["3", pixels(-1), "Training"], "`pixels` must be whole numbers 0-255"),
    "endless number": (["3", pixels(1)[:-1] + "9" * 30, "Training"], "`pixels` must be whole numbers 0-255"),
}


@pytest.mark.parametrize("kind", BROKEN_ROWS)
def test_a_broken_row_is_reported_or_skipped(tmp_path, kind):
    row, message = BROKEN_ROWS[kind]
    good = rows()
    path = write_csv(tmp_path / "fer2013.csv", [*good[:5], row, *good[5:]])
    with pytest.raises(DataError, match=rf"fer2013\.csv, row 7: {message}.*--skip-bad") as error:
        load_faces(path, "train")
    assert "\n" not in str(error.value)
    faces = load_faces(path, "train", skip_bad=True)
    assert len(faces) == 14
    assert len(faces.skipped) == 1
    assert "row 7: " in faces.skipped[0]


def test_blank_lines_are_ignored(tmp_path):
    path = write_csv(tmp_path / "fer2013.csv", [*rows(), [], ["", " ", ""]])
    faces = load_faces(path, "train")
    assert (len(faces), faces.skipped) == (14, ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "column emotion, pixels is missing"),
        (b"emotion,Usage\n0,1\n", r"column pixels is missing\. Received: emotion, usage"),
        (b"Emotion,pixels, emotion\n0,1,1\n", r"emotion must occur once\. Received: emotion, pixels, emotion"),
        (b"emotion,pixels,PIXELS\n0,1,1\n", r"pixels must occur once\. Received: emotion, pixels, pixels"),
        (b"Usage,emotion,pixels,usage\n", r"usage must occur once\. Received: usage, emotion, pixels, usage"),
        (b"emotion,pixels,Usage\n", "no pictures found"),
        (b"emotion,pixels,Usage\n\xff\xfe\x00,1,Training\n", "not a CSV that can be read"),
        (b'emotion,pixels,Usage\n0,"' + b"1 " * 100_000, "not a CSV that can be read"),
    ],
)
def test_other_csv_files_are_refused(tmp_path, content, message):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    for source in (path, pack(tmp_path, tmp_path.with_suffix(".zip"))):
        with pytest.raises(DataError, match=message):
            load_faces(source, "train", skip_bad=True)
