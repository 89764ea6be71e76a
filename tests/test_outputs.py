"""Output paths are checked before the work begins, and files are written completely or not at all."""

import io
import json
import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import write_clip
from PIL import Image

from fer import outputs
from fer.cli import video
from fer.cli.commands import main
from fer.errors import UserError
from fer.evaluation.plots import save_confusion_matrix
from fer.images import clip_writing
from fer.images.clip_writing import write_video
from fer.outputs import OutputError, check_folder, check_outputs, write_text, written_whole
from fer.recognition import records


@pytest.fixture
def clip(astronaut, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    return write_clip(folder / "clip.mp4", [Image.open(astronaut)] * 2)


@pytest.fixture
def full_disk(monkeypatch):
    """Make `written_whole` fail as on a full disk."""
    replace = Path.replace

    def refuse(self, target):
        if self.name.startswith(".fer-"):
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)


def refused(command, capsys):
    """Run a command that must end with code 2 and without a traceback, and return its captured output."""
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in command])
    assert end.value.code == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured


@pytest.mark.parametrize("option", ["--csv", "--annotated"])
def test_an_output_never_replaces_the_input_clip(clip, tmp_path, option, capsys):
    before = clip.read_bytes()
    link, another = tmp_path / "link.mp4", tmp_path / "hard.mp4"
    link.symlink_to(clip)
    os.link(clip, another)
    for output in (clip, link, another, clip.parent / ".." / "in" / "clip.mp4"):
        said = refused(["video", clip, option, output], capsys).err
        assert f"`{option}` must be a file that is not read. Received: {output}" in said
    assert clip.read_bytes() == before


