"""Tests of the evaluation on folders of labelled photos, with a recognizer that goes by the colour of a photo."""

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fer.data.photos import list_photo_sets
from fer.detection.blazeface import MIN_CONFIDENT_SCORE
from fer.documents import to_json
from fer.errors import UserError
from fer.evaluation.photos import measure_photos, read_photo_set
from fer.evaluation.summary import format_photos
from fer.models.calibration import Calibration
from fer.recognition.recognizer import Face

LABELS = ("happy", "neutral", "sad")
ANSWERS = {
    "red": {"happy": 0.9, "neutral": 0.06, "sad": 0.04},
    "blue": {"happy": 0.1, "neutral": 0.5, "sad": 0.4},
    "lime": {"happy": 0.95, "neutral": 0.03, "sad": 0.02},
    "gray": None,
}
SCORES = {"red": 0.9, "blue": 0.9, "lime": MIN_CONFIDENT_SCORE - 0.01}
"""Detection score of the face in a photo, by colour."""


class Reader:
    """Recognizer that returns the entry of `ANSWERS` for the colour of a photo."""

    labels, calibration = LABELS, Calibration(threshold=0.8)

    def recognize_batch(self, images):
        return [self.recognize(image) for image in images]

    def recognize(self, image):
        colours = {(255, 0, 0): "red", (0, 0, 255): "blue", (0, 255, 0): "lime"}
        colour = colours.get(image.getpixel((0, 0)), "gray")
        if not (answer := ANSWERS[colour]):
            return []
        crop = np.zeros((1, 1), np.uint8)
        return [Face((0, 0, 1, 1), max(answer, key=answer.get), answer, SCORES[colour], colour == "red", crop)]


@pytest.fixture
def folder(tmp_path):
    """A folder with two sets of photos of one colour each, with other files and folders among them."""
    photos = {
        "lab/happy": ["red", "red", "blue"],
        "lab/sad": ["blue", "gray"],
        "lab/contempt": ["red"],
        "street/happy": ["red"],
        "street/neutral": ["blue", "broken"],
        "street/.git": ["red"],
    }
    for place, colours in photos.items():
        (tmp_path / place).mkdir(parents=True)
        for number, colour in enumerate(colours):
            path = tmp_path / place / f"{number}.png"
            path.write_bytes(b"no picture") if colour == "broken" else Image.new("RGB", (8, 8), colour).save(path)
    return tmp_path


def test_sets_and_labels_come_from_the_folders_and_other_files_are_counted(folder):
    lab, street = list_photo_sets(folder, LABELS)
    assert (lab.name, lab.labels, lab.left_out) == ("lab", ("happy",) * 3 + ("sad",) * 2, {"contempt": 1})
    assert (street.name, street.labels, street.left_out) == ("street", ("happy", "neutral", "neutral"), {})
    (folder / "other" / "laughing").mkdir(parents=True)
    for place in ("other/laughing/1.png", "lab/1.png", "1.png"):
        shutil.copy(folder / "lab" / "happy" / "0.png", folder / place)
    lab, _ = list_photo_sets(folder, LABELS)
    assert lab.left_out == {".": 1, "contempt": 1, "..": 2}
    (folder / ".trash" / "happy").mkdir(parents=True)
    shutil.copy(lab.paths[0], folder / ".trash" / "happy")
    assert len(list_photo_sets(folder, LABELS)) == 2
    (alone,) = list_photo_sets(folder / "lab", LABELS)
    assert alone.paths == lab.paths


def test_sets_without_a_known_photo_are_counted(folder):
    """Their photos were left out without a word."""
    (folder / "street" / "contempt").mkdir()
    (folder / "street" / "happy" / "0.png").rename(folder / "street" / "contempt" / "0.png")
    (folder / "street" / "notes.txt").write_text("where these are from")
    (lab,) = list_photo_sets(folder, ("happy", "sad"))
    assert lab.left_out == {"contempt": 1, "../street/.": 1, "../street/contempt": 1, "../street/neutral": 2}
    assert "left out: 2 in ../street/neutral/" in format_photos(measure_photos(Reader(), [lab]))


