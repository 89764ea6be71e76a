"""Tests of the splits of a data set, and of the tenth that is held out where there is no validation split."""

import builtins
import shutil
import zipfile
from collections import Counter

import pytest
from distributed_forms import pack, pixels, rows, without_validation, write_csv

from fer.data.faces import load_faces
from fer.data.items import DataError
from fer.labels import fold


def test_prefixes_tell_validation_from_test(dataset):
    validation, test = load_faces(dataset, "validation"), load_faces(dataset, "test")
    assert len(validation) == len(test) == 21
    assert all("/PublicTest_" in name for name in validation.names)
    assert all("/PrivateTest_" in name for name in test.names)


def test_a_validation_folder_is_read(tmp_path, draw_dataset):
    folder = draw_dataset(tmp_path, emotions=("happy", "sad"), per_class=2)
    for file in folder.glob("test/*/PublicTest_*"):
        target = folder / "validation" / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
    classes = ("happy", "sad")
    counts = {split: len(load_faces(folder, split, classes=classes)) for split in ("train", "validation", "test")}
    assert counts == {"train": 4, "validation": 4, "test": 4}
    assert all(name.startswith("validation/") for name in load_faces(folder, "validation", classes=classes).names)


def test_pictures_in_the_test_folder_are_never_trained_on(tmp_path, draw_dataset):
    """A user may make a test split of training pictures without renaming them."""
    folder = draw_dataset(tmp_path, emotions=("happy", "sad"), per_class=20)
    moved = next((folder / "train" / "happy").iterdir())
    moved.rename(folder / "test" / "happy" / moved.name)
    assert len(load_faces(folder, "train", classes=("happy", "sad"))) == 39
    assert f"test/happy/{moved.name}" in load_faces(folder, "test", classes=("happy", "sad")).names


def test_without_a_validation_split_a_stratified_tenth_is_held_out(tmp_path, draw_dataset):
    folder = without_validation(draw_dataset(tmp_path / "faces", per_class=20))
    train, validation = load_faces(folder, "train"), load_faces(folder, "validation")
    assert Counter(validation.labels.tolist()) == dict.fromkeys(range(7), 2)
    assert Counter(train.labels.tolist()) == dict.fromkeys(range(7), 18)
    assert not set(train.names) & set(validation.names)
    assert all(name.startswith("train/") for name in validation.names)

    again = load_faces(folder, "validation")
    assert again.names == validation.names
    packed = load_faces(pack(folder, tmp_path / "faces.zip"), "validation")
    assert packed.names == validation.names
    fewer = load_faces(folder, "validation", classes=("happy", "sad"))
    assert fewer.names == tuple(name for name in validation.names if name.split("/")[1] in ("happy", "sad"))


@pytest.mark.parametrize("per_class", [4, 13, 30])
def test_what_is_held_out_does_not_depend_on_the_requested_classes(tmp_path, draw_dataset, per_class):
    folder = without_validation(draw_dataset(tmp_path / "faces", per_class=per_class))
    for name in ("disgust", "fear"):  # Too rare for a stratified tenth; the second cannot be held out at all.
        for file in sorted((folder / "train" / name).iterdir())[3 if name == "disgust" else 1 :]:
            file.unlink()
    (folder / "train" / "happy").rename(folder / "train" / "Happy")
    (folder / "train" / "surprise").rename(folder / "train" / "Mu\u0308de")  # As macOS decomposes the letter.
    wider = load_faces(folder, "validation", classes=("angry", "disgust", "happy", "sad", "m\xfcde"))
    for classes in (("HAPPY", "sad"), ("angry", "M\xdcDE"), ("disgust", "angry")):
        fewer = load_faces(folder, "validation", classes=classes)
        wanted = [fold(name) for name in classes]
        assert fewer.names == tuple(name for name in wider.names if fold(name.split("/")[1]) in wanted)
        assert not set(fewer.names) & set(load_faces(folder, "train", classes=classes).names)


def test_identical_files_are_held_out_together(tmp_path, draw_dataset):
    folder = without_validation(draw_dataset(tmp_path / "faces", per_class=20))
    before = load_faces(folder, "validation").names
    for file in sorted(folder.glob("train/*/*")):
        for copy in range(2):
            shutil.copy(file, file.with_stem(f"{file.stem}_{copy}"))
    train, validation = load_faces(folder, "train"), load_faces(folder, "validation")
    assert (len(train), len(validation)) == (378, 42)
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in validation.images}
    # The same pictures as before, and their copies.
    assert set(before) < set(validation.names)
    assert load_faces(pack(folder, tmp_path / "faces.zip"), "validation").names == validation.names


