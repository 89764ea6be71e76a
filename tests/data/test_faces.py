"""Tests of loading faces from folders and zips."""

import shutil
import zipfile
from collections import Counter

import numpy as np
import pytest
from distributed_forms import pack, rows, write_csv
from PIL import Image

from fer.data.faces import load_faces
from fer.data.items import DataError
from fer.labels import EMOTIONS


def test_a_folder_in_kaggles_layout_is_read(dataset):
    faces = load_faces(dataset, "train")
    assert (faces.images.shape, faces.images.dtype) == ((21, 48, 48, 1), np.uint8)
    assert faces.classes == EMOTIONS
    assert len(faces) == 21
    assert Counter(faces.labels.tolist()) == dict.fromkeys(range(7), 3)
    assert faces.names == tuple(sorted(faces.names))
    for image, label, name in zip(faces.images, faces.labels, faces.names, strict=True):
        assert name.startswith(f"train/{EMOTIONS[label]}/Training_")
        np.testing.assert_array_equal(image[..., 0], np.asarray(Image.open(dataset / name)))


@pytest.mark.parametrize("below", ["", "fer2013/", "download/fer2013/"])
def test_a_folder_and_a_zip_give_the_same_faces(tmp_path, dataset, below):
    packed = pack(dataset, tmp_path / "faces.zip", below)
    unpacked = tmp_path / "unpacked"
    shutil.copytree(dataset, unpacked / below)
    for split in ("train", "validation", "test"):
        expected = load_faces(dataset, split)
        for path in (packed, str(unpacked)):
            faces = load_faces(path, split)
            assert faces.names == expected.names
            np.testing.assert_array_equal(faces.images, expected.images)
            np.testing.assert_array_equal(faces.labels, expected.labels)


def test_hidden_and_other_files_are_ignored(tmp_path, dataset):
    (dataset / "train" / "happy" / ".DS_Store").write_bytes(b"x")
    (dataset / "train" / "happy" / "._Training_1.jpg").write_bytes(b"x")
    (dataset / "README.md").write_text("about")
    (dataset / "__MACOSX" / "train" / "happy").mkdir(parents=True)
    (dataset / "__MACOSX" / "train" / "happy" / "Training_1.jpg").write_bytes(b"x")
    assert len(load_faces(dataset, "train")) == 21
    assert len(load_faces(pack(dataset, tmp_path / "faces.zip"), "train")) == 21


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_are_recognized_by_content_and_other_files_are_counted(tmp_path, dataset, packed):
    whole = load_faces(dataset, "train")
    assert whole.left_out == ""
    for file, suffix in zip(sorted(dataset.glob("train/happy/*")), ("", ".jfif", ".JPEG", ".data"), strict=False):
        file.rename(file.with_suffix(suffix))
    (dataset / "README.md").write_text("about")
    (dataset / "train" / "happy" / "clip.mov").write_bytes(b"no picture")
    path = pack(dataset, tmp_path / "faces.zip") if packed else dataset
    faces = load_faces(path, "train")
    assert len(faces) == len(whole)
    assert faces.left_out == f"{path}: 2 files left out: 1 .md, 1 .mov."


def test_a_file_with_unsupported_compression_is_reported_or_skipped(tmp_path, dataset):
    path, odd = tmp_path / "faces.zip", next(dataset.rglob("PublicTest_*"))
    with zipfile.ZipFile(path, "w") as archive:
        for file in dataset.rglob("*.jpg"):
            method = zipfile.ZIP_LZMA if file == odd else zipfile.ZIP_STORED
            archive.write(file, file.relative_to(dataset), method)
    with pytest.raises(DataError, match=r"must be stored or deflated\. Received: LZMA"):
        load_faces(path, "validation")
    assert len(load_faces(path, "validation", skip_bad=True).skipped) == 1


def test_a_zip_with_invalid_names_is_refused_in_one_sentence(tmp_path, dataset):
    path = pack(dataset, tmp_path / "faces.zip")
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x01\x02")
    content[start + 8 : start + 10] = b"\x00\x08"  # The flag for a name in UTF-8.
    content[start + 46] = 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"faces\.zip: neither a folder, a zip nor a CSV that can be read: not a zip"):
        load_faces(path, "train")