def test_sets_have_the_names_of_their_links(folder, tmp_path, monkeypatch):
    """Linked folders of one name were one set, and the last one's answers those of both."""
    links = tmp_path / "links"
    for name, target in (("one", folder / "lab"), ("two", tmp_path / "other" / "lab")):
        if name == "two":
            shutil.copytree(folder / "street", target)
        links.mkdir(exist_ok=True)
        (links / name).symlink_to(target)
    sets = list_photo_sets(links, LABELS)
    figures = measure_photos(Reader(), sets)
    assert {name: row["n"] for name, row in figures["sets"].items()} == {"one": 5, "two": 3}
    with pytest.raises(UserError, match=r"Sets of photos must have different names\. Received: one twice$"):
        measure_photos(Reader(), [sets[0], sets[0]])
    monkeypatch.chdir(folder / "lab" / "happy")
    assert [list_photo_sets(place, LABELS)[0].name for place in ("..", "../../lab/.", "../../lab")] == ["lab"] * 3


@pytest.mark.parametrize("wrong", ["nowhere", "lab/happy"])
def test_a_folder_without_labels_is_refused(folder, wrong):
    with pytest.raises(UserError, match="Expected <label>/.* or <set>/<label>/"):
        list_photo_sets(folder / wrong, LABELS)


