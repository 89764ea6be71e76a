import io
import zipfile

import pytest
from PIL import Image

from fer.app.server import batch
from fer.errors import UserError
from fer.images.loading import load_image


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


def messages(listing):
    """Return the error messages of the pictures of a listing that cannot be opened."""
    found = []
    for picture in listing.pictures:
        try:
            batch.open_picture(picture, load_image)
        except UserError as error:
            found.append(str(error))
    return found


def test_only_pictures_of_a_zip_are_listed_and_nothing_is_unpacked_to_disk(tmp_path, png):
    names = ("a.png", "../../b.PNG", "__MACOSX/a.png", "deep/.c.png")
    path = write_zip(tmp_path / "many.zip", {**dict.fromkeys(names, png), "notes.txt": b"text", "run.exe": b"MZ"})
    listing = batch.list_pictures([path])
    assert [picture.name for picture in listing.pictures] == ["many.zip/a.png", "many.zip/../../b.PNG"]
    assert {batch.open_picture(picture, load_image).size for picture in listing.pictures} == {(20, 10)}
    assert list(tmp_path.iterdir()) == [path]


def test_pictures_are_read_even_if_their_files_are_deleted_meanwhile(tmp_path, png):
    """Uploads are deleted within ten minutes; a long batch takes longer."""
    alone, packed = tmp_path / "alone.png", write_zip(tmp_path / "packed.zip", {"a.png": png, "b.png": png})
    alone.write_bytes(png)
    listing = batch.list_pictures([alone, packed])
    for path in (alone, packed):
        path.unlink()
    for _ in range(2):
        sizes = [batch.open_picture(picture, load_image).size for picture in listing.pictures]
        assert sizes == [(20, 10)] * 3


def test_files_are_closed_after_the_batch(tmp_path, png, monkeypatch):
    closed, close = [], batch.os.close
    monkeypatch.setattr(batch.os, "close", lambda number: closed.append(number) or close(number))
    listing = batch.list_pictures([write_zip(tmp_path / "packed.zip", {"a.png": png}), tmp_path / "missing.png"])
    assert messages(listing) == ["missing.png: no such file."]
    del listing
    assert len(closed) == 1


def test_pictures_are_recognized_by_content_and_other_files_are_counted(tmp_path, png):
    files = {
        "IMG_1.HEIC": b"broken",
        "saved.jfif": png,
        "p.mpo": png,
        "suffixless": png,
        "odd.dat": png,
        "BIG.JPG": png,
    }
    others = {"clip.mov": b"\0\0\0 ftypqt  ", "a.MOV": b"x", "notes.txt": b"BM is no picture", "LICENSE": b"text"}
    path = write_zip(tmp_path / "phone.zip", {**files, **others})
    listing = batch.list_pictures([path])
    assert [picture.name for picture in listing.pictures] == [f"phone.zip/{name}" for name in files]
    assert [message[:21] for message in messages(listing)] == ["phone.zip/IMG_1.HEIC:"]
    assert listing.left_out == {".mov": 2, ".txt": 1, "": 1}
    (note,) = listing.notes
    assert note[1] == "phone.zip: 4 files left out: 2 .mov, 1 .txt, 1 without a suffix."


def test_a_zip_without_pictures_has_a_note(tmp_path):
    paths = [write_zip(tmp_path / "a.zip", {"notes.txt": b"text"}), write_zip(tmp_path / "b.zip", {})]
    listing = batch.list_pictures(paths)
    assert not listing.pictures
    assert [message for _, message in listing.notes] == [
        "a.zip: no pictures in this zip; 1 file left out: 1 .txt.",
        "b.zip: no pictures in this zip.",
    ]


def test_a_zip_is_recognized_by_its_content(tmp_path, png):
    path = write_zip(tmp_path / "album", {"a.png": png})
    (picture,) = batch.list_pictures([path]).pictures
    assert batch.open_picture(picture, load_image).size == (20, 10)


