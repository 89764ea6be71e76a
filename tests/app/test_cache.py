"""Tests of what the app's cache folder contains, and when it is deleted."""

import logging
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import wait_for

from fer.app.server import cache
from fer.app.server.cache import LOCK, make_cache, make_scratch, open_upload, remove_dead, sweep, sweep_leftovers
from fer.app.server.limits import KEEP_SECONDS, SWEEP_SECONDS
from fer.errors import UserError


@pytest.fixture
def make(monkeypatch, tmp_path):
    """Function that makes a cache folder as an app does, in the test's folder; it returns a `TemporaryDirectory`."""

    def make():
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
        folder = make_cache()
        assert os.environ["GRADIO_TEMP_DIR"] == folder.name
        return folder

    return make


def abandon(folder):
    """Leave a cache folder as a killed app does, with a photo in it and without a lock, and return its path."""
    path = Path(folder.name)
    folder.lock.close()
    (path / "upload").mkdir()
    (path / "upload" / "photo.jpg").write_bytes(b"a face")
    return path


def test_folders_of_killed_apps_are_deleted_and_those_of_running_apps_are_not(make, caplog):
    dead, alive, own = abandon(make()), make(), make()
    Path(alive.name, "photo.jpg").write_bytes(b"a face")
    remove_dead(own)
    assert not dead.exists()
    assert Path(alive.name, "photo.jpg").exists()
    assert Path(own.name).exists()
    assert not caplog.records


def test_where_there_are_no_locks_no_folder_of_another_app_is_deleted(make, monkeypatch):
    def refuse(file, operation):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fer.file_lock.fcntl.flock", refuse)
    other, own = make(), make()
    remove_dead(own)
    assert Path(other.name).exists()


def test_an_app_deletes_folders_of_killed_apps_when_it_starts(make):
    dead, own = abandon(make()), make()
    sweep_leftovers(own, every=3600, age=3600)
    wait_for(lambda: not dead.exists())


def test_the_sweeper_keeps_files_of_the_page_and_deletes_uploads(make):
    folder = make()
    example, upload = (Path(folder.name, name) for name in ("example.jpg", "upload.jpg"))
    example.write_bytes(b"a face")
    sweep_leftovers(folder, every=0.01, age=-3600)  # As if an hour had passed.
    upload.write_bytes(b"a face")
    wait_for(lambda: not upload.exists())
    assert example.exists()


def test_uploads_are_deleted_within_ten_minutes():
    assert KEEP_SECONDS + SWEEP_SECONDS <= 600


def test_files_and_folders_of_others_are_kept(make, tmp_path):
    photos, elsewhere = tmp_path / "fer-photos", tmp_path / "elsewhere"
    for folder in (photos, elsewhere):
        folder.mkdir()
        (folder / "photo.jpg").write_bytes(b"a face")
    (elsewhere / LOCK).touch()
    (tmp_path / "fer-link").symlink_to(elsewhere)
    (tmp_path / "fer-notes.txt").write_text("notes")
    remove_dead(make())
    assert (photos / "photo.jpg").exists()
    assert (elsewhere / "photo.jpg").exists()
    assert (tmp_path / "fer-notes.txt").exists()


def test_a_sweep_deletes_old_files_and_their_empty_folders(make):
    folder = make()
    path = Path(folder.name)
    example, upload = path / "example" / "a.jpg", path / "upload" / "b.jpg"
    for file in (example, upload):
        file.parent.mkdir()
        file.write_bytes(b"a face")
    (path / "broken" / "off").mkdir(parents=True)
    kept = {*example.parents, example, path / LOCK}
    sweep(folder, kept, before=time.time() - 60)
    assert upload.exists()
    assert (path / "broken" / "off").exists()
    sweep(folder, kept, before=time.time() + 60)
    assert sorted(path.rglob("*")) == sorted({path / LOCK, example.parent, example})


