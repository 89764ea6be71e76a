import builtins
import csv
import shutil
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from fer.data.fer2013 import Faces, load_faces
from fer.data.ferplus import load_categories, load_votes
from fer.data.items import DataError
from fer.labels import CSV_EMOTIONS, EMOTIONS, fold

KAGGLE_HEADER = ("emotion", "pixels", "Usage")
COMPETITION_HEADER = ("emotion", " Usage", " pixels")


@pytest.fixture
def dataset(tmp_path, draw_dataset):
    return draw_dataset(tmp_path / "faces", per_class=3)


def pack(folder, target, below=""):
    """Write the files of a folder into a zip, with `below` before their paths, and return the path of the zip."""
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, below + file.relative_to(folder).as_posix())
    return target


def pixels(value):
    return " ".join([str(value)] * 48 * 48)


def rows(per_class=2, usages=("Training", "PublicTest", "PrivateTest")):
    """Return rows of a CSV; all pixels of a picture are ten times the code of its emotion."""
    return [
        {"emotion": code, "pixels": pixels(10 * code), "usage": usage}
        for usage in usages
        for _ in range(per_class)
        for code in range(len(CSV_EMOTIONS))
    ]


def write_csv(path, rows, header=KAGGLE_HEADER):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in rows:
            writer.writerow(row if isinstance(row, list) else [row[name.strip().lower()] for name in header])
    return path


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


def test_prefixes_tell_validation_from_test(dataset):
    validation, test = load_faces(dataset, "validation"), load_faces(dataset, "test")
    assert len(validation) == len(test) == 21
    assert all("/PublicTest_" in name for name in validation.names)
    assert all("/PrivateTest_" in name for name in test.names)


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


def test_a_validation_folder_is_read(tmp_path, draw_dataset):
    folder = draw_dataset(tmp_path, emotions=("happy", "sad"), per_class=2)
    for file in folder.glob("test/*/PublicTest_*"):
        target = folder / "validation" / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
    classes = ("happy", "sad")
    counts = {split: len(load_faces(folder, split, classes)) for split in ("train", "validation", "test")}
    assert counts == {"train": 4, "validation": 4, "test": 4}
    assert all(name.startswith("validation/") for name in load_faces(folder, "validation", classes).names)


def test_pictures_in_the_test_folder_are_never_trained_on(tmp_path, draw_dataset):
    """A user may make a test split of training pictures without renaming them."""
    folder = draw_dataset(tmp_path, emotions=("happy", "sad"), per_class=20)
    moved = next((folder / "train" / "happy").iterdir())
    moved.rename(folder / "test" / "happy" / moved.name)
    assert len(load_faces(folder, "train", ("happy", "sad"))) == 39
    assert f"test/happy/{moved.name}" in load_faces(folder, "test", ("happy", "sad")).names


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


def without_validation(folder):
    """Delete the validation pictures of a data set, and return its folder."""
    for file in folder.glob("test/*/PublicTest_*"):
        file.unlink()
    return folder


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
    wider = load_faces(folder, "validation", ("angry", "disgust", "happy", "sad", "m\xfcde"))
    for classes in (("HAPPY", "sad"), ("angry", "M\xdcDE"), ("disgust", "angry")):
        fewer = load_faces(folder, "validation", classes)
        wanted = [fold(name) for name in classes]
        assert fewer.names == tuple(name for name in wider.names if fold(name.split("/")[1]) in wanted)
        assert not set(fewer.names) & set(load_faces(folder, "train", classes).names)


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


def test_of_few_pictures_one_per_class_is_held_out(dataset):
    train, validation = (load_faces(without_validation(dataset), split) for split in ("train", "validation"))
    assert Counter(train.labels.tolist()) == dict.fromkeys(range(7), 2)
    assert Counter(validation.labels.tolist()) == dict.fromkeys(range(7), 1)
    assert not set(train.names) & set(validation.names)


def test_too_few_pictures_for_a_held_out_tenth_are_refused(tmp_path, draw_dataset):
    folder = without_validation(draw_dataset(tmp_path, per_class=1))
    with pytest.raises(DataError, match=r"a stratified tenth of training cannot be taken \(class angry has 1 picture"):
        load_faces(folder, "train")


