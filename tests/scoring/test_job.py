import hashlib
import io
import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fer.models.config import CONFIG, EXPORTS, WEIGHTS, ExportRecord, ModelConfig, ModelFolderError
from fer.models.exports import save_exports
from fer.models.model_folder import BUNDLED, save_model
from fer.recognition.records import NO_FACE
from fer.scoring import job as scoring
from fer.scoring.storage import DESCRIPTION
from scoring.conftest import check_refusal, read_output, to_png


def test_pictures_that_could_not_be_opened_are_read_again_and_have_one_row(score, faces, tmp_path):
    """A picture that was not there yet, or whose disk was not mounted, counted as answered for ever."""
    output, listed = tmp_path / "scored", tmp_path / "list.txt"
    there, late, later = (tmp_path / "faces" / "0" / "0 a#b.png", tmp_path / "late.png", tmp_path / "3\u202fPM.png")
    faces(1)
    (tmp_path / "broken: cannot be read: no.png").write_text("no picture")
    os.mkfifo(tmp_path / "pipe.png")  # A reader would wait until somebody writes.
    names = [there, late, tmp_path / "broken: cannot be read: no.png", tmp_path / "faces", tmp_path / "pipe.png", later]
    listed.write_text("\n".join(map(str, names)))
    assert score(listed, output)["unread"] == 5
    late.write_bytes(there.read_bytes())
    again = score(listed, output)
    assert (again["pictures"], again["unread"], again["faces"]) == (4, 3, 1)
    listed.write_text(f"{there}\n{late}\n{later}")
    later.write_bytes(there.read_bytes())
    assert score(listed, output)["pictures"] == 1
    assert score(listed, output) is None
    rows = read_output(output)
    assert len(rows) == len({row["path"] for row in rows}) == 6
    errors = {Path(row["path"]).name: row["error"] for row in rows}
    assert errors["pipe.png"] == f"{tmp_path / 'pipe.png'}: a folder, pipe or device, not a picture."
    assert {Path(row["path"]).name for row in rows if row["error"] is None} == {there.name, late.name, later.name}
    assert {Path(row["path"]).name: row["unopened"] for row in rows} == {
        there.name: False,
        late.name: False,
        later.name: False,
        "broken: cannot be read: no.png": False,
        "faces": True,
        "pipe.png": True,
    }


def test_an_output_without_the_column_unopened_has_its_unread_pictures_read_once_more(score, faces, tmp_path):
    folder, output, listed = faces(1), tmp_path / "scored", tmp_path / "list.txt"
    (there,) = folder.rglob("*.png")
    (tmp_path / "broken.png").write_text("no picture")
    Image.new("RGB", (64, 48), "white").save(tmp_path / "wall.png")
    listed.write_text(f"{there}\n{tmp_path / 'broken.png'}\n{tmp_path / 'late.png'}\n{tmp_path / 'wall.png'}")
    assert score(listed, output)["unread"] == 2
    (shard,) = output.glob("*.parquet")
    pq.write_table(pq.read_table(shard).drop_columns(["unopened"]), shard)
    (tmp_path / "late.png").write_bytes(there.read_bytes())
    again = score(listed, output)
    assert (again["pictures"], again["unread"], again["faces"]) == (2, 1, 1)
    assert score(listed, output) is None
    rows = [row for shard in output.glob("*.parquet") for row in pq.read_table(shard).to_pylist()]
    assert sorted((Path(row["path"]).name, row.get("unopened")) for row in rows) == [
        (there.name, None),
        ("broken.png", False),
        ("late.png", False),
        ("wall.png", None),
    ]


def test_pictures_that_cannot_be_decoded_stay_answered(score, faces, tmp_path):
    folder = faces(2)
    (folder / "broken.png").write_text("no picture")
    assert score(folder, tmp_path / "scored")["unread"] == 1
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "scored").iterdir()}
    assert score(folder, tmp_path / "scored") is None
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "scored").iterdir()} == before