def test_a_subset_of_classes_is_in_the_fixed_order(dataset):
    faces = load_faces(dataset, "test", classes=("surprise", "angry", "happy"))
    assert faces.classes == ("angry", "happy", "surprise")
    assert [name.split("/")[1] for name in faces.names] == [faces.classes[label] for label in faces.labels]
    assert Counter(faces.labels.tolist()) == {0: 3, 1: 3, 2: 3}


def test_pictures_have_the_requested_size(dataset, tmp_path):
    assert load_faces(dataset, "train", image_size=24).images.shape == (21, 24, 24, 1)
    faces = load_faces(write_csv(tmp_path / "faces.csv", rows()), "train", image_size=64)
    assert faces.images.shape == (14, 64, 64, 1)
    assert set(faces.images[faces.labels == 3].ravel().tolist()) == {30}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_name_twice_is_refused(tmp_path, dataset):
    """The last picture of the name replaced the others."""
    path = pack(dataset, tmp_path / "faces.zip")
    with zipfile.ZipFile(path, "a") as archive:
        name = next(info.filename for info in archive.infolist() if not info.is_dir())
        archive.writestr(name, archive.read(name))
    with pytest.raises(DataError, match=f"must hold each picture once. Received: {name} twice"):
        load_faces(path, "train")


@pytest.mark.parametrize("packed", [False, True])
def test_a_data_set_with_a_copy_of_itself_is_refused_with_both_paths(tmp_path, dataset, packed):
    images = tmp_path / "images"
    shutil.copytree(dataset, images)
    shutil.copytree(dataset, images / "images")
    source = pack(tmp_path / "images", tmp_path / "twice.zip") if packed else images
    with pytest.raises(DataError, match="must hold each picture once") as error:
        load_faces(source, "train")
    places = sorted(str(error.value).split("Received: ")[1].split(" and "), key=len)
    assert places[1] == f"images/{places[0]}"


def test_limit_keeps_class_shares_and_at_least_one_picture_per_class(tmp_path, draw_dataset):
    folder = draw_dataset(tmp_path, emotions=("happy", "sad"), per_class=40)
    draw_dataset(tmp_path, emotions=("disgust",), per_class=2)
    classes = ("happy", "disgust", "sad")
    faces = load_faces(folder, "train", classes=classes, limit=21)
    assert Counter(faces.classes[label] for label in faces.labels) == {"disgust": 1, "happy": 10, "sad": 10}
    assert faces.names == tuple(sorted(faces.names))
    assert load_faces(folder, "train", classes=classes, limit=21).names == faces.names
    assert len(load_faces(folder, "train", classes=classes, limit=3)) == 3
    assert len(load_faces(folder, "train", classes=classes, limit=81)) == 81
    assert len(load_faces(folder, "train", classes=classes, limit=1000)) == 82
    for limit in (2, 0, -1):
        with pytest.raises(ValueError, match=f"`limit` must be at least 3, one picture per class. Received: {limit}$"):
            load_faces(folder, "train", classes=classes, limit=limit)


def test_draws_differ_and_a_smaller_sample_is_part_of_a_larger_one(tmp_path, draw_dataset):
    folder, classes = draw_dataset(tmp_path, emotions=("happy", "sad"), per_class=40), ("happy", "sad")
    few, more, other = (
        set(load_faces(folder, "train", classes=classes, limit=limit, draw=draw).names)
        for limit, draw in ((10, 0), (20, 0), (10, 1))
    )
    assert few < more
    assert few != other
    assert set(load_faces(folder, "train", classes=classes, limit=10, draw=2013).names) == set(
        load_faces(folder, "train", classes=classes, limit=10).names
    )
    with pytest.raises(ValueError, match="`draw` must be 0 or more. Received: -1$"):
        load_faces(folder, "train", classes=classes, limit=10, draw=-1)


def test_other_paths_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such file or folder\. Expected train/<class>/"):
        load_faces(tmp_path / "nowhere", "train")
    with pytest.raises(DataError, match=r"no pictures found\. Expected train/<class>/"):
        load_faces(tmp_path, "train")
    (tmp_path / "notes.txt").write_text("no dataset")
    with pytest.raises(DataError, match=r"notes\.txt: neither a folder, a zip nor a CSV"):
        load_faces(tmp_path / "notes.txt", "train")


def test_a_truncated_zip_is_refused(tmp_path, dataset):
    path = pack(dataset, tmp_path / "faces.zip")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"faces\.zip: neither a folder, a zip nor a CSV that can be read"):
        load_faces(path, "train")