def test_limit_keeps_class_shares_and_at_least_one_picture_per_class(tmp_path, draw_dataset):
    folder = draw_dataset(tmp_path, emotions=("happy", "sad"), per_class=40)
    draw_dataset(tmp_path, emotions=("disgust",), per_class=2)
    classes = ("happy", "disgust", "sad")
    faces = load_faces(folder, "train", classes, limit=21)
    assert Counter(faces.classes[label] for label in faces.labels) == {"disgust": 1, "happy": 10, "sad": 10}
    assert faces.names == tuple(sorted(faces.names))
    assert load_faces(folder, "train", classes, limit=21).names == faces.names
    assert len(load_faces(folder, "train", classes, limit=3)) == 3
    assert len(load_faces(folder, "train", classes, limit=81)) == 81
    assert len(load_faces(folder, "train", classes, limit=1000)) == 82
    for limit in (2, 0, -1):
        with pytest.raises(ValueError, match=f"`limit` must be at least 3, one picture per class. Received: {limit}$"):
            load_faces(folder, "train", classes, limit=limit)


def test_draws_differ_and_a_smaller_sample_is_part_of_a_larger_one(tmp_path, draw_dataset):
    folder, classes = draw_dataset(tmp_path, emotions=("happy", "sad"), per_class=40), ("happy", "sad")
    few, more, other = (
        set(load_faces(folder, "train", classes, limit=limit, draw=draw).names)
        for limit, draw in ((10, 0), (20, 0), (10, 1))
    )
    assert few < more
    assert few != other
    assert set(load_faces(folder, "train", classes, limit=10, draw=2013).names) == set(
        load_faces(folder, "train", classes, limit=10).names
    )
    with pytest.raises(ValueError, match="`draw` must be 0 or more. Received: -1$"):
        load_faces(folder, "train", classes, limit=10, draw=-1)


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


def test_a_tenth_of_a_csv_without_validation_rows_is_held_out(tmp_path):
    different = rows(per_class=20, usages=("Training", "PrivateTest"))
    for number, row in enumerate(different):
        row["pixels"] = f"{number % 256} {number // 256} " + row["pixels"].split(" ", 2)[2]
    path = write_csv(tmp_path / "fer2013.csv", different)
    train, validation = load_faces(path, "train"), load_faces(path, "validation")
    assert (len(train), len(validation)) == (126, 14)
    assert not set(train.names) & set(validation.names)


def test_pictures_take_precedence_over_a_csv_beside_them(tmp_path, dataset):
    write_csv(dataset / "fer2013.csv", rows())
    assert len(load_faces(dataset, "train")) == 21
    assert len(load_faces(pack(dataset, tmp_path / "faces.zip"), "train")) == 21