def test_a_run_reads_no_picture_again_that_another_run_is_answering(score, faces, tmp_path):
    folder, listed = faces(1), tmp_path / "list.txt"
    (there,) = folder.rglob("*.png")
    listed.write_text(f"{there}\n{tmp_path / 'nowhere.png'}")
    score(listed, tmp_path / "scored")
    first, second = (scoring.plan_scoring(str(listed), str(tmp_path / "scored")) for _ in range(2))
    assert (len(first.pictures), first.answered) == (1, 1)
    assert (len(second.pictures), second.claimed) == (0, 1)
    for each in (first, second):
        each.run.close()


def test_rows_have_the_note_of_their_picture(score, astronaut, tmp_path):
    folder, output = tmp_path / "pictures", tmp_path / "scored"
    folder.mkdir()
    (folder / "cut.jpg").write_bytes(astronaut.read_bytes()[:-400])
    (folder / "whole.jpg").write_bytes(astronaut.read_bytes())
    wall = io.BytesIO()
    Image.linear_gradient("L").save(wall, "JPEG")
    (folder / "wall.jpg").write_bytes(wall.getvalue()[:-30])
    tally = score(folder, output)
    assert tally == {"pictures": 3, "faces": 2, "faceless": 1, "unread": 0, "reason": ""}
    rows = {Path(row["path"]).name: row for row in read_output(output)}
    assert rows["cut.jpg"]["note"].startswith("The file lacks its last bytes")
    assert (rows["cut.jpg"]["label"], rows["cut.jpg"]["error"]) == ("happy", None)
    assert rows["whole.jpg"]["note"] is None
    assert rows["wall.jpg"]["note"].startswith("The file lacks its last bytes")
    assert (rows["wall.jpg"]["face"], rows["wall.jpg"]["error"]) == (None, NO_FACE)


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        ("nowhere", [], "no such file or folder."),
        ("empty", [], "holds no pictures."),
        ("other.parquet", [], "must have a column image or bytes with pictures as bytes. Received: text"),
        ("face.png", [], "or a text file in UTF-8 with one path per line. Received:"),
        ("faces", ["--model", "empty"], "config.json is missing."),
        ("faces", ["--address", "here"], "must be `auto` or HOST:PORT of a Ray cluster. Received: here"),
        ("faces", ["--address", "127.0.0.1:1"], "127.0.0.1:1: no Ray cluster answers there"),
    ],
)
def test_other_sources_are_refused_in_one_sentence(tmp_path, monkeypatch, capsys, source, more, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "face.png").write_bytes(to_png("happy", 1))
    (tmp_path / "face.png").write_bytes(to_png("happy", 1))
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "other.parquet")
    check_refusal(["score", source, "scored", *more], message, capsys)


def test_a_changed_litert_file_is_refused_before_the_scoring(faces, tmp_path):
    model = shutil.copytree(BUNDLED, tmp_path / "model")
    with (model / EXPORTS["litert"]).open("r+b") as file:
        file.seek(4_000_000)
        file.write(bytes(28))
    with pytest.raises(ModelFolderError, match="model.tflite: sha256 .* expected by config.json"):
        scoring.plan_scoring(str(faces(1)), str(tmp_path / "scored"), model)
    assert not (tmp_path / "scored").exists()


@pytest.mark.usefixtures("conversion_here", "conversion_of_another")
def test_a_new_export_does_not_make_another_model(faces, tmp_path):
    model, output = tmp_path / "model", tmp_path / "scored"
    model.mkdir()
    config = ModelConfig("se_resnet", ("happy", "sad"), 16, {"stem": 8, "widths": [8], "depth": 1})
    save_model(model, config.build(), config)
    before = hashlib.sha256((model / CONFIG).read_bytes() + (model / WEIGHTS).read_bytes()).hexdigest()
    scoring.plan_scoring(str(faces(1)), str(output), model)
    assert json.loads((output / DESCRIPTION).read_text())["sha256"] == before
    save_exports(model, {"litert": ExportRecord(1, "0", "weights 0, temperature 1")})
    scoring.plan_scoring(str(faces(1)), str(output), model)