def test_a_picture_named_zip_is_a_picture(tmp_path, png):
    (tmp_path / "a.zip").write_bytes(png)
    (picture,) = batch.list_pictures([tmp_path / "a.zip"]).pictures
    assert batch.open_picture(picture, load_image).size == (20, 10)


def test_two_files_with_the_same_name_are_two_pictures(tmp_path, png):
    path = write_zip(tmp_path / "twice.zip", {"a.png": png, "b.png": b"another"})
    path.write_bytes(path.read_bytes().replace(b"b.png", b"a.png"))
    listing = batch.list_pictures([tmp_path / "twice.zip"])
    assert len(listing.pictures) == 2
    assert len(messages(listing)) == 1


def test_names_that_are_empty_or_have_a_line_break_are_handled(tmp_path, png):
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("", png), ("two\nlines.png", b"broken")):
            info = zipfile.ZipInfo("a.png")
            info.filename = name
            with archive.open(info, "w") as file:
                file.write(content)
    listing = batch.list_pictures([path])
    assert len(listing.pictures) == 2
    (message,) = messages(listing)
    assert message.startswith("odd.zip/two lines.png: not a picture")


def test_a_zip_bomb_is_read_only_up_to_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "MAX_PHOTO_BYTES", 1_000_000)
    listing = batch.list_pictures([write_zip(tmp_path / "bomb.zip", {"a.png": bytes(50_000_000)})])
    assert messages(listing) == ["bomb.zip/a.png: pictures in a zip may have at most 1 MB."]


@pytest.mark.parametrize(("method", "received"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "LZMA"), (99, "99")])
def test_unsupported_compression_is_an_error_of_that_file(tmp_path, png, method, received):
    path = tmp_path / "small.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", bytes(10_000_000), method if method < 99 else zipfile.ZIP_DEFLATED)
        archive.writestr("b.png", png)
    if method == 99:
        patch(path, 10, (99).to_bytes(2, "little"))
    listing = batch.list_pictures([path])
    rule = "files in a zip must be stored or deflated"
    assert messages(listing) == [f"small.zip/a.png: {rule}. Received: {received}."]
    assert len(listing.pictures) == 2


def test_encryption_is_an_error_of_that_file(tmp_path, png):
    path = write_zip(tmp_path / "secret.zip", {"a.png": png, "b.png": png})
    patch(path, 8, b"\1\0")
    assert messages(batch.list_pictures([path])) == ["secret.zip/a.png: encrypted; send it without a password."]


@pytest.mark.parametrize(
    ("offset", "value"),
    [(6, b"\xff\0"), (8, b"\0\x08"), (42, b"\xff\xff\xff\x7f"), (20, b"\xff\xff\xff\x7f"), (0, b"PKxx")],
    ids=["unknown version", "name is not UTF-8", "offset beyond the end", "size beyond the end", "no signature"],
)
def test_a_damaged_zip_is_an_error_and_other_files_are_read(tmp_path, png, offset, value):
    (tmp_path / "alone.png").write_bytes(png)
    path = write_zip(tmp_path / "odd.zip", {"\xe4.png".encode("cp437").decode("latin-1"): png})
    patch(path, offset, value, name=b"\xff.png")
    listing = batch.list_pictures([path, tmp_path / "alone.png"])
    (message,) = messages(listing)
    assert message.startswith("odd.zip")
    assert "\n" not in message
    assert len(listing.pictures) == 2


def patch(path, offset, value, name=None):
    """Overwrite bytes of the first entry of a zip's directory, and with `name` the name in it."""
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x01\x02")
    content[start + offset : start + offset + len(value)] = value
    if name:
        length = int.from_bytes(content[start + 28 : start + 30], "little")
        content[start + 46 : start + 46 + length] = name.rjust(length, b"\xff")
    path.write_bytes(content)