BROKEN_ROWS = {
    "columns": (["3", pixels(1)], r"3 columns expected\. Received: 2\."),
    "emotion": (["7", pixels(1), "Training"], r"`emotion` must be 0 to 6\. Received: '7'\."),
    "emotion name": (["happy", pixels(1), "Training"], r"`emotion` must be 0 to 6\. Received: 'happy'\."),
    "usage": (
        ["3", pixels(1), "Test"],
        r"`Usage` must be one of Training, PublicTest, PrivateTest\. Received: 'Test'\.",
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


def test_an_unknown_split_is_refused(dataset):
    with pytest.raises(ValueError, match=r"`split` must be 'train', 'validation' or 'test'\. Received: split='dev'"):
        load_faces(dataset, "dev")


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


def test_a_split_without_pictures_is_refused(dataset):
    shutil.rmtree(dataset / "test")
    with pytest.raises(DataError, match="no pictures of the test split"):
        load_faces(dataset, "test")
    shutil.move(dataset / "train", dataset / "test")
    with pytest.raises(DataError, match="no training pictures found"):
        load_faces(dataset, "train")


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


def named(*names):
    """Return `Faces` with some names, and pictures of no content."""
    return Faces(np.zeros((len(names), 1, 1, 1), "uint8"), np.zeros(len(names), int), ("happy", "sad"), names)


def test_votes_become_shares_in_the_order_of_the_pictures(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(
        "file,happiness,sadness,NF\ntrain/sad/b.jpg,1,9,0\ntrain/happy/a.jpg,6,0,2\ntrain/sad/c.jpg,0,0,0\n"
    )
    votes = load_votes(path, named("train/happy/a.jpg", "train/sad/b.jpg", "train/sad/c.jpg", "train/sad/d.jpg"))
    np.testing.assert_allclose(votes[:2], [[0.75, 0, 0.25], [0.1, 0.9, 0]])
    assert np.isnan(votes[2:]).all()


def test_the_file_of_ferplus_follows_the_rows_of_fer2013_csv(tmp_path):
    path = tmp_path / "fer2013new.csv"
    path.write_text("Usage,Image name,happiness,sadness\nTraining,fer0000000.png,9,1\nTraining,,0,10\n")
    np.testing.assert_allclose(load_votes(path, named("row 000003", "row 000002")), [[0, 1], [0.9, 0.1]])
    assert load_categories(path) == ["happiness", "sadness"]
    with pytest.raises(DataError, match=r"It belongs to fer2013\.csv, whose rows it follows\.$"):
        load_votes(path, named("train/happy/a.jpg"))


def test_the_file_of_ferplus_is_refused_for_a_table_with_other_rows(tmp_path):
    table = [row | {"pixels": pixels(place)} for place, row in enumerate(rows(per_class=10))]
    votes = tmp_path / "fer2013new.csv"
    lines = [f"{row['usage']},fer{place:07d}.png,{row['emotion']},1" for place, row in enumerate(table)]
    votes.write_text("\n".join(["Usage,Image name,happiness,sadness", *lines]))

    def load(kept, split="train"):
        header = KAGGLE_HEADER if "usage" in kept[0] else KAGGLE_HEADER[:2]
        return load_votes(votes, load_faces(write_csv(tmp_path / "fer2013.csv", kept, header), split))

    assert load(table).shape == load([row for row in table if row["usage"] != "PrivateTest"]).shape
    unsplit = [{name: value for name, value in row.items() if name != "usage"} for row in table]
    assert len(load(unsplit)) > len(load(table))
    broken = [*table[:-1], table[-1] | {"emotion": "none"}]
    write_csv(tmp_path / "broken.csv", broken)
    assert load_votes(votes, load_faces(tmp_path / "broken.csv", "train", skip_bad=True)).shape == load(table).shape
    for others in (table[1:], [*table[:20], *table[21:]], table[::-1], table[:-1], unsplit[1:]):
        for split in ("train", "validation"):
            with pytest.raises(DataError, match=r"its rows must be those of the complete fer2013\.csv"):
                load(others, split)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,happiness\na,1\n", "first column must be file"),
        ("Usage,happiness\na,1\n", "first column must be file"),
        ("file,happiness\na,many\n", "votes must be numbers"),
        ("file,happiness,sadness\na,1\n", "each row must have 3 columns"),
        ("file,happiness\na,nan\n", r"votes must be counts, 0 or more. Received: \[nan\] for a"),
        ("file,happiness\na,inf\n", r"votes must be counts, 0 or more. Received: \[inf\] for a"),
        ("file,happiness,sadness\na,9,-1\n", r"votes must be counts, 0 or more. Received: \[9.0, -1.0\] for a"),
        ("file,happiness\na,0\n", "no votes for any picture. Expected names like a"),
        ("file,happiness\nb,1\n", "no votes for any picture. Expected names like a"),
    ],
)
def test_invalid_votes_are_refused(tmp_path, text, message):
    path = tmp_path / "votes.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_votes(path, named("a"))
    with pytest.raises(DataError, match="no such file"):
        load_votes(tmp_path / "missing.csv", named("a"))
    for content in (b"\x89PNG\r\n", "file,größe\na,1\n".encode("latin-1"), b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match="votes must be a CSV in UTF-8, with a header"):
            load_votes(path, named("a"))


def test_resize_gives_the_pictures_that_loading_at_that_size_gives(dataset):
    small = load_faces(dataset, "validation")
    large = load_faces(dataset, "validation", image_size=64)
    np.testing.assert_array_equal(small.resize(64).images, large.images)
    assert small.resize(64).names == large.names
    assert small.resize(48) is small