def test_wrong_output_paths_are_refused_before_the_work(clip, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("fer.recognition.recognizer.Recognizer.load", lambda *_: pytest.fail("the work has begun"))
    new = tmp_path / "new.mp4"
    for options, message in (
        (["--csv", new, "--annotated", new], "`--csv` and `--annotated` must be different files."),
        (["--csv", tmp_path], "`--csv` must be a file. Received the folder"),
        (["--csv", "-"], "`--csv` must be a file; that of standard output is /dev/stdout. Received: -"),
        (["--csv", tmp_path / "none" / "a.csv"], "`--csv` must be in an existing folder."),
        (["--annotated", tmp_path / "a.webm"], "`--annotated` must end in .mp4."),
    ):
        assert message in refused(["video", clip, *options], capsys).err
    assert not new.exists()


def test_evaluate_and_compare_never_replace_their_inputs(draw_dataset, tmp_path, capsys):
    data, votes = draw_dataset(tmp_path / "data", per_class=1), tmp_path / "votes.csv"
    votes.write_text("file,neutral\n")
    picture = next(data.rglob("*.jpg"))
    common = ["evaluate", "--data", data, "--votes", votes]
    for options in (["--json", votes], ["--json", picture]):
        assert "a file that is not read" in refused([*common, *options], capsys).err
    inside = data / "new.png"
    for command in ([*common, "--figure", inside], ["data", data, "--sheet", inside]):
        assert "must be outside the folders that are read, as it is a picture" in refused(command, capsys).err
    train = ["train", "--data", data, "--output", data / "runs" / "mine"]
    assert f"`--output` must be outside the folder of --data, {data}" in refused(train, capsys).err
    assert "`--figure` must end in .png" in refused([*common, "--figure", tmp_path / "a.svg"], capsys).err
    png = tmp_path / "holiday.png"
    png.write_text("a person's")
    assert (
        "must be different files" in refused(["compare", "bundled", "--output", png.with_name("new.png")], capsys).err
    )
    said = refused(["compare", "bundled", "--output", png.with_suffix(".md")], capsys).err
    assert f"{png}: the document does not show this file" in said
    assert (png.read_text(), votes.read_text()) == ("a person's", "file,neutral\n")


def test_an_output_path_without_write_permission_is_refused(tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    kept.write_text("old")
    # Replaced, since root may write anywhere. A new file takes the place of an existing one: both must be writable.
    for refused in ({kept}, {tmp_path}, {kept, tmp_path}):
        monkeypatch.setattr(os, "access", lambda path, mode, refused=refused: path not in refused)
        for path in (kept, tmp_path / "new") if tmp_path in refused else (kept,):
            with pytest.raises(UserError, match="`--json` must be a writable path. Received"):
                check_outputs({"`--json`": path})
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="`--output` must be a writable folder"):
        check_folder("`--output`", tmp_path / "a" / "b")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_file_is_written_completely_or_stays_as_it_was(tmp_path, error):
    path = tmp_path / "figures.json"
    path.write_text("old")
    path.chmod(0o600)

    def write_half():
        with written_whole(path) as file:
            file.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    write_text(path, "new \udcff")
    assert path.read_bytes() == rb"new \udcff"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["figures.json"]


def test_symbolic_links_are_followed_and_long_names_work(tmp_path):
    target, link = tmp_path / ("ä" * 125 + ".csv"), tmp_path / "link"
    link.symlink_to(target)
    write_text(link, "text")
    assert link.is_symlink()
    assert target.read_text() == "text"


def test_links_that_lead_nowhere_are_refused_without_a_traceback(astronaut, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("fer.recognition.parallel.recognize_in_parallel", lambda *_, **__: pytest.fail("has begun"))
    loop, other, dangling = tmp_path / "loop", tmp_path / "other", tmp_path / "dangling"
    loop.symlink_to(other)
    other.symlink_to(loop)
    dangling.symlink_to(tmp_path / "nowhere")
    file, folder = "must not be a link to itself", "must be a folder, or a link to one that exists"
    for command, rule in (
        (["predict", astronaut, "--csv", loop], f"`--csv` {file}. Received: {loop}"),
        (["predict", astronaut, "--csv", loop / "a.csv"], "`--csv` must be in an existing folder"),
        (["predict", astronaut, "--annotated", loop], f"`--annotated` {folder}. Received: {loop}"),
        (["predict", astronaut, "--annotated", dangling / "a"], f"`--annotated` {folder}. Received: {dangling}/a"),
        (["web", loop], f"`FOLDER` {folder}. Received: {loop}"),
        (["average", "bundled", "bundled", "--output", loop], f"`--output` {folder}"),
        (["compare", "bundled", "--output", loop], f"`--output` {file}"),
    ):
        assert rule in refused(command, capsys).err
    with pytest.raises(OutputError, match=f"{loop}: cannot be written: it is a link to itself"):
        write_text(loop, "text")
    assert sorted(tmp_path.iterdir()) == [dangling, loop, other]


def test_devices_and_pipes_can_be_outputs(tmp_path, capsysbinary):
    pipe, received = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    check_outputs({"--a": pipe, "--b": "/dev/null", "--c": "/dev/null"})
    with pytest.raises(UserError, match=f"--a and --b must be different files. Received: {pipe}"):
        check_outputs({"--a": pipe, "--b": pipe})
    save_confusion_matrix(pipe, [[1]], ["happy"], "title")
    reader.join()
    assert received[0].startswith(b"\x89PNG")
    assert pipe.is_fifo()
    write_text("/dev/null", "text")
    with pytest.raises(OutputError, match="/dev/full: cannot be written: No space left on device"):
        write_text("/dev/full", "text")


def test_text_for_the_file_behind_standard_output_is_printed(tmp_path, monkeypatch):
    printed = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", printed)
    file, fstat = tmp_path / "out", os.fstat
    file.touch()
    with monkeypatch.context() as patch:
        patch.setattr(outputs.os, "fstat", lambda number: os.stat(file) if number == 1 else fstat(number))
        print("figures")
        write_text(file, "text")
    assert printed.buffer.getvalue() == b"figures\ntext"
    assert (tmp_path / "out").read_text() == ""


def test_metrics_are_printed_even_if_the_disk_is_full(clip, draw_dataset, tmp_path, full_disk, capsys):
    data = draw_dataset(tmp_path / "data", per_class=1)
    told = refused(["evaluate", "--data", data, "--json", tmp_path / "a.json", "--figure", tmp_path / "a.png"], capsys)
    assert "7 pictures of the validation split" in told.out
    for name in ("a.json", "a.png"):
        assert f"{tmp_path / name}: cannot be written: No space left on device" in told.err
    told = refused(["video", clip, "--csv", "/dev/stdout", "--annotated", tmp_path / "a.mp4"], capsys)
    assert "1 frame, 1 face" in told.err
    assert f"{tmp_path / 'a.mp4'}: cannot be written: No space left on device" in told.err
    assert {path.name for path in tmp_path.iterdir()} == {"in", "data"}


@contextmanager
def no_room(path, *_):
    raise OutputError(f"{path}: cannot be written: No space left on device")
    yield


def test_a_csv_that_cannot_be_written_takes_no_other_output_with_it(clip, tmp_path, monkeypatch, capsys):
    def start(file, labels):
        def add(rows):
            raise OSError(28, "No space left on device")

        return add

    monkeypatch.setattr(records, "start_clip_csv", start)
    outputs = {name: tmp_path / f"a.{name}" for name in ("csv", "json", "mp4")}
    options = ["--csv", outputs["csv"], "--json", outputs["json"], "--annotated", outputs["mp4"]]
    told = refused(["video", clip, *options], capsys)
    assert f"{outputs['csv']}: cannot be written: No space left on device" in told.err
    assert json.loads(outputs["json"].read_text())["faces"]
    assert outputs["mp4"].stat().st_size > 0
    assert not outputs["csv"].exists()
    monkeypatch.undo()
    monkeypatch.setattr(video, "written_until_interrupted", no_room)
    monkeypatch.setattr(clip_writing, "write_video", no_room)
    outputs["json"].unlink()
    told = refused(["video", clip, *options], capsys)
    assert told.err.count("cannot be written: No space left on device") == 2
    assert json.loads(outputs["json"].read_text())["faces"]


def test_a_clip_is_read_to_its_end_even_if_the_disk_is_full(astronaut, tmp_path, monkeypatch):
    import av

    image, frames = Image.open(astronaut), []

    class Full:
        """Container of PyAV whose writes fail as on a full disk."""

        def __init__(self, container):
            self.container = container

        def __getattr__(self, name):
            return getattr(self.container, name)

        def mux(self, packets):
            raise av.error.OSError(28, "No space left on device")

    opened = av.open
    monkeypatch.setattr(av, "open", lambda *arguments, **more: Full(opened(*arguments, **more)))

    def write():
        with write_video(tmp_path / "a.mp4", 0.1) as add:
            for number in range(3):
                add(number / 10, image)
                frames.append(number)

    with pytest.raises(OutputError, match="cannot be written: No space left"):
        write()
    assert frames == [0, 1, 2]
    assert not list(tmp_path.iterdir())