def test_a_zip_with_too_many_files_is_an_error(tmp_path):
    path = write_zip(tmp_path / "many.zip", {f"{number}.txt": b"" for number in range(2_001)})
    assert messages(batch.list_pictures([path])) == ["many.zip: a zip may have at most 2000 files. Received: 2001"]


def test_a_directory_that_is_too_long_is_not_parsed(tmp_path, monkeypatch):
    entry = b"PK\x01\x02" + bytes(24) + (10).to_bytes(2, "little") + bytes(16) + b"0123456789"
    ending = b"PK\x05\x06" + bytes(8) + (200_000 * len(entry)).to_bytes(4, "little") + bytes(6)
    path = tmp_path / "long.zip"
    path.write_bytes(entry * 200_000 + ending)
    monkeypatch.setattr(zipfile, "ZipInfo", None)  # Parsing an entry would fail.
    assert messages(batch.list_pictures([path])) == ["long.zip: a zip's list of files may have at most 1 MB."]


def test_a_zip_with_too_many_bytes_is_an_error_and_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "MAX_UNPACKED", 5_000_000)
    path = write_zip(tmp_path / "large.zip", {f"{number}.png": bytes(1_000_000) for number in range(6)})
    assert messages(batch.list_pictures([path])) == ["large.zip: a zip may have at most 5 MB of pictures, unpacked."]


def test_a_wrong_size_in_the_directory_is_an_error_of_that_file(tmp_path, png):
    path = write_zip(tmp_path / "liar.zip", {"a.png": png + bytes(100_000)})
    patch(path, 24, (10).to_bytes(4, "little"))
    (message,) = messages(batch.list_pictures([path]))
    assert message.startswith("liar.zip/a.png: damaged")


def test_a_picture_outside_of_a_zip_has_the_same_limit(tmp_path, monkeypatch, png):
    monkeypatch.setattr(batch, "MAX_PHOTO_BYTES", len(png) - 1)
    (tmp_path / "a.png").write_bytes(png)
    (message,) = messages(batch.list_pictures([tmp_path / "a.png"]))
    assert message.startswith("a.png: pictures may have at most")


def test_a_file_that_only_begins_like_a_zip_is_an_error(tmp_path):
    path = tmp_path / "broken.zip"
    path.write_bytes(b"PK not really")
    (message,) = messages(batch.list_pictures([path]))
    assert message.startswith("broken.zip: not a zip that can be read")


def test_too_many_pictures_are_refused(tmp_path):
    with pytest.raises(UserError, match="at most 200 pictures. Received: 201"):
        batch.list_pictures([tmp_path / "a.png"] * 201)


def test_a_long_path_in_a_zip_is_cut_to_its_end(tmp_path, png):
    normal = f"{'b' * (batch.MAX_NAME - 4)}.png"
    path = write_zip(tmp_path / "long.zip", {f"{'a/' * 14_000}last.png": png, normal: png})
    long, short = batch.list_pictures([path]).pictures
    assert short.name == f"long.zip/{normal}"
    assert long.name.startswith("long.zip/…")
    assert long.name.endswith("/a/last.png")
    assert len(long.name) == len("long.zip/") + batch.MAX_NAME
    assert batch.open_picture(long, load_image).size == (20, 10)


def test_an_error_about_a_member_does_not_repeat_its_long_path(tmp_path, png):
    name = f"{'a' * 10_000}.png"
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, png)
    content = path.read_bytes()
    path.write_bytes(content.replace(name.encode(), name.replace("a", "b").encode(), 1))  # Only the file's own header.
    (message,) = messages(batch.list_pictures([path]))
    assert message.startswith("damaged.zip/…aaa")
    assert "damaged, or packed in an unknown way (File name in directory 'aaa" in message
    assert len(message) < 3 * batch.MAX_NAME


def test_more_files_than_a_batch_may_have_are_refused_before_one_is_opened(tmp_path):
    with pytest.raises(UserError, match=r"^A batch may have at most 200 pictures\. Received: 201$"):
        batch.list_pictures([tmp_path / "missing.png"] * 201)
