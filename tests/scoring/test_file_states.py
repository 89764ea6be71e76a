"""Tests that a file which was replaced under the same name is read again."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import encode
from PIL import Image

from fer.scoring import job as scoring
from fer.scoring.file_states import FILE_STATE, UNKNOWN, look_up_files
from fer.scoring.filesystems import locate
from scoring.conftest import read_output, to_png


@pytest.fixture
def photo_of_two(photo):
    """A picture of two faces, as the bytes of a file."""
    picture, head = Image.new("RGB", (340, 170)), photo.crop((140, 40, 310, 210))
    picture.paste(head, (0, 0))
    picture.paste(head, (170, 0))
    return encode(picture)


def boxes(output):
    """Return the boxes of the faces in an output by the name of their picture."""
    found = {}
    for row in read_output(output):
        found.setdefault(Path(row["path"]).name, []).append(row["box"])
    return found


def replace(path, content):
    """Replace a file by one of the same size, whose time of modification differs."""
    before = path.stat()
    path.write_bytes(content + bytes(before.st_size - len(content)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 2_000_000))


def test_a_picture_that_was_replaced_is_read_again_and_others_keep_their_rows(score, faces, tmp_path, photo_of_two):
    folder, output = faces(3), tmp_path / "scored"
    replaced = folder / "0" / "0 a#b.png"
    replaced.write_bytes(photo_of_two)
    (folder / "broken.png").write_text("no picture")
    assert score(folder, output)["faces"] == 4
    before = boxes(output)
    replace(replaced, to_png("happy", 0))
    (folder / "broken.png").write_bytes(to_png("happy", 1))
    assert score(folder, output) == {"pictures": 2, "faces": 2, "faceless": 0, "unread": 0, "reason": ""}
    after = boxes(output)
    assert [len(found[replaced.name]) for found in (before, after)] == [2, 1]
    assert after["broken.png"] != [None]
    assert {name: after[name] for name in ("1 a#b.png", "2 a#b.png")} == {
        name: before[name] for name in ("1 a#b.png", "2 a#b.png")
    }
    assert sum(map(len, after.values())) == 4
    assert score(folder, output) is None


def test_rows_of_a_parquet_file_that_was_rewritten_are_read_again(score, tmp_path, photo_of_two):
    table, output = tmp_path / "table", tmp_path / "scored"
    table.mkdir()
    for name in ("a", "b"):
        pq.write_table(pa.table({"image": [to_png("happy", 0), photo_of_two]}), table / f"{name}.parquet")
    assert score(table, output)["pictures"] == 4
    pq.write_table(pa.table({"image": [photo_of_two, to_png("happy", 0)]}), table / "b.parquet")
    plan = scoring.plan_scoring(str(table), str(output))
    assert (len(plan.pictures), plan.answered, plan.again) == (2, 2, 2)
    plan.run.close()
    assert score(table, output)["pictures"] == 2
    assert {name: len(found) for name, found in boxes(output).items()} == {
        "a.parquet#0": 1,
        "a.parquet#1": 2,
        "b.parquet#0": 2,
        "b.parquet#1": 1,
    }
    assert score(table, output) is None


def test_a_listed_file_is_read_again_when_it_changes_but_not_when_it_is_missing(score, faces, tmp_path):
    output, listed = tmp_path / "scored", tmp_path / "list.txt"
    first, second = sorted(faces(2).rglob("*.png"))
    listed.write_text(f"{first}\n{second}\n{first}\n")
    assert score(listed, output)["pictures"] == 2
    content = second.read_bytes()
    second.unlink()
    assert score(listed, output) is None  # Its answer stays.
    second.write_bytes(content)
    os.utime(second, (1, 1))
    assert score(listed, output)["pictures"] == 1
    assert score(listed, output) is None
    assert len(read_output(output)) == 2


def test_answers_without_the_columns_of_the_file_stay(score, faces, tmp_path):
    folder, output = faces(2), tmp_path / "scored"
    score(folder, output)
    (shard,) = output.glob("*.parquet")
    pq.write_table(pq.read_table(shard).drop_columns(FILE_STATE.names), shard)
    (folder / "0" / "0 a#b.png").write_bytes(to_png("sad", 5))
    assert score(folder, output) is None


def test_a_file_that_could_not_be_looked_up_but_was_read_is_read_once_more(score, faces, tmp_path, monkeypatch):
    folder, output = faces(1), tmp_path / "scored"
    with monkeypatch.context() as patch:
        patch.setattr("fer.scoring.file_states._get_info", lambda name: None)
        assert score(folder, output)["pictures"] == 1
        assert score(folder, output) is None
    assert [row["file_size"] for row in read_output(output)] == [UNKNOWN]
    assert score(folder, output)["pictures"] == 1
    assert score(folder, output) is None


def test_what_a_listing_told_of_a_file_is_not_looked_up_again(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "dangling").symlink_to("nowhere")
    filesystem, path = locate(str(tmp_path / "a"))
    names = ["other://bucket/a", str(tmp_path / "a"), str(tmp_path), str(tmp_path / "dangling"), "zero\0byte", "s3:x"]
    states = look_up_files(names, {names[0]: filesystem.get_file_info(path)})
    assert states.schema == FILE_STATE
    assert states["file_size"].to_pylist() == [5, 5, *[UNKNOWN] * 4]
    assert [time is None for time in states["file_modified"].to_pylist()] == [False, False, *[True] * 4]
    assert states["file_modified"][1].as_py().timestamp() == pytest.approx((tmp_path / "a").stat().st_mtime, abs=1e-5)
