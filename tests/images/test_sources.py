import io
import os
import sys
import threading
import zipfile
from types import SimpleNamespace

import pytest
from conftest import encode
from PIL import Image

from fer.errors import UserError
from fer.images import sources
from fer.images.sources import count_pictures, find_pictures

PNG = encode(Image.new("RGB", (8, 6), "gray"))


def find(*paths):
    """Return the pictures below paths, and the notes about other files."""
    notes = []
    return list(find_pictures([str(path) for path in paths], lambda source, note: notes.append(note))), notes


@pytest.fixture
def folder(tmp_path):
    """A folder with pictures at several depths, hidden and other files, a loop of links and a pipe."""
    folder = tmp_path / "photos"
    (folder / "b" / "c").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("z.png", "b/A.JPG", "b/c/without_a_suffix", ".hidden/x.png", ".y.png", "b/photo.jfif"):
        (folder / name).write_bytes(PNG)
    for name, count in ((".mov", 7), (".txt", 5)):
        for number in range(count):
            (folder / "b" / f"{number}{name}").write_text("text")
    (folder / "b" / "loop").symlink_to(folder)
    os.mkfifo(folder / "never_written.png")
    (folder / "b" / "link_to_pipe.png").symlink_to(folder / "never_written.png")
    return folder


def test_folders_are_searched_recursively_and_other_files_are_counted(folder):
    found, notes = find(folder)
    places = [str(picture.place) for picture in found]
    assert places == ["z.png", "b/A.JPG", "b/photo.jfif", "b/c/without_a_suffix"]
    assert [picture.name for picture in found] == [f"{folder}/{place}" for place in places]
    assert {picture.load().size for picture in found} == {(8, 6)}
    assert notes == [f"{folder}: 12 files left out: 7 .mov, 5 .txt."]
    assert count_pictures([str(folder)]) == 4
    # It ended the command, but only where a terminal shows the progress.
    assert count_pictures(["a" * 300, str(folder)]) == 5


def test_linked_folders_are_read_and_links_to_nothing_are_reported(tmp_path):
    for name in ("real", "photos", "photos/below"):
        (tmp_path / name).mkdir()
    (tmp_path / "real" / "a.png").write_bytes(PNG)
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "photos" / "below" / "again").symlink_to(tmp_path / "real")
    (tmp_path / "photos" / "below" / "up").symlink_to(tmp_path)
    (tmp_path / "photos" / "latest").symlink_to(tmp_path / "photos" / "below")
    (tmp_path / "photos" / "broken.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "photos" / "itself.png").symlink_to("itself.png")
    (tmp_path / "photos" / ".store").mkdir()
    (tmp_path / "photos" / ".store" / "b.png").write_bytes(PNG)
    (tmp_path / "photos" / "stored").symlink_to(tmp_path / "photos" / ".store")
    found, notes = find(tmp_path / "photos")
    assert [str(picture.place) for picture in found] == [
        "broken.png", "itself.png", "linked/a.png", "stored/b.png"
    ]  # fmt: skip
    for picture in found[:2]:
        with pytest.raises(UserError, match=f"{picture.place}: no such file"):
            picture.load()
    assert notes == []


def test_folders_that_link_to_each_other_are_read_once(tmp_path):
    for name in "abcdefgh":
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(PNG)
        for other in "abcdefgh":
            (tmp_path / name / f"to-{other}").symlink_to(tmp_path / other)
    assert [str(picture.place) for picture in find(tmp_path)[0]] == [f"{name}/1.png" for name in "abcdefgh"]


def test_linked_folders_that_link_to_each_other_are_read_once(tmp_path):
    """The links lead out of the folder that is read."""
    for name in ("start", *"abc"):
        (tmp_path / name / "below" / ".store").mkdir(parents=True)
        for place in (".", "below", "below/.store"):
            (tmp_path / name / place / "1.png").write_bytes(PNG)
        for other in "abc":
            (tmp_path / name / f"to-{other}").symlink_to(tmp_path / other)
            (tmp_path / name / f"to-below-{other}").symlink_to(tmp_path / other / "below")
            (tmp_path / name / "below" / f"to-stored-{other}").symlink_to(tmp_path / other / "below" / ".store")
    pictures, _ = find(tmp_path / "start")
    places = sorted(os.path.relpath(os.path.realpath(picture.content), tmp_path) for picture in pictures)
    stored = [f"{name}/below/.store/1.png" for name in "abc"]
    assert places == sorted([f"{name}/{place}1.png" for name in ("start", *"abc") for place in ("", "below/")] + stored)
    assert [str(picture.place) for picture in pictures][:3] == ["1.png", "below/1.png", "below/to-stored-a/1.png"]


def test_a_folder_above_that_a_linked_folder_links_to_is_read_without_the_folder_itself(tmp_path):
    for name in ("above/start", "above/other", "linked"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.png").write_bytes(PNG)
    (tmp_path / "above" / "start" / "on").symlink_to(tmp_path / "linked")
    (tmp_path / "linked" / "on").symlink_to(tmp_path / "above")
    places = [str(picture.place) for picture in find(tmp_path / "above" / "start")[0]]
    assert places == ["1.png", "on/1.png", "on/on/other/1.png"]


def test_files_in_hidden_folders_of_a_zip_are_left_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in (".thumbs/a.png", "b/.cache/a.png", "../c.png", "./d.png"):
            archive.writestr(name, PNG)
    assert [str(picture.place) for picture in find(tmp_path / "a.zip")[0]] == ["../c.png", "d.png"]


def test_a_zip_of_any_name_is_read_without_following_its_paths(tmp_path):
    path = tmp_path / "photos"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../a.png", PNG)
        archive.writestr("b/readme.txt", "text")
        archive.writestr("b/broken.jpg", "text")
    found, notes = find(path)
    assert [picture.name for picture in found] == [f"{path}/../../a.png", f"{path}/b/broken.jpg"]
    assert found[0].load().size == (8, 6)
    with pytest.raises(UserError, match=r"b/broken\.jpg: not a picture"):
        found[1].load()
    assert notes == [f"{path}: 1 file left out: 1 .txt."]
    assert count_pictures([str(path)]) == 2
    cut = tmp_path / "cut.zip"
    cut.write_bytes(path.read_bytes()[:100])
    (broken,) = find(cut)[0]
    with pytest.raises(UserError, match=r"cut\.zip: not a zip that can be read"):
        broken.load()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"PK not really", "not a zip that can be read"), (b"", "the file is empty"), (None, "no such file")],
)
def test_a_broken_file_named_zip_is_reported(tmp_path, content, message):
    path = tmp_path / "photos.ZIP"
    if content is not None:
        path.write_bytes(content)
    (found,), _ = find(path)
    with pytest.raises(UserError, match=rf"photos\.ZIP: {message}"):
        found.load()


