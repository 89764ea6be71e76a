import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, hub_environment

import train
from fer.cli import console
from fer.cli.commands import main
from fer.cli.console import VERBOSITY, exit_on_user_error, own_terminal
from fer.recognition.recognizer import Recognizer


@pytest.mark.parametrize("command", [["train.py", "--output", "never"], ["-m", "fer", "evaluate"]])
def test_an_unknown_backend_is_refused_without_a_traceback(command, draw_dataset, tmp_path):
    environment, data = {**os.environ, "KERAS_BACKEND": "theano"}, draw_dataset(tmp_path, per_class=1)
    run = subprocess.run(
        [sys.executable, *command, "--data", data], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 2
    rule = "`KERAS_BACKEND`, or `backend` in keras.json, must be one of tensorflow, jax, torch, and installed. "
    assert run.stderr.splitlines()[-1].endswith(f"{rule}Received: theano")
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("variable", ["torch", ""])
def test_a_backend_that_is_not_installed_is_refused(variable, tmp_path, monkeypatch, capsys):
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", variable)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    with pytest.raises(SystemExit), exit_on_user_error("python train.py"):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    assert capsys.readouterr().err.endswith("and installed. Received: torch\n")


def test_a_missing_package_is_named_with_the_command_that_installs_it(capsys):
    with pytest.raises(SystemExit) as end, exit_on_user_error("fer evaluate"):
        raise ModuleNotFoundError("No module named 'sklearn.metrics'", name="sklearn.metrics")
    assert end.value.code == 2
    assert capsys.readouterr().err == 'fer evaluate: needs sklearn, not installed here: pip install ".[train]"\n'


def test_a_full_disk_ends_a_training_in_one_line(monkeypatch, capsys):
    """HDF5's own message has two lines, and its file, which cannot be closed, ended the process with a signal."""
    monkeypatch.setitem(sys.modules, "h5py", object())
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as end, exit_on_user_error("python train.py"):
        raise OSError(errno.ENOSPC, "Can't synchronously write data\n(file write failed)")
    assert end.value.code == 2
    assert capsys.readouterr().err == "python train.py: the disk: No space left on device\n"


@pytest.mark.parametrize("backend", ["", "theano"])
def test_errors_that_are_not_about_the_backend_are_not_changed(monkeypatch, backend):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    with pytest.raises(ValueError, match="a defect"), exit_on_user_error("python train.py"):
        raise ValueError("a defect")


def run_as_users_do(*command):
    """Run Python with the verbosity of libraries as it is outside of tests."""
    environment = {name: value for name, value in os.environ.items() if name != VERBOSITY}
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)


def test_predict_prints_no_messages_of_libraries(astronaut):
    run = run_as_users_do("-m", "fer", "predict", astronaut, "nowhere.jpg")
    assert run.stderr.splitlines() == ["nowhere.jpg: no such file."]
    assert run.returncode == 2


@pytest.mark.slow
def test_training_prints_no_messages_of_libraries(draw_dataset, tmp_path):
    data = draw_dataset(tmp_path / "data", per_class=1)
    command = [
        "--data",
        data,
        "--output",
        tmp_path / "run",
        "--epochs",
        "1",
        "--classes",
        "sad",
        "happy",
        "--from-scratch",
    ]
    run = run_as_users_do("tests/training/train_small.py", *command, "--export", "litert")
    assert run.stderr == ""
    assert run.returncode == 0


CHECK_REFUSALS = """
import json, os, sys
import train
from fer.cli import console
from fer.cli.commands import main
from fer.cli.console import exit_on_user_error

def run_train(words):
    with exit_on_user_error("python train.py"):
        train.main(words)

for command, *words in json.loads(sys.argv[1]):
    try:
        run_train(words) if command == "train" else main([command, *words])
    except SystemExit as end:
        assert end.code == 2, (command, words, end.code)
    else:
        raise AssertionError((command, words))
    loaded = {"keras", "tensorflow", "jax", "torch"} & set(sys.modules)
    assert not loaded, (command, words, loaded)
"""


