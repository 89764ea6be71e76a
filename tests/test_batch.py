import csv
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from fer import batch
from fer.errors import UserError
from fer.recognizer import Face


def write_zip(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def png():
    file = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(file, "PNG")
    return file.getvalue()


def test_a_zip_gives_its_pictures_alone_and_writes_nothing(tmp_path, png):
    names = ("a.png", "../../b.PNG", "notes.txt", "run.exe", "__MACOSX/a.png", "deep/.c.png")
    path = write_zip(tmp_path / "many.zip", dict.fromkeys(names, png))
    pictures = batch.list_pictures([path])
    assert [picture.name for picture in pictures] == ["many.zip/a.png", "many.zip/../../b.PNG"]
    assert {batch.open_picture(picture).size for picture in pictures} == {(20, 10)}
    assert list(tmp_path.iterdir()) == [path]


def test_a_bomb_is_read_no_further_than_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "MAX_BYTES", 1_000_000)
    (picture,) = batch.list_pictures([write_zip(tmp_path / "bomb.zip", {"a.png": bytes(50_000_000)})])
    with pytest.raises(UserError, match="at most 1 MB"):
        batch.open_picture(picture)


def test_a_zip_of_too_many_files_is_refused_before_any_is_unpacked(tmp_path):
    path = write_zip(tmp_path / "many.zip", {f"{number}.txt": b"" for number in range(2_001)})
    with pytest.raises(UserError, match=r"^many\.zip: a zip may have at most 2000 files. Received: 2001"):
        batch.list_pictures([path])


def test_a_zip_of_too_large_pictures_is_refused_before_any_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "MAX_UNPACKED", 5_000_000)
    path = write_zip(tmp_path / "large.zip", {f"{number}.png": bytes(1_000_000) for number in range(6)})
    with pytest.raises(UserError, match=r"^large\.zip: a zip may have at most 5 MB of pictures, unpacked"):
        batch.list_pictures([path])


def test_a_zip_that_lies_about_a_size_is_a_picture_that_cannot_be_opened(tmp_path, png):
    path = write_zip(tmp_path / "liar.zip", {"a.png": png + bytes(100_000)})
    content = bytearray(path.read_bytes())
    size = content.index(b"PK\x01\x02") + 24  # In the central directory, where an entry begins with those letters.
    content[size : size + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    (picture,) = batch.list_pictures([path])
    with pytest.raises(UserError, match=r"^liar\.zip/a\.png: damaged"):
        batch.open_picture(picture)


def test_a_picture_that_comes_alone_has_the_same_limit(tmp_path, monkeypatch, png):
    monkeypatch.setattr(batch, "MAX_BYTES", len(png) - 1)
    (tmp_path / "a.png").write_bytes(png)
    with pytest.raises(UserError, match=r"^a\.png: pictures may have at most"):
        batch.open_picture(*batch.list_pictures([tmp_path / "a.png"]))


def test_a_broken_zip_is_a_picture_that_cannot_be_opened(tmp_path):
    path = tmp_path / "broken.zip"
    path.write_bytes(b"PK not really")
    (picture,) = batch.list_pictures([path])
    with pytest.raises(UserError, match=r"^broken\.zip: damaged"):
        batch.open_picture(picture)


def test_too_many_pictures_are_refused(tmp_path):
    with pytest.raises(UserError, match="at most 200 pictures. Received: 201"):
        batch.list_pictures([tmp_path / "a.png"] * 201)


def test_rows_and_csv():
    face = Face((0, 0, 9, 9), "sad", {"happy": 0.25, "sad": 0.75}, 0.9, True, np.zeros((48, 48), np.uint8))
    rows = batch.to_rows("=a.png", [face, face]) + batch.to_rows("b.png", [], "b.png: broken.")
    assert [row["face"] for row in rows] == [1, 2, None]
    table = list(csv.DictReader(io.StringIO(batch.to_csv(rows, ("happy", "sad")))))
    assert table[0]["file"] == "'=a.png"
    assert (table[1]["happy"], table[1]["sad"], table[1]["confident"]) == ("0.25", "0.75", "True")
    assert (table[2]["label"], table[2]["message"]) == ("", "b.png: broken.")
