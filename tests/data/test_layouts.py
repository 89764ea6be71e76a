"""Tests of other layouts of data sets: class folders without splits, other names, published layouts, tables."""

import io
import shutil
from collections import Counter

import numpy as np
import pytest
from conftest import draw_face
from distributed_forms import KAGGLE_HEADER, pack, pixels, rows, write_csv
from PIL import Image

from fer.data.faces import load_faces
from fer.data.items import DataError
from fer.labels import CSV_EMOTIONS, EMOTIONS

OWN = ("wink", "Yawn")


def draw(path, number=0, emotion="happy", size=48, mode="L"):
    """Draw a face into a file, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_face(emotion, number).resize((size, size)).convert(mode).save(path)
    return path


def draw_folders(folder, places, per_class=4):
    """Draw `per_class` different pictures into each of the folders `places`, and return the folder above."""
    for number, place in enumerate(places):
        for index in range(per_class):
            draw(folder / place / f"{index}.png", 100 * number + index)
    return folder


def counted(faces):
    """Return the number of pictures by class."""
    return Counter(faces.classes[label] for label in faces.labels)


@pytest.mark.parametrize("below", ["", "mine/", "a/b/"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_tenth_of_class_folders_without_splits_is_held_out(tmp_path, below, packed):
    folder = draw_folders(tmp_path / "data", [f"{below}wink", f"{below}yawn", f"{below}other"], per_class=10)
    path = pack(folder, tmp_path / "data.zip") if packed else folder
    train, validation = (load_faces(path, split, classes=OWN) for split in ("train", "validation"))
    assert train.classes == OWN
    assert counted(train) == dict.fromkeys(OWN, 9)
    assert counted(validation) == dict.fromkeys(OWN, 1)
    assert train.held_out
    assert validation.held_out
    assert all(name.split("/")[0] in ("wink", "yawn") for name in train.names)
    assert train.left_out == f"{path}: 10 of other classes left out: 10 other."
    with pytest.raises(DataError, match=r"no pictures of the test split\. Found: train\."):
        load_faces(path, "test", classes=OWN)


def test_people_with_pictures_of_several_classes_are_held_out_until_each_class_has_its_tenth(tmp_path):
    random = np.random.default_rng(1)
    codes = [1] * 45 + [2] * 18 + [3] * 59 + [4] * 25 + [5] * 69 + [6] * 28 + [7] * 83  # The classes of CK+.
    names = {1: "angry", 2: "contempt", 3: "disgust", 4: "fear", 5: "happy", 6: "sad", 7: "surprise"}
    for number, code in enumerate(codes):
        name = f"S{random.integers(118):03d}_{number:03d}_00000001.png"
        draw(tmp_path / names[code] / name, number)
        if number % 20 == 0:  # A copy under another person.
            draw(tmp_path / names[code] / f"S{900 + number // 20}_{number:03d}_00000001.png", number)
    parts = [load_faces(tmp_path, split, classes=names.values(), layout="ckplus") for split in ("train", "validation")]
    train, validation = parts
    for code, name in names.items():
        share = validation.labels.tolist().count(validation.classes.index(name)) / codes.count(code)
        assert 0.08 <= share <= 0.3
    people, pictures = ([{*of(faces)} for faces in parts] for of in (people_of, contents_of))
    assert not people[0] & people[1]
    assert not pictures[0] & pictures[1]


@pytest.mark.parametrize("large", range(5))
def test_a_person_with_most_of_the_pictures_is_not_held_out(tmp_path, large):
    number = 0
    for person in range(5):
        for index in range(60 if person == large else 10):
            name = f"S{person:03d}_{index:03d}_00000001.png"
            draw(tmp_path / ("happy" if index % 2 else "sad") / name, number := number + 1, size=8)
    parts = [
        load_faces(tmp_path, split, classes=("happy", "sad"), layout="ckplus") for split in ("train", "validation")
    ]
    assert len(parts[1]) in (10, 20)


def people_of(faces):
    return [name.split("/")[-1][:4] for name in faces.names]


def contents_of(faces):
    return [image.tobytes() for image in faces.images]


def test_a_small_class_has_a_held_out_picture_beside_a_large_one(tmp_path):
    folder = draw_folders(tmp_path, OWN, 30)
    for file in sorted((folder / "Yawn").iterdir())[3:]:
        file.unlink()
    assert counted(load_faces(folder, "train", classes=OWN)) == {"wink": 27, "Yawn": 2}


@pytest.mark.parametrize("train", ["Train", "training", "TRAIN"])
@pytest.mark.parametrize("validation", ["val", "Valid", "dev"])
def test_splits_may_have_other_names(tmp_path, train, validation):
    places = [f"{split}/{name}" for split in (train, validation, "Test") for name in ("Wink", "yawn")]
    folder = draw_folders(tmp_path, places, 2)
    for split in ("train", "validation", "test"):
        faces = load_faces(folder, split, classes=OWN)
        assert (counted(faces), faces.held_out) == (dict.fromkeys(OWN, 2), False)


def test_splits_within_the_class_folders_are_splits(tmp_path):
    """They were read as training pictures, and a tenth of all was held out."""
    for split, count in (("train", 3), ("val", 2), ("Test", 1)):
        draw_folders(tmp_path / "data", [f"{label}/{split}" for label in OWN], per_class=count)
    for split, count in (("train", 3), ("validation", 2), ("test", 1)):
        faces = load_faces(tmp_path / "data", split, classes=OWN)
        assert counted(faces) == dict.fromkeys(OWN, count)
        assert not faces.held_out
    draw(tmp_path / "data" / "wink" / "loose.png")
    with pytest.raises(DataError, match=r"wink/loose\.png stands in no split"):
        load_faces(tmp_path / "data", "train", classes=OWN)


def test_folders_within_a_class_folder_belong_to_the_class(tmp_path):
    folder = draw_folders(tmp_path, ["train/wink/ann", "train/wink/bob", "train/yawn", "val/wink", "val/yawn"], 2)
    assert counted(load_faces(folder, "train", classes=OWN)) == {"wink": 4, "Yawn": 2}


def test_emotions_may_have_other_names_and_contempt_is_known(tmp_path):
    names = ("Anger", "disgusted", "FEARFUL", "Happiness", "calm", "sadness", "surprised", "contempt")
    folder = draw_folders(tmp_path, [f"train/{name}" for name in names] + [f"val/{name}" for name in names], 1)
    seven = load_faces(folder, "train")
    assert (seven.classes, counted(seven)) == (EMOTIONS, dict.fromkeys(EMOTIONS, 1))
    assert seven.left_out == f"{folder}: 2 of other classes left out: 2 contempt."
    eight = load_faces(folder, "train", classes=["Contempt", *EMOTIONS])
    assert counted(eight) == dict.fromkeys([*EMOTIONS, "contempt"], 1)
    joy = load_faces(folder, "train", classes=["joy", "anger"])
    assert joy.names == ("train/Anger/0.png", "train/Happiness/0.png")


def test_errors_about_classes_list_the_found_folders(tmp_path):
    folder = draw_folders(tmp_path / "own", OWN)
    rule = r"unknown class folder Yawn\. Classes of your own are named, such as --classes Yawn wink\. Expected train/"
    with pytest.raises(DataError, match=rule):
        load_faces(folder, "train")
    with pytest.raises(DataError, match=r"with the classes wnk, yewn\. Found: Yawn, wink\. Expected"):
        load_faces(folder, "train", classes=["wnk", "yewn"])
    with pytest.raises(DataError, match=r"train split has no picture of class blink\. Found: Yawn, wink\.$"):
        load_faces(folder, "train", classes=[*OWN, "blink"])
    draw(folder / "stray.png")
    with pytest.raises(DataError, match=r"stray\.png stands in no class folder"):
        load_faces(folder, "train", classes=OWN)


def test_numbered_folders_need_a_layout(tmp_path):
    folder = draw_folders(tmp_path, [f"train/{number}" for number in range(1, 8)], 2)
    with pytest.raises(DataError, match=r"unknown class folder train/1\. Numbers mean other classes .*--layout raf-db"):
        load_faces(folder, "train")
    with pytest.raises(DataError, match=r"with the classes happy, sad\. Found: 1, .*, 7\. Numbers need --layout\."):
        load_faces(folder, "train", classes=["happy", "sad"])
    with pytest.raises(ValueError, match="`layout` must be one of raf-db, affectnet, ckplus, fer2013. Received: 'raf'"):
        load_faces(folder, "train", layout="raf")
    assert counted(load_faces(folder, "train", classes=["2", "1"])) == {"1": 1, "2": 1}
    faces = load_faces(folder, "train", layout="raf-db")
    assert {faces.classes[label]: name[:7] for label, name in zip(faces.labels, faces.names, strict=True)} == {
        "surprise": "train/1", "fear": "train/2", "disgust": "train/3", "happy": "train/4", "sad": "train/5",
        "angry": "train/6", "neutral": "train/7",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("layout", "numbers", "names"),
    [
        ("affectnet", range(8), "neutral happy sad surprise fear disgust angry contempt"),
        ("ckplus", range(8), "neutral angry contempt disgust fear happy sad surprise"),
        ("fer2013", range(7), "angry disgust fear happy sad surprise neutral"),
    ],
)
def test_numbered_folders_are_read_by_layout(tmp_path, layout, numbers, names):
    folder = draw_folders(tmp_path, [f"{split}/{number}" for split in ("train", "val") for number in numbers], 1)
    faces = load_faces(folder, "validation", classes=names.split(), layout=layout)
    by_folder = sorted(zip(faces.names, faces.labels, strict=True))
    assert [faces.classes[label] for _, label in by_folder] == names.split()


@pytest.mark.parametrize("packed", [False, True])
def test_raf_db_is_read_with_its_label_file(tmp_path, packed):
    basic, lines = tmp_path / "data" / "basic", []
    for split in ("train", "test"):
        for number in range(14):
            draw(basic / "Image" / "aligned" / f"{split}_{number:05d}_aligned.jpg", number)
            draw(basic / "Image" / "original" / f"{split}_{number:05d}.jpg", number + 100, size=80)
            lines.append(f"{split}_{number:05d}.jpg {number % 7 + 1}")
    (basic / "EmoLabel").mkdir()
    labels = basic / "EmoLabel" / "list_patition_label.txt"
    labels.write_text("\n".join(lines) + "\n")
    path = pack(tmp_path / "data", tmp_path / "raf.zip") if packed else tmp_path / "data"
    test = load_faces(path, "test", layout="raf-db")
    assert counted(test) == dict.fromkeys(EMOTIONS, 2)
    assert all("/aligned/test_" in name for name in test.names)
    assert test.left_out == f"{path}: 28 files left out: 28 second versions of pictures."
    assert len(load_faces(path, "train", layout="raf-db")) + len(load_faces(path, "validation", layout="raf-db")) == 14
    if not packed:
        shutil.rmtree(basic / "Image" / "aligned")
        assert len(load_faces(path, "test", layout="raf-db")) == 14
        labels.write_text("train_00001.jpg 8\n")
        rule = r"list_patition_label\.txt: labels of the layout raf-db must be 1 to 7\. Received: '8'"
        with pytest.raises(DataError, match=rule):
            load_faces(path, "train", layout="raf-db")
        labels.write_text("train_00001.jpg 1\ntrain_00001.jpg 1\ntrain_00001.jpg 2\n")
        rule = r"must have one label\. Received: train_00001 as surprise in train and as fear in train$"
        with pytest.raises(DataError, match=rule):
            load_faces(path, "train", layout="raf-db")
        labels.write_text("train_99999.jpg 1\n")
        with pytest.raises(DataError, match="the label files of the layout raf-db name none of the pictures"):
            load_faces(path, "train", layout="raf-db")


@pytest.mark.parametrize("packed", [False, True])
def test_affectnet_is_read_with_its_annotations(tmp_path, packed):
    data = tmp_path / "data" / "data_set"
    for split in ("train_set", "val_set"):
        for number in range(9):
            draw(data / split / "images" / f"{number}.jpg", number, size=64, mode="RGB")
            (data / split / "annotations").mkdir(exist_ok=True)
            np.save(data / split / "annotations" / f"{number}_exp.npy", np.array(str((number + 1) % 9)))
            np.save(data / split / "annotations" / f"{number}_val.npy", np.array("0.5"))
    # macOS adds them to a zip; they are no labels.
    for place in ("val_set/annotations", "__MACOSX/val_set/annotations"):
        (data / place).mkdir(parents=True, exist_ok=True)
        (data / place / "._1_exp.npy").write_bytes(b"\0\5\x16\7")
    path = pack(data.parent, tmp_path / "affectnet.zip") if packed else data.parent
    classes = (*EMOTIONS, "contempt")
    for split, folder in (("train", "train_set"), ("validation", "val_set")):
        faces = load_faces(path, split, classes=classes, layout="affectnet")
        assert counted(faces) == dict.fromkeys(classes, 1)
        found = {name: faces.classes[label] for name, label in zip(faces.names, faces.labels, strict=True)}
        assert found[f"data_set/{folder}/images/0.jpg"] == "happy"
        assert found[f"data_set/{folder}/images/6.jpg"] == "contempt"
        assert f"data_set/{folder}/images/7.jpg" not in found
        assert "18 .npy" in faces.left_out
    if not packed:
        labels = data / "val_set" / "annotations" / "0_exp.npy"
        message = r"val_set/annotations/0_exp\.npy: not an array of NumPy that can be read"
        np.save(labels, np.array(["a", 1], object), allow_pickle=True)
        with pytest.raises(DataError, match=message):
            load_faces(data, "train", layout="affectnet")
        with labels.open("wb") as file:
            np.savez(file, np.array("1"))
        with pytest.raises(DataError, match=message):
            load_faces(data, "train", layout="affectnet")
        np.save(labels, np.array("1"))
        labels.write_bytes(labels.read_bytes().replace(b"'shape': ()", b"'shape': (,"))
        with pytest.raises(DataError, match=message):
            load_faces(data, "train", layout="affectnet")


def test_affectnet_is_read_with_its_tables(tmp_path):
    for number in range(4):
        draw(tmp_path / "Manually_Annotated_Images" / str(number) / "abc.jpg", number)
    header = "subDirectory_filePath,face_x,expression,valence\n"
    (tmp_path / "training.csv").write_text(f"{header}0/abc.jpg,1,1,0.5\n1/abc.JPG,1,2,-0.5\n")
    (tmp_path / "validation.csv").write_text(f"{header}2/abc.jpg,1,1,0.5\n3/abc.jpg,1,2,-0.5\n")
    for split, places in (("train", "01"), ("validation", "23")):
        faces = load_faces(tmp_path, split, classes=["happy", "sad"], layout="affectnet")
        assert faces.names == tuple(f"Manually_Annotated_Images/{place}/abc.jpg" for place in places)
        assert counted(faces) == {"happy": 1, "sad": 1}
    # A number of the layout that is no expression is left out, and an incomplete row is named.
    for number in range(4, 13):
        draw(tmp_path / "Manually_Annotated_Images" / str(number) / "abc.jpg", number)
    rows = "".join(f"{number}/abc.jpg,1,{number - 4},0\n" for number in range(4, 13))
    (tmp_path / "training.csv").write_text(f"{header}{rows}")
    with pytest.raises(DataError, match=r"the validation split has no picture of class angry"):
        load_faces(tmp_path, "validation", layout="affectnet")
    seven = load_faces(tmp_path, "train", layout="affectnet")
    assert counted(seven) == dict.fromkeys(EMOTIONS, 1)
    assert "2 of other classes left out: 1 contempt, 1 none" in seven.left_out
    for row, received in (("4/abc", "Received: None"), (",1,1,0", "must name a picture. Received: ''")):
        (tmp_path / "training.csv").write_text(f"{header}{row}\n")
        with pytest.raises(DataError, match=received):
            load_faces(tmp_path, "train", layout="affectnet")
    (tmp_path / "training.csv").write_text(f"{header.strip()},expression\n4/abc.jpg,1,1,0,2\n")
    with pytest.raises(DataError, match=r"expression must occur once\. Received: sub.*, valence, expression$"):
        load_faces(tmp_path, "train", layout="affectnet")
    (tmp_path / "training.csv").write_text("path,label\n")
    with pytest.raises(
        DataError, match=r"columns subDirectory_filePath and expression are needed\. Received: path, la"
    ):
        load_faces(tmp_path, "train", layout="affectnet")


def test_a_table_of_affectnet_may_have_any_line_ends(tmp_path):
    for number in range(4):
        draw(tmp_path / str(number) / "abc.jpg", number)
    rows = ["subDirectory_filePath,expression", "0/abc.jpg,1", "1/abc.jpg,2", "2/abc.jpg,1", "3/abc.jpg,2"]
    for ending in ("\n", "\r", "\r\n"):
        (tmp_path / "training.csv").write_text(ending.join(rows), newline="")
        assert len(load_faces(tmp_path, "train", classes=["happy", "sad"], layout="affectnet")) == 2
    (tmp_path / "training.csv").write_text(f"{rows[0]}\n{'9' * 200_000},1\n")
    with pytest.raises(DataError, match=r"training\.csv: not a CSV that can be read \(field larger than field limit"):
        load_faces(tmp_path, "train", layout="affectnet")


def test_labelled_pictures_that_are_missing_are_counted(tmp_path):
    """A table of 500 rows beside 10 of its pictures was read without a word."""
    for number in range(10):
        draw(tmp_path / str(number) / "abc.jpg", number)
    rows = "".join(f"{number}/abc.jpg,{1 + number % 2}\n" for number in range(500))
    (tmp_path / "training.csv").write_text(f"subDirectory_filePath,expression\n{rows}")
    (tmp_path / "notes.txt").touch()
    faces = load_faces(tmp_path, "train", classes=["happy", "sad"], layout="affectnet")
    assert faces.left_out == f"{tmp_path}: 491 files left out: 490 labelled but missing, 1 .txt."


def test_pictures_of_a_person_in_ck_plus_are_held_out_together(tmp_path):
    number = 0
    for person in range(20):
        for sequence, code in (("001", 5), ("002", 7)):
            for frame in ("00000001", "00000011"):
                name = f"S{person:03d}_{sequence}_{frame}"
                place = f"S{person:03d}/{sequence}"
                draw(tmp_path / "raw" / "cohn-kanade-images" / place / f"{name}.png", number := number + 1)
                draw(tmp_path / "CK+48" / ("happy" if code == 5 else "surprise") / f"{name}.png", number)
            label = tmp_path / "raw" / "Emotion" / place / f"{name}_emotion.txt"
            label.parent.mkdir(parents=True)
            label.write_text(f"   {code:.7e}\n")
    for folder, size in (("raw", 40), ("CK+48", 80)):
        train, validation = (
            load_faces(tmp_path / folder, split, classes=["happy", "surprise"], layout="ckplus")
            for split in ("train", "validation")
        )
        assert len(train) + len(validation) == size
        people = [{name.split("/")[-1][:4] for name in faces.names} for faces in (train, validation)]
        assert not people[0] & people[1]
        assert len(people[1]) == 2
        assert counted(validation)["happy"] == counted(validation)["surprise"]


def encoded(path, encoding):
    """Write a text file again in an encoding, and return its path."""
    path.write_bytes(path.read_text().encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["faces.csv", "data.TSV", "faces.txt"])
def test_tables_may_have_any_separator_encoding_and_name(tmp_path, separator, encoding, name):
    path = write_csv(tmp_path / "data" / "sub" / name, rows(per_class=1))
    path.write_text(path.read_text().replace(",", separator))
    encoded(path, encoding)
    sources = [path]
    if not name.endswith("txt"):
        sources += [tmp_path / "data", pack(tmp_path / "data", tmp_path / "data.zip")]
    for source in sources:
        faces = load_faces(source, "validation")
        found = {int(image[0, 0, 0]): label for image, label in zip(faces.images, faces.labels, strict=True)}
        assert found == {10 * code: EMOTIONS.index(name) for code, name in enumerate(CSV_EMOTIONS)}


@pytest.mark.parametrize("column", ["split", "Set", "subset"])
def test_the_column_of_the_splits_may_have_another_name(tmp_path, column):
    """It was ignored, and test pictures were trained on."""
    names = {"Training": "train", "PublicTest": "Val", "PrivateTest": "PrivateTest"}
    many = [row | {column.lower(): names[row["usage"]]} for row in rows(per_class=1)]
    path = write_csv(tmp_path / "mine.csv", many, [*KAGGLE_HEADER[:2], column])
    assert [len(load_faces(path, split)) for split in ("train", "validation", "test")] == [7, 7, 7]
    assert not load_faces(path, "train").held_out


def test_a_tenth_of_a_table_without_usage_is_held_out(tmp_path):
    many = rows(per_class=10, usages=("Training",))
    for number, row in enumerate(many):
        row["pixels"] = f"{number} " + row["pixels"].split(" ", 1)[1]
    path = write_csv(tmp_path / "mine.csv", many, KAGGLE_HEADER[:2])
    train, validation = (load_faces(path, split) for split in ("train", "validation"))
    assert (len(train), len(validation)) == (63, 7)
    assert validation.held_out


def test_a_table_in_the_layout_ckplus_has_contempt(tmp_path):
    both = [[code, pixels(f"{code}0"), usage] for usage in ("Training", "PublicTest") for code in "37"]
    path = write_csv(tmp_path / "ckextended.csv", both)
    faces = load_faces(path, "train", classes=["contempt", "happy"], layout="ckplus")
    assert counted(faces) == {"happy": 1, "contempt": 1}
    with pytest.raises(DataError, match=r"`emotion` must be 0 to 6\. Received: '7'"):
        load_faces(path, "train", classes=["contempt", "happy"])
    with pytest.raises(DataError, match=r"a table has the layout fer2013 or ckplus\. Received: raf-db"):
        load_faces(path, "train", layout="raf-db")


def test_larger_and_coloured_pictures_are_read_as_grey_at_any_size(tmp_path):
    for name in OWN:
        for split in ("train", "val"):
            draw(tmp_path / split / name / "0.png", 1, size=300, mode="RGB")
    assert load_faces(tmp_path, "train", classes=OWN, image_size=96).images.shape == (2, 96, 96, 1)
    grey = io.BytesIO()
    Image.fromarray(load_faces(tmp_path, "train", classes=OWN, image_size=48).images[0, ..., 0]).save(grey, "PNG")
    assert Image.open(grey).mode == "L"