def test_identical_rows_are_held_out_together(tmp_path):
    twice = [{"emotion": code, "pixels": pixels(10 * code + value), "usage": "Training"}
             for value in range(10) for code in range(7) for _ in range(2)]  # fmt: skip
    path = write_csv(tmp_path / "fer2013.csv", twice)
    train, validation = (load_faces(path, split).images[:, 0, 0, 0] for split in ("train", "validation"))
    assert (len(train), len(validation)) == (126, 14)
    assert not set(train.tolist()) & set(validation.tolist())


def test_of_few_pictures_one_per_class_is_held_out(dataset):
    train, validation = (load_faces(without_validation(dataset), split) for split in ("train", "validation"))
    assert Counter(train.labels.tolist()) == dict.fromkeys(range(7), 2)
    assert Counter(validation.labels.tolist()) == dict.fromkeys(range(7), 1)
    assert not set(train.names) & set(validation.names)


def test_too_few_pictures_for_a_held_out_tenth_are_refused(tmp_path, draw_dataset):
    folder = without_validation(draw_dataset(tmp_path, per_class=1))
    with pytest.raises(DataError, match=r"a stratified tenth of training cannot be taken \(class angry has 1 picture"):
        load_faces(folder, "train")


def test_a_tenth_of_a_csv_without_validation_rows_is_held_out(tmp_path):
    different = rows(per_class=20, usages=("Training", "PrivateTest"))
    for number, row in enumerate(different):
        row["pixels"] = f"{number % 256} {number // 256} " + row["pixels"].split(" ", 2)[2]
    path = write_csv(tmp_path / "fer2013.csv", different)
    train, validation = load_faces(path, "train"), load_faces(path, "validation")
    assert (len(train), len(validation)) == (126, 14)
    assert not set(train.names) & set(validation.names)


def test_an_unknown_split_is_refused(dataset):
    with pytest.raises(ValueError, match=r"`split` must be 'train', 'validation' or 'test'\. Received: split='dev'"):
        load_faces(dataset, "dev")


def test_a_split_without_pictures_is_refused(dataset):
    shutil.rmtree(dataset / "test")
    with pytest.raises(DataError, match=r"no pictures of the test split\. Found: train\."):
        load_faces(dataset, "test")
    shutil.move(dataset / "train", dataset / "test")
    with pytest.raises(DataError, match="no training pictures found"):
        load_faces(dataset, "train")


def record_opened(monkeypatch):
    """Return a list to which the name of each file or zip member that is opened from now on is added."""
    opened = []
    open_file, open_member = builtins.open, zipfile.ZipFile.open

    def opens_file(file, *args, **options):
        opened.append(str(file))
        return open_file(file, *args, **options)

    def opens_member(archive, name, *args, **options):
        opened.append(str(name))
        return open_member(archive, name, *args, **options)

    monkeypatch.setattr(builtins, "open", opens_file)
    monkeypatch.setattr(zipfile.ZipFile, "open", opens_member)
    return opened


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("validation", [False, True])
def test_training_and_validation_never_open_a_test_picture(tmp_path, draw_dataset, monkeypatch, packed, validation):
    folder = draw_dataset(tmp_path / "faces", per_class=10)
    if not validation:
        without_validation(folder)
    for file in folder.glob("test/*/PrivateTest_*"):
        file.write_bytes(b"not to be opened")
    path = pack(folder, tmp_path / "faces.zip") if packed else folder
    opened = record_opened(monkeypatch)
    for split in ("train", "validation"):
        assert load_faces(path, split, skip_bad=True).skipped == ()
    assert sum("Training_" in name for name in opened) == 70
    assert not [name for name in opened if "PrivateTest_" in name]
    with pytest.raises(DataError, match="PrivateTest_"):
        load_faces(path, "test")


def test_training_and_validation_never_read_a_test_row(tmp_path):
    good = rows(per_class=10)
    for row in good:
        if row["usage"] == "PrivateTest":
            row["pixels"] = "not to be read"
    path = write_csv(tmp_path / "fer2013.csv", good)
    for split in ("train", "validation"):
        assert load_faces(path, split, skip_bad=True).skipped == ()
    with pytest.raises(DataError, match=r"row 142: `pixels`"):
        load_faces(path, "test")
