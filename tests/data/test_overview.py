"""Tests of `fer data`, which describes a data set before a training."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from test_layouts import OWN, draw, draw_folders

from fer.cli.commands import main as fer_main
from fer.data import overview as module
from fer.data.overview import Classifier, format_overview, survey
from fer.data.sheet import COLUMNS, SIDE, draw_sheet
from fer.errors import UserError


@pytest.fixture
def messy(tmp_path):
    """A data set of two own classes and an emotion under an alias, with a text file, a broken picture and copies."""
    data = draw_folders(tmp_path / "mine", ["train/wink", "train/Yawn", "train/Joy", "val/wink", "val/Yawn"], 4)
    draw(data / "val" / "Joy" / "9.png", 999)
    (data / "notes.txt").write_text("about")
    (data / "train" / "wink" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    shutil.copy(data / "train" / "wink" / "0.png", data / "val" / "wink" / "copy.png")
    shutil.copy(data / "train" / "Yawn" / "1.png", data / "train" / "wink" / "other.png")
    shutil.copy(data / "train" / "Joy" / "2.png", data / "train" / "Joy" / "again.png")
    return data


def test_pictures_copies_and_other_files_are_counted(messy):
    found = survey(messy)
    assert found.classes == ("happy", "Yawn", "wink")
    assert found.counts == {
        "train": {"happy": 5, "Yawn": 4, "wink": 6}, "validation": {"happy": 1, "Yawn": 4, "wink": 5},
    }  # fmt: skip
    assert (found.held_out, found.problem, found.named) == (False, "", {"Joy": "happy"})
    text = format_overview(found, most=0)
    assert "1 file left out: 1 .txt." in text
    assert "Read as: Joy as happy." in text
    assert "Cannot be read: 1\n" in text
    for kind, one, other in (
        ("across splits: 1", "train: train/wink/0.png", "validation: val/wink/copy.png"),
        ("across classes: 1", "train: train/Yawn/1.png", "train: train/wink/other.png"),
        ("within a split: 1", "train: train/Joy/2.png", "train: train/Joy/again.png"),
    ):
        assert f"Identical files {kind} (groups: 1)\n" in text
        assert f"{one} is {other}" in text or f"{other} is {one}" in text
    some = survey(messy, OWN)
    assert (some.classes, some.others) == (OWN, {"happy": 6})
    assert "6 pictures of other classes left out: 6 happy." in format_overview(some, most=0)


def test_only_the_folder_that_gave_the_class_is_named(tmp_path):
    found = survey(draw_folders(tmp_path, ["joy/session", "sadness/session"], 20))
    assert found.named == {"joy": "happy", "sadness": "sad"}


def test_files_beside_a_table_and_a_set_without_pictures_are_reported(messy, tmp_path, capsys):
    table = tmp_path / "table"
    table.mkdir()
    rows = "".join(f"{number % 2 * 3},{number}{' 9' * 2303}\n" for number in range(40))
    (table / "fer2013.csv").write_text(f"emotion,pixels\n{rows}")
    shutil.copytree(messy / "train" / "wink", table / "wink")
    assert survey(table).left_out == "6 files left out: 6 pictures beside the table"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert fer_main(["data", str(empty)]) == 2
    assert "no pictures found. Expected" in capsys.readouterr().out


def test_a_split_that_cannot_be_read_is_reported(tmp_path):
    found = survey(draw_folders(tmp_path, OWN, 1))
    assert found.counts == {}
    assert "a stratified tenth of training cannot be taken (class wink has 1 picture" in found.problem
    assert found.problem in format_overview(found, most=0)
    with pytest.raises(UserError, match="no such file or folder"):
        survey(tmp_path / "nowhere")


def test_labels_that_a_model_contradicts_are_ranked(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 3)
    data = draw_folders(tmp_path, [f"{split}/{name}" for split in ("train", "val") for name in (*OWN, "third")], 2)
    sizes = []

    def answer(pictures):
        sizes.append(pictures.shape)
        return np.array([[0.9, 0.1]] * len(pictures)) * 0.5 ** np.arange(len(pictures))[:, None]

    found = survey(data, model=Classifier(answer, ["glee", "wink"], 16))
    assert {row["label"] for row in found.answers} == {"wink"}
    sizes.clear()
    found = survey(data, OWN, model=Classifier(answer, list(OWN), 16))
    assert sizes == [(3, 16, 16), (3, 16, 16), (2, 16, 16)]
    assert len(found.answers) == 8
    (doubtful,) = found.rank_doubtful(1)
    assert (doubtful["label"], doubtful["answer"]) == ("Yawn", "wink")
    assert doubtful["p_answer"] - doubtful["p_label"] == max(
        row["p_answer"] - row["p_label"] for row in found.answers if row["label"] == "Yawn"
    )
    assert "The model contradicts 4 of 8 labels" in format_overview(found, most=2)


def test_a_model_without_a_class_of_the_data_is_reported(tmp_path):
    data = draw_folders(tmp_path, [f"{split}/{name}" for split in ("train", "val") for name in OWN], 1)
    found = survey(data, OWN, model=Classifier(pytest.fail, ("happy", "sad"), 16))
    assert "The model answers none of these pictures: its classes are happy, sad." in format_overview(found, most=2)
    assert found.to_record(2)["answered"] == 0
    assert "The model" not in format_overview(survey(data, OWN), most=2)


def test_a_contact_sheet_has_a_row_for_each_class(tmp_path):
    data = draw_folders(tmp_path, ["train/wink", "train/Yawn", "val/wink", "val/Yawn"], 15)
    samples = survey(data, samples=COLUMNS).samples
    assert {name: len(pictures) for name, pictures in samples.items()} == {"wink": 12, "Yawn": 12}
    more = draw_folders(tmp_path / "more", ["train/wink", "val/wink"], 47)  # 47 * (12 / 47) is below 12.
    assert len(survey(more, samples=COLUMNS).samples["wink"]) == COLUMNS
    sheet = draw_sheet(samples, {"wink": 15, "Yawn": 15})
    assert sheet.height // SIDE == 2
    narrow = draw_sheet({"a name that is far too long for its column": [np.zeros((48, 48), np.uint8)]}, {})
    assert narrow.width == sheet.width


def test_the_command_prints_text_or_json_and_writes_a_sheet(messy, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert fer_main(["data", str(messy), "--sheet", str(sheet)]) == 2  # A picture is broken.
    assert Image.open(sheet).size[0] > 12 * SIDE
    assert "train  validation" in capsys.readouterr().out
    (messy / "train" / "wink" / "broken.png").unlink()
    assert fer_main(["data", str(messy), "--json", "--classes", "wink", "yawn"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["counts"]["train"] == {"wink": 5, "yawn": 4}
    assert len(record["copies"]["across splits"]) == 1
    for wrong in (["--sheet", str(tmp_path / "sheet.jpg")], ["--sheet", str(messy / "notes.txt")]):
        with pytest.raises(SystemExit):
            fer_main(["data", str(messy), *wrong])


def test_the_command_ranks_labels_with_a_model(trained, capsys):
    assert fer_main(["data", str(trained.data), "--classes", "happy", "sad", "--model", str(trained.folder)]) == 2
    assert "labels; the most doubtful ones:" in capsys.readouterr().out