def test_a_picture_named_zip_is_a_picture(tmp_path):
    (tmp_path / "photo.zip").write_bytes(PNG)
    (found,), _ = find(tmp_path / "photo.zip")
    assert found.load().size == (8, 6)


def test_pictures_name_the_folder_or_zip_that_contains_them(folder, tmp_path, monkeypatch):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("b/c.png", PNG)
    (tmp_path / "first").write_bytes(packed.getvalue())
    monkeypatch.setattr(sources, "fetch_file", lambda url, most: packed.getvalue())
    given = [folder, tmp_path / "first", "https://example.org/a/second.zip?size=large", folder / "z.png"]
    containers = [picture.container for path in given for picture in find(path)[0][:1]]
    assert containers == ["photos", "first", "second.zip", ""]


def test_a_folder_without_pictures_has_a_note(tmp_path):
    assert find(tmp_path) == ([], [f"{tmp_path}: no pictures in this folder."])


def test_a_missing_file_is_reported_when_it_is_loaded(tmp_path):
    (found,), _ = find(tmp_path / "gone.jpg")
    with pytest.raises(UserError, match=r"gone\.jpg: no such file\.$"):
        found.load()


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_is_a_picture_or_a_zip(tmp_path, monkeypatch, packed):
    content = io.BytesIO(PNG)
    if packed:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("a.png", PNG)
        content.seek(0)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=content))
    (found,), _ = find("-")
    assert found.name == ("-/a.png" if packed else "-")
    assert found.load().size == (8, 6)


def test_a_pipe_is_read_up_to_a_limit(tmp_path, monkeypatch):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def feed(content):
        threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True).start()

    feed(PNG)
    (found,), _ = find(pipe)
    assert found.load().size == (8, 6)
    feed(b"")
    with pytest.raises(UserError, match="the file is empty"):
        find(pipe)[0][0].load()
    monkeypatch.setattr(sources, "MAX_PIPED_BYTES", 3_000_000)
    (found,), _ = find("/dev/zero")
    with pytest.raises(UserError, match=r"^/dev/zero: at most 0\.003 GB are read from a pipe\.$"):
        found.load()


def test_an_address_is_fetched(monkeypatch):
    asked = []
    monkeypatch.setattr(sources, "fetch_file", lambda url, most: asked.append((url, most)) or PNG)
    (found,), _ = find("https://example.org/a%20photo.png?size=large")
    assert asked == [("https://example.org/a%20photo.png?size=large", 150 * 1024**2)]
    assert (found.name, str(found.place)) == ("https://example.org/a%20photo.png?size=large", "a%20photo.png")
    assert found.load().size == (8, 6)


def test_an_address_that_cannot_be_fetched_is_reported_when_it_is_loaded():
    (found,), _ = find("http://127.0.0.1/a.png")
    with pytest.raises(UserError, match=r"^http://127\.0\.0\.1/a\.png: could not be fetched\."):
        found.load()


def test_no_temporary_files_are_left(tmp_path, monkeypatch):
    monkeypatch.setattr(sources.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sources, "fetch_file", lambda url, most: PNG)
    assert len(find("http://a/b", "http://a/c")[0]) == 2
    assert not list(tmp_path.iterdir())
