import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fer.errors import UserError
from fer.scoring import job as scoring
from fer.scoring.filesystems import UnopenedError
from fer.scoring.sources import read_rows
from scoring.conftest import check_refusal, to_png


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table.csv", "path\n{there}\n", "without a header. Received: table.csv, which begins with path"),
        ("table.csv", "file,label\n{there},happy\n", "Received: table.csv, which begins with file,label"),
        ("list.txt", "{there},happy\n", "Received: list.txt, which names no file that exists, such as /"),
        ("list.txt", "emotion,pixels\n" + "0," + "1 " * 3000, "which names no file that exists, such as /"),
        ("list.txt", "none/a.png\nhttp://x/y.png\n", "with one path per line. Received: list.txt, which names no file"),
    ],
)
def test_a_text_that_lists_no_pictures_is_refused(faces, tmp_path, monkeypatch, capsys, name, content, message):
    (there,) = faces(1).rglob("*.png")
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(content.format(there=there))
    check_refusal(["score", name, "scored"], message, capsys)
    assert not Path("scored").exists()
    Path(name).write_text(f"{there}\n")
    plan = scoring.plan_scoring(name, "scored")
    assert plan.pictures["path"].to_pylist() == [str(there)]
    plan.run.close()


def test_rows_of_parquet_are_pictures(tmp_path):
    for number, column in enumerate(("image", "bytes")):
        pictures = [to_png("happy", 1), None]
        values = [{"bytes": picture, "path": None} for picture in pictures] if column == "image" else pictures
        pq.write_table(pa.table({"id": [1, 2], column: values}), tmp_path / f"{number}.parquet")
    plan = scoring.plan_scoring(str(tmp_path), str(tmp_path.parent / f"{tmp_path.name}-scored"))
    assert plan.parquet
    names = [f"{tmp_path}/{number}.parquet#{row}" for number in (0, 1) for row in (0, 1)]
    assert plan.pictures["path"].to_pylist() == names


def test_rows_that_a_replaced_parquet_file_lacks_are_unopened(tmp_path):
    """They were counted as answered, and had no row in the output."""
    file, picture = tmp_path / "a.parquet", to_png("happy", 1)
    pq.write_table(pa.table({"image": [picture]}), file)
    answers = dict(read_rows([f"{file}#{row}" for row in range(3)]))
    assert answers.pop(f"{file}#0") == picture
    assert all(isinstance(error, UnopenedError) for error in answers.values())
    assert {str(error) for error in answers.values()} == {f"{file}#{row}: no such row." for row in (1, 2)}


def test_a_file_name_that_is_not_utf8_is_left_out_and_counted(tmp_path, faces):
    folder = Path(faces(1).parent, "faces")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(to_png("happy", 1))
    plan = scoring.plan_scoring(str(folder), str(folder / "scored"))
    assert plan.pictures["path"].to_pylist() == [str(folder / "0" / "0 a#b.png")]
    assert plan.left_out == f"{folder}: 1 file left out: 1 whose name is no UTF-8."
    again = scoring.plan_scoring(str(folder), str(folder / "scored"))  # The output of the first run is not scored.
    assert (len(again.pictures), again.claimed) == (0, 1)
    for each in (plan, again):
        each.run.close()


def test_pictures_are_recognized_by_content_and_other_files_are_counted(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    for name in ("saved.jfif", "suffixless", "odd.data", ".hidden"):
        (folder / name).write_bytes(to_png("happy", 0))
    for name in ("clip.mov", "a.txt", "b.txt"):
        (folder / name).write_bytes(b"no picture")
    plan = scoring.plan_scoring(str(folder), str(tmp_path / "scored"))
    names = sorted(Path(name).name for name in plan.pictures["path"].to_pylist())
    assert names == ["odd.data", "saved.jfif", "suffixless"]
    assert plan.left_out == f"{folder}: 3 files left out: 2 .txt, 1 .mov."


def test_linked_folders_are_scored_once_and_hidden_ones_not(tmp_path):
    folder, real = tmp_path / "faces", tmp_path / "real"
    for path in (folder / ".thumbs" / "a.png", folder / "own.png", real / "b.png"):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(to_png("happy", 0))
    (folder / "linked").symlink_to(real)
    (folder / "loop").symlink_to(folder)
    plan = scoring.plan_scoring(str(folder), str(tmp_path / "scored"))
    assert plan.pictures["path"].to_pylist() == [str(folder / "linked" / "b.png"), str(folder / "own.png")]


def test_a_folder_without_pictures_is_refused_with_what_it_has(tmp_path):
    (tmp_path / "clip.mov").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"holds no pictures; 1 file left out: 1 \.mov\.$"):
        scoring.plan_scoring(str(tmp_path), str(tmp_path / "scored"))


def test_other_files_beside_parquet_are_counted(tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    pq.write_table(pa.table({"image": [to_png("happy", 0)]}), folder / "a.parquet")
    (folder / "README.md").write_text("about")
    plan = scoring.plan_scoring(str(folder), str(tmp_path / "scored"))
    assert len(plan.pictures) == 1
    assert plan.left_out == f"{folder}: 1 file left out: 1 .md."