def test_photos_without_a_face_and_unreadable_ones_count_as_wrong(folder):
    seen = []

    def progress(answers, total):
        assert total == 8
        for answer in answers:
            seen.append(answer)
            yield answer

    notes = []
    figures = measure_photos(Reader(), list_photo_sets(folder, LABELS), progress, note=notes.append)
    (note,) = notes
    rule = "street: 1 of 3 photos cannot be read and count as wrong answers"
    assert note.startswith(f"{rule}, such as {folder / 'street' / 'neutral' / '1.png'}: not a picture")
    assert len(seen) == 8
    lab, street = figures["sets"]["lab"], figures["sets"]["street"]
    assert (lab["n"], lab["found"], lab["labels"]) == (5, 4, ["happy", "sad"])
    # Blue photos are sad if only happy and sad are allowed, and neutral if all three are.
    assert lab["accuracy"] == pytest.approx(3 / 5)
    assert lab["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert lab["all_labels"]["balanced_accuracy"] == pytest.approx((2 / 3 + 0) / 2)
    assert lab["recall"]["sad"] == {"recall": 0.0, "n": 2, "interval": pytest.approx([0, 0.658], abs=1e-3)}
    assert lab["confident"]["coverage"] == pytest.approx(2 / 5)
    assert lab["confident"]["accuracy"] == 1
    assert lab["confusion_matrix"] == [[2, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 1]]
    assert (street["n"], street["found"], street["unreadable"]) == (3, 2, 1)
    assert (lab["unreadable"], figures["all"]["unreadable"]) == (0, 1)
    assert street["all_labels"]["accuracy"] == pytest.approx(2 / 3)
    everything = figures["all"]
    assert (everything["n"], everything["found"]) == (8, 6)
    rights = [each["all_labels"]["accuracy"] * each["n"] for each in (lab, street)]
    assert everything["all_labels"]["accuracy"] == pytest.approx(sum(rights) / 8)
    assert everything["confident"]["n"] == lab["confident"]["n"] + street["confident"]["n"]
    assert figures["mean"]["balanced_accuracy"] == pytest.approx((7 / 12 + 3 / 4) / 2)
    assert figures["mean"]["recall"]["happy"] == pytest.approx((2 / 3 + 1) / 2)
    assert json.loads(to_json(figures)) == figures
    lines = format_photos(figures).splitlines()
    assert " ".join(lines[0].split()) == "set photos found balanced among all confident correct ECE"
    assert lines[1].startswith("lab              5   80.0%     58.3%")
    assert len({len(line) for line in lines if line.startswith(("set", "lab", "street", "mean", "all"))}) == 1
    assert "left out: 1 in contempt/" in format_photos(figures)


def test_photos_that_are_read_in_part_are_told(folder):
    photo, notes = io.BytesIO(), []
    Image.effect_noise((200, 200), 50).save(photo, "JPEG")
    for place in ("lab/happy/cut.jpg", "street/neutral/cut.jpg"):
        (folder / place).write_bytes(photo.getvalue()[: int(0.8 * len(photo.getvalue()))])
    measure_photos(Reader(), list_photo_sets(folder, LABELS), note=notes.append)
    lab, unread, street = notes[0].splitlines()
    assert lab.startswith(
        "lab: 1 of 6 photos were read in part, such as cut.jpg: The file lacks its last bytes, and with"
    )
    assert unread.startswith("street: 1 of 4 photos cannot be read")
    assert street.startswith("street: 1 of 4 photos were read in part, such as cut.jpg: The file lacks its last bytes")


def test_photos_are_opened_one_after_the_other(folder, monkeypatch):
    """A batch of 32 was decoded first: of 24 megapixels each, that is 2.3 GB."""
    opened, photo = [], Image.new("RGB", (1, 1))
    monkeypatch.setattr("fer.evaluation.photos.load_image", lambda path: opened.append(path) or photo)

    class Recognizer:
        def recognize_batch(self, photos):
            return [[] for number, _ in enumerate(photos, start=1) if len(opened) == number]

    lab, _ = list_photo_sets(folder, LABELS)
    assert list(read_photo_set(Recognizer(), lab, [])) == [None] * 5


def test_names_of_sets_and_groups_cannot_write_lines_of_the_table(folder):
    (folder / "lab").rename(folder / "lab\nmean 99%\x1b[2J")
    figures = measure_photos(Reader(), list_photo_sets(folder, LABELS))
    lines = format_photos(figures).splitlines()
    assert not any(line.startswith("mean 99%") for line in lines)
    assert all(map(str.isprintable, lines))
    (folder / "street").rename(folder / "street\x1b[2J")
    notes = []
    measure_photos(Reader(), list_photo_sets(folder, LABELS), note=notes.append)
    assert len(notes) == 1
    assert notes[0].isprintable()


def test_a_set_with_one_label_leaves_no_choice_and_is_not_in_the_mean(folder):
    """A choice among one expression is always right, and counted as 100%."""
    lab, street = list_photo_sets(folder, LABELS)
    happy = replace(street, paths=street.paths[:1], labels=street.labels[:1])
    figures = measure_photos(Reader(), [lab, happy])
    assert figures["sets"]["street"]["balanced_accuracy"] is figures["sets"]["street"]["accuracy"] is None
    assert figures["mean"]["balanced_accuracy"] == figures["sets"]["lab"]["balanced_accuracy"]
    assert figures["sets"]["street"]["all_labels"]["balanced_accuracy"] == 1
    assert measure_photos(Reader(), [happy])["mean"]["balanced_accuracy"] is None
    (line,) = (line for line in format_photos(figures).splitlines() if line.startswith("street"))
    assert line.split()[:5] == ["street", "1", "100.0%", "–", "100.0%"]


def test_a_set_may_have_the_name_of_a_label(folder):
    """All photos of `normal/` were taken for neutral ones."""
    (folder / "lab").rename(folder / "normal")
    assert [(photos.name, len(photos.paths)) for photos in list_photo_sets(folder, LABELS)] == [
        ("normal", 5),
        ("street", 3),
    ]


def test_confident_answers_are_those_that_the_app_gives(tmp_path):
    (tmp_path / "happy").mkdir()
    for number, colour in enumerate(["red", "lime", "blue", "gray"]):
        Image.new("RGB", (8, 8), colour).save(tmp_path / "happy" / f"{number}.png")
    (photos,) = list_photo_sets(tmp_path, LABELS)
    row = measure_photos(Reader(), [photos])["sets"][photos.name]
    assert row["found"] == 3
    assert row["recall"]["happy"]["recall"] == 2 / 4  # A face with a low detection score counts as read.
    assert (row["confident"]["n"], row["confident"]["coverage"], row["confident"]["accuracy"]) == (1, 1 / 4, 1)


def test_files_that_are_not_pictures_are_counted_separately(folder):
    (folder / "lab" / "sad" / "notes.txt").write_text("where these are from")
    lab, _ = list_photo_sets(folder, LABELS)
    assert (len(lab.paths), lab.left_out) == (5, {"contempt": 1, "sad (no pictures)": 1})