def test_an_unknown_class_folder_is_refused(dataset):
    (dataset / "train" / "happy").rename(dataset / "train" / "glee")
    with pytest.raises(DataError, match=r"unknown class folder train/glee\. .* such as --classes angry disgust "):
        load_faces(dataset, "train")


@pytest.mark.parametrize("place", ["stray.jpg", "train/stray.jpg", "extra/happy/stray.jpg"])
def test_a_picture_outside_the_splits_is_refused(dataset, place):
    (dataset / place).parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (48, 48)).save(dataset / place)
    with pytest.raises(DataError, match=f"{place} stands in no split"):
        load_faces(dataset, "train")


def test_a_class_without_pictures_is_refused(tmp_path, draw_dataset):
    folder = draw_dataset(tmp_path, emotions=("happy", "sad"))
    with pytest.raises(DataError, match="the train split has no picture of class angry"):
        load_faces(folder, "train", classes=("angry", "happy", "sad"))
    with pytest.raises(DataError, match="no pictures of the train split with the classes angry, fear"):
        load_faces(folder, "train", classes=("angry", "fear"))


def test_a_picture_of_which_a_part_is_missing_is_reported_or_skipped(dataset):
    """Its lower half was grey, and training, measuring and `fer data` took it without a word."""
    cut = sorted((dataset / "train" / "sad").iterdir())[0]
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    Image.fromarray(noise).save(cut, "JPEG")
    content = cut.read_bytes()
    cut.write_bytes(content[:-2])
    assert len(load_faces(dataset, "train")) == 21  # Only the end marker is missing, and nothing of the picture.
    cut.write_bytes(content[:-800])
    rule = f"{cut.name}: a picture of a data set must be whole. The file lacks its last bytes, and with them"
    with pytest.raises(DataError, match=rf"{rule} .* Leave such pictures out with --skip-bad\."):
        load_faces(dataset, "train")
    faces = load_faces(dataset, "train", skip_bad=True)
    assert len(faces) == 20
    assert rule in faces.skipped[0]


@pytest.mark.parametrize("packed", [False, True])
def test_an_unreadable_picture_is_reported_or_skipped(tmp_path, dataset, packed):
    broken = sorted((dataset / "train" / "sad").iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:300])
    path = pack(dataset, tmp_path / "faces.zip") if packed else dataset
    with pytest.raises(DataError, match=rf"train/sad/{broken.name}: .*--skip-bad"):
        load_faces(path, "train")
    faces = load_faces(path, "train", skip_bad=True)
    assert len(faces) == 20
    assert len(faces.skipped) == 1
    assert broken.name in faces.skipped[0]
    assert f"train/sad/{broken.name}" not in faces.names
    assert load_faces(path, "validation").skipped == ()


def test_a_damaged_file_in_a_zip_is_reported_or_skipped(tmp_path, dataset):
    path = pack(dataset, tmp_path / "faces.zip")
    with zipfile.ZipFile(path) as archive:
        member = next(info for info in archive.infolist() if "PublicTest_" in info.filename)
    content = bytearray(path.read_bytes())
    content[member.header_offset + 200] ^= 0xFF  # its checksum no longer holds
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{member.filename}: damaged"):
        load_faces(path, "validation")
    assert len(load_faces(path, "validation", skip_bad=True).skipped) == 1


def test_a_split_without_readable_pictures_is_refused(dataset):
    for file in dataset.glob("train/*/*"):
        file.write_bytes(b"x")
    with pytest.raises(DataError, match="none of the 21 pictures of the train split could be read"):
        load_faces(dataset, "train", skip_bad=True)


def test_resize_gives_the_pictures_that_loading_at_that_size_gives(dataset):
    small = load_faces(dataset, "validation")
    large = load_faces(dataset, "validation", image_size=64)
    np.testing.assert_array_equal(small.resize(64).images, large.images)
    assert small.resize(64).names == large.names
    assert small.resize(48) is small


def test_a_folder_that_is_linked_into_two_splits_is_refused(tmp_path):
    kept = tmp_path / "kept" / "happy"
    kept.mkdir(parents=True)
    Image.new("L", (48, 48)).save(kept / "a.png")
    for split in ("train", "validation"):
        (tmp_path / "set" / split).mkdir(parents=True)
        (tmp_path / "set" / split / "happy").symlink_to(kept)
    with pytest.raises(DataError, match="must hold each folder once. Received: .*validation.happy, a link to a folder"):
        load_faces(tmp_path / "set", "train")