def test_a_scratch_folder_lies_beside_the_cache_and_is_deleted_after_a_crash(make):
    first = make()
    with make_scratch() as scratch:
        assert Path(scratch).parent == Path(first.name).parent
        remove_dead(first)
        assert Path(scratch).exists()  # Its process is alive.
    assert not Path(scratch).exists()
    left = make_scratch()
    left.lock.close()  # As if its process had been killed.
    remove_dead(first)
    assert not Path(left.name).exists()


def test_the_parts_of_an_upload_are_kept_until_it_has_ended(make):
    folder = make()
    other, part = Path(folder.name, "other", "a.jpg"), Path(folder.name, "tmp1")
    other.parent.mkdir()
    with open_upload():
        for path in (other, part):
            path.write_bytes(b"a face")
        sweep(folder, {Path(folder.name, LOCK)}, before=time.time() + 60)
        assert (other.exists(), part.exists()) == (False, True)
    sweep(folder, {Path(folder.name, LOCK)}, before=time.time() + 60)
    assert not part.exists()


def test_a_part_is_kept_although_its_time_lies_before_that_of_the_clock(make, monkeypatch):
    """Linux before 6.13 gives a file the time of its last tick: such a part was taken for that of an earlier upload."""
    folder = make()
    part = Path(folder.name, "tmp1")
    monkeypatch.setattr(cache, "time", SimpleNamespace(time=lambda: time.time() + 0.1, sleep=time.sleep))
    with open_upload():
        part.write_bytes(b"a face")
        sweep(folder, {Path(folder.name, LOCK)}, before=time.time() + 60)
        assert part.exists()


def test_an_upload_that_never_ends_does_not_keep_what_others_left(make, monkeypatch):
    folder = make()
    part = Path(folder.name, "tmp1")
    with open_upload():
        part.write_bytes(b"a face")
        sweep(folder, {Path(folder.name, LOCK)}, before=time.time() + 60)
        assert part.exists()
        monkeypatch.setattr(cache, "UPLOAD_SECONDS", -60)  # As if the time of the upload were over.
        sweep(folder, {Path(folder.name, LOCK)}, before=time.time() + 60)
        assert not part.exists()


def test_a_file_that_cannot_be_deleted_is_logged_and_the_sweep_goes_on(make, monkeypatch, caplog):
    folder, unlink = make(), Path.unlink
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        Path(folder.name, name).write_bytes(b"a face")

    def fail(path):
        if path.name == "b.jpg":
            raise PermissionError(1, "Operation not permitted", str(path))
        unlink(path)

    monkeypatch.setattr(Path, "unlink", fail)
    with caplog.at_level(logging.WARNING):
        sweep(folder, {Path(folder.name, LOCK)}, before=time.time() + 60)
    assert [path.name for path in Path(folder.name).glob("*.jpg")] == ["b.jpg"]
    assert ["b.jpg" in record.message for record in caplog.records] == [True]


def test_an_unexpected_error_is_logged_and_the_sweeper_goes_on(make, monkeypatch, caplog):
    own, swept = make(), []

    def fail(folder, *_):
        swept.append(folder)
        raise ValueError("a surprise")

    monkeypatch.setattr(cache, "sweep", fail)
    sweep_leftovers(own, every=0.01, age=0)
    # The sweepers of the tests before run on, and call this function too.
    wait_for(lambda: swept.count(own) > 2)
    assert {record.message for record in caplog.records} == {"The cache could not be swept: ValueError: a surprise"}


@pytest.mark.parametrize("inside", ["file.txt", "file.txt/folder"])
def test_a_folder_that_cannot_be_made_is_refused_in_one_sentence(monkeypatch, tmp_path, inside):
    (tmp_path / "file.txt").write_text("a file")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / inside))
    with pytest.raises(UserError) as error:
        make_cache()
    assert str(error.value).startswith(
        f"`GRADIO_TEMP_DIR` must be a folder that can be made and written to. Received: {tmp_path / inside} ("
    )