def test_user_errors_are_reported_before_keras_is_imported(draw_dataset, tmp_path, hub_server):
    data, taken = str(draw_dataset(tmp_path / "data", per_class=1)), tmp_path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    new = ["--output", str(tmp_path / "new")]
    trained = ["train", "--data", data, *new]
    commands = [
        ["train", "--data", "nowhere", *new],
        ["train", "--data", "nowhere", *new, "--export", "onnx", "litert"],
        ["train", "--data", data, "--output", str(taken)],
        ["train", "--data", data, "--output", str(taken / "file" / "below")],
        [*trained, "--network", "nope"],
        [*trained, "--classes", "happy", "<glad>"],
        [*trained, "--epochs", "0"],
        [*trained, "--image-size", "20"],
        [*trained, "--network", "vgg16", "--image-size", "16"],
        [*trained, "--enlarged", "60"],
        [*trained, "--votes", "nowhere.csv"],
        [*trained, "--start", "nowhere"],
        [*trained, "--teacher", "bundled", "nowhere"],
        [*trained, "--network", "vgg16", "--weights", "nowhere.h5"],
        [*trained, "--export", "coreml"],
        [*trained, "--push-to-hub", "no-owner"],
        [*trained, "--push-to-hub", "fer-bot/model"],
        ["evaluate", "--data", "nowhere"],
        ["evaluate", "--data", data, "--votes", "nowhere.csv"],
        ["evaluate", "--data", data, "--model", "nowhere"],
        ["evaluate", "--data", data, "--classes", "happy", "happy"],
        ["evaluate", "--data", data, "--json", str(taken)],
        ["evaluate", "--data", data, "--limit", "1"],
        ["calibrate", "nowhere", "--data", data],
        ["calibrate", "bundled", "--data", "nowhere"],
        ["compare", "nowhere", *new],
        ["compare", "bundled", "--output", str(taken)],
        ["export", "bundled", "--format", "coreml", *new],
        ["export", "bundled", "--format", "onnx", "--output", str(taken)],
        ["export", "nowhere", "--format", "onnx", *new],
        ["push", "bundled", "no-owner"],
        ["push", "bundled", "fer-bot/model"],
        ["push", "nowhere", "fer-bot/model"],
        ["predict", "nowhere.jpg", "--model", "nowhere"],
        ["video", "nowhere.mp4"],
    ]
    environment = {**hub_environment(), "HF_TOKEN": ""}
    run = subprocess.run(
        [sys.executable, "-c", CHECK_REFUSALS, json.dumps(commands)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert len(run.stderr.splitlines()) == len(commands), run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_training_prints_how_to_resume(draw_dataset, tmp_path, monkeypatch, capsys, number, code):
    from fer.training import train as training

    def interrupted(*arguments, **more):
        os.kill(os.getpid(), number)
        time.sleep(5)

    monkeypatch.setattr(training, "fit", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    data = draw_dataset(tmp_path / "data", per_class=1)
    command = ["--data", str(data), "--output", str(tmp_path / "run"), "--network", "original_cnn", "--image-size", "8"]
    monkeypatch.setenv(VERBOSITY, "2")
    try:
        with pytest.raises(SystemExit) as end, own_terminal(), exit_on_user_error("python train.py"):
            train.main(command)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert end.value.code == code
    again = "The same command with --resume goes on after the last finished epoch."
    assert capsys.readouterr().err.splitlines() == ["", f"python train.py: interrupted. {again}"]


@pytest.fixture
def redirect_stdout(monkeypatch):
    """Function that redirects standard output to an open file during the test."""

    def send(file):
        monkeypatch.setattr(sys, "stdout", file)
        monkeypatch.setenv(VERBOSITY, "2")

    return send


def closed_pipe():
    """Return the writing end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def test_a_closed_standard_output_ends_predict_early_but_evaluate_writes_its_files(
    draw_dataset, astronaut, tmp_path, monkeypatch, redirect_stdout, capsys
):
    read, recognize = [], Recognizer.recognize_batch
    monkeypatch.setattr(Recognizer, "recognize_batch", lambda self, *rest: read.append(rest) or recognize(self, *rest))
    redirect_stdout(closed_pipe())
    with own_terminal():
        assert main(["predict", *[str(astronaut)] * 3]) == 0
    assert len(read) == 1  # The others are not recognized, since nobody would read the results.

    data, report = draw_dataset(tmp_path / "data", per_class=1), tmp_path / "report.json"
    with own_terminal():
        assert main(["evaluate", "--data", str(data), "--json", str(report)]) == 0
    assert json.loads(report.read_text())["n"] == 7
    assert capsys.readouterr().err == f"Written: {report}\n"


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_closed_standard_streams_change_no_answer(astronaut, tmp_path, monkeypatch, capsys, closed):
    """Cron and daemons close them; Python has None for a stream that was closed before its start."""
    monkeypatch.setenv(VERBOSITY, "2")
    monkeypatch.setattr(sys, closed, None)
    table = tmp_path / "faces.csv"
    with own_terminal():
        assert main(["predict", str(astronaut), "--csv", str(table)]) == 0
        with pytest.raises(SystemExit, match="2"):
            main(["video", "nowhere.mp4"])
    assert len(table.read_text().splitlines()) == 2
    told = capsys.readouterr()
    if closed == "stdout":
        assert told.err.splitlines() == [f"Written: {table}", "python -m fer video: nowhere.mp4: no such file."]
    else:
        assert told.out == "1 picture; 1 face\n"


def test_files_never_get_the_numbers_of_closed_standard_streams(monkeypatch):
    opened, fstat = [], os.fstat

    def closed(number):
        if number in (0, 2):
            raise OSError
        return fstat(number)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", closed)
        patch.setattr(os, "open", lambda path, flags: opened.append(path) or 9)
        patch.setattr(os, "set_inheritable", lambda number, inheritable: opened.append(inheritable))
        console._fill_closed_descriptors()
    assert opened == [os.devnull, True] * 2


def test_a_full_disk_behind_standard_output_is_reported_in_one_sentence(astronaut, redirect_stdout, capsys):
    with open("/dev/full", "w") as full:
        redirect_stdout(full)
        with pytest.raises(SystemExit) as end, own_terminal():
            main(["predict", str(astronaut), "nowhere.jpg"])
    assert end.value.code == 2
    told = ["nowhere.jpg: no such file.", "Standard output could not be written: No space left on device"]
    assert capsys.readouterr().err.splitlines() == told


def test_a_file_name_that_is_not_utf8_is_printed_unchanged(astronaut, tmp_path, redirect_stdout):
    photo = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg"))
    photo.write_bytes(astronaut.read_bytes())
    with open(tmp_path / "out", "w") as file:
        redirect_stdout(file)
        with own_terminal():
            assert main(["predict", str(photo)]) == 0
            assert main(["predict", "--json", str(photo)]) == 0
    sentence, *_, document = (tmp_path / "out").read_bytes().splitlines()
    assert sentence == os.fsencode(photo) + b": 1 face"
    assert json.loads(document)["image"] == str(photo)


def test_a_fatal_error_of_a_library_is_printed_and_its_notes_are_not():
    program = (
        "import os\nfrom fer.cli.console import own_terminal\nwith own_terminal():\n"
        "    os.write(2, b'I0000 00:00:1.1    7 a.cc:1] a note\\nF0000 00:00:1.1    7 a.cc:1] the end\\n')\n"
        "    os.abort()"
    )
    run = run_as_users_do("-c", program)
    assert run.stderr.splitlines() == ["F0000 00:00:1.1    7 a.cc:1] the end"]
