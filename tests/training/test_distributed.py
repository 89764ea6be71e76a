import csv
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import ROOT, free_port, hub_environment, wait_for
from jax.errors import JaxRuntimeError

import train
from fer.data.fer2013 import load_faces
from fer.errors import UserError
from fer.training import distributed as distribution
from fer.training.batches import FaceBatches
from fer.training.distributed import Group, check_hosts, join

CLASSES = ("happy", "sad", "angry")
EPOCHS = 5


@pytest.fixture(scope="module")
def data(draw_dataset, tmp_path_factory):
    """A folder with pictures of which 16 and 32 fill no last batch, and the devices of two processes divide none."""
    folder = draw_dataset(tmp_path_factory.mktemp("faces"), CLASSES, per_class=19)
    for path in folder.rglob("PublicTest_*"):
        if int(path.stem.split("_")[1]) % 19 > 8:
            path.unlink()
    return folder


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Where JAX keeps what it compiled, which the runs share."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def one(data, compiled, tmp_path_factory):
    """The log of one process."""
    folder = tmp_path_factory.mktemp("one") / "run"
    process = start(data, compiled, folder)
    assert process.wait(300) == 0, errors(process)
    return read(folder)


def start(data, compiled, folder, *more):
    """Starts `train.py` with a small network on JAX; what it writes to standard error goes beside `folder`."""
    command = ["tests/train_small.py", "--data", data, "--output", folder, "--classes", *CLASSES, "--image-size", "16"]
    command += ["--batch-size", "16", "--epochs", str(EPOCHS), *more]
    environment = hub_environment(
        KERAS_BACKEND="jax",
        JAX_COMPILATION_CACHE_DIR=str(compiled),
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
    )
    error_file = Path(folder).parent / f"{Path(folder).name}.stderr"
    with error_file.open("w") as error:
        process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=error,
        )
    process.error_file = error_file
    return process


def start_two(data, compiled, folder, *more):
    """Starts two processes that train together; they share no folder."""
    hosts = ["--hosts", f"127.0.0.1:{free_port()}", "--processes", "2", "--process-id"]
    return [start(data, compiled, folder / name, *hosts, str(i), *more) for i, name in enumerate(("first", "second"))]


def errors(process):
    return process.error_file.read_text()


def read(folder):
    """The losses and accuracies of a run, as a float array `(epochs, 4)`."""
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(row[key]) for key in ("loss", "accuracy", "val_loss", "val_accuracy")] for row in rows])


@pytest.mark.nightly
def test_two_processes_compute_what_one_does_and_the_first_alone_writes(data, compiled, one, tmp_path):
    processes = start_two(data, compiled, tmp_path)
    assert [process.wait(300) for process in processes] == [0, 0], "\n".join(map(errors, processes))
    np.testing.assert_allclose(read(tmp_path / "first"), one, atol=1e-5)
    assert len(one) == EPOCHS
    assert (tmp_path / "first" / "README.md").exists()
    assert "--hosts" not in (tmp_path / "first" / "config.json").read_text()
    assert not (tmp_path / "second").exists()


@pytest.mark.nightly
def test_a_process_that_dies_ends_the_others_and_resuming_goes_on(data, compiled, one, tmp_path):
    saved = tmp_path / "first" / "checkpoint" / "training_metadata.json"
    for victim, resume in ((1, []), (0, ["--resume"])):
        before = saved.stat().st_mtime_ns if saved.exists() else 0
        processes = start_two(data, compiled, tmp_path, *resume)
        wait_for(lambda before=before: saved.exists() and saved.stat().st_mtime_ns > before, 300)
        processes[victim].kill()
        processes[victim].wait()
        survivor = processes[1 - victim]
        assert survivor.wait(60) == 2
        assert errors(survivor).count("python train.py: the connection to another process is lost") == 1
        assert "--resume" in errors(survivor)
        assert "Traceback" not in errors(survivor)
        assert len(read(tmp_path / "first")) < EPOCHS
    processes = start_two(data, compiled, tmp_path, "--resume")
    assert [process.wait(300) for process in processes] == [0, 0], "\n".join(map(errors, processes))
    np.testing.assert_allclose(read(tmp_path / "first"), one, atol=1e-5)


@pytest.fixture
def meet_nobody(monkeypatch):
    """Lets `join` start a group without other processes, and leaves this one alone at its end."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(keras.distribution, "initialize", lambda *arguments: None)
    monkeypatch.setattr(distribution.atexit, "register", lambda function, code: None)


@pytest.mark.parametrize("error", [JaxRuntimeError, ValueError])
def test_a_lost_connection_is_told_whatever_error_brings_it(meet_nobody, error):
    said = "UNKNOWN: Gloo AllGather failed: [external/gloo/pair.cc:538] Read error [127.0.0.1]:1: Connection reset"
    with pytest.raises(UserError, match="the connection to another process is lost"), join("a:1", 2, 0, 16):
        raise error(said)


@pytest.mark.parametrize(
    "error",
    [
        JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"),
        ValueError("x"),
        OSError(28),
        UserError("coordination.csv: no such file."),
        KeyboardInterrupt("gloo"),
    ],
)
def test_other_errors_stay_what_they_are(meet_nobody, error):
    with pytest.raises(type(error)) as raised, join("a:1", 2, 0, 16):
        raise error
    assert raised.value is error


TOLD = "import os; os.write(0, b'first\\0the others are gone\\0'); "
"""A program that tells the one that watches it why it may be aborted."""


def run_watched(monkeypatch, program):
    """What `run_watched` comes to in a process whose command runs this program: its exit code."""
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", program])
    with pytest.raises(SystemExit) as ended:
        distribution.run_watched()
    return ended.value.code


def test_an_aborted_process_is_told_by_what_it_said_last(monkeypatch):
    with pytest.raises(UserError, match="^the others are gone$"):
        run_watched(monkeypatch, TOLD + "os.abort()")
    with pytest.raises(UserError, match=r"^the process that trains was aborted\.$"):
        run_watched(monkeypatch, "import os; os.abort()")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("pass", 0),
        ("raise SystemExit(2)", 2),
        ("os.kill(os.getpid(), 9)", 137),
        ("import time; os.kill(os.getppid(), 2); time.sleep(60)", 130),
    ],
)
def test_any_other_end_is_passed_on_and_so_is_an_interruption(monkeypatch, end, code):
    assert run_watched(monkeypatch, TOLD + end) == code


def test_a_process_ends_when_the_one_that_watches_it_is_gone():
    program = f"{TOLD} from fer.training.distributed import run_watched; run_watched(); import time; time.sleep(60)"
    own, its = socket.socketpair()
    environment = {**os.environ, distribution.WATCHED: "1"}
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment, stdin=its) as process:
        its.close()
        own.recv(1)  # So it runs, and there is more that nobody reads.
        own.close()
        assert process.wait(30) == 2


@pytest.mark.nightly
def test_processes_with_different_options_are_refused(data, compiled, tmp_path):
    hosts = ["--hosts", f"127.0.0.1:{free_port()}", "--processes", "2", "--process-id"]
    processes = [start(data, compiled, tmp_path / str(i), *hosts, str(i), "--seed", str(i)) for i in range(2)]
    assert [process.wait(120) for process in processes] == [2, 2]
    # One may hear that the other has ended before it can say why it ends itself.
    assert any("All processes must train with the same options" in errors(process) for process in processes)
    assert not any((tmp_path / str(i)).exists() for i in range(2))


@pytest.mark.parametrize(
    ("hosts", "processes", "process_id", "message"),
    [
        ("a:1", 2, None, "go together. Received: no --process-id"),
        (None, None, 0, "go together. Received: no --hosts, no --processes"),
        ("a:1", 1, 0, "`--processes` must be at least 2. Received: 1"),
        ("a:1", 2, 2, "`--process-id` must be from 0 to 1. Received: 2"),
        ("a:1", 2, -1, "`--process-id` must be from 0 to 1. Received: -1"),
        *((hosts, 2, 0, "must be HOST:PORT") for hosts in ("a", "a:", ":1", "a:b", "a:0", "a:65536", "a:1,", "a b:1")),
        ("a:1,b:1,c:1", 2, 0, "or one for each of the 2 processes. Received: 3"),
        ("a:1,b:1", 3, 0, "or one for each of the 3 processes. Received: 2"),
    ],
)
def test_hosts_that_do_not_fit_are_told(hosts, processes, process_id, message):
    with pytest.raises(UserError, match=re.escape(message)):
        check_hosts(hosts, processes, process_id)


@pytest.mark.parametrize("hosts", ["a:1", "host-1.example:65535,10.0.0.2:1", "[::1]:1234"])
def test_hosts_that_fit_are_taken(hosts):
    check_hosts(hosts, 2, 1)


def test_a_mistake_ends_with_a_sentence_and_exit_code_2():
    command = ["train.py", "--data", "x", "--output", "y", "--hosts", "a:1", "--processes", "2"]
    ended = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    assert ended.returncode == 2
    assert ended.stderr == (
        "python train.py: --hosts, --processes and --process-id go together. Received: no --process-id\n"
    )


def test_jax_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(distribution.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'--hosts needs JAX: pip install "\.\[jax\]"'):
        check_hosts("a:1", 2, 0)


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(UserError, match="--hosts needs KERAS_BACKEND=jax. Received: torch"), join("a:1", 2, 0, 16):
        pass


def test_a_batch_that_the_processes_do_not_divide_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with (
        pytest.raises(UserError, match="`batch_size` must be a multiple of the 3 processes. Received: 16"),
        join("a:1", 3, 0, 16),
    ):
        pass


def test_a_first_process_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(distribution, "MEETING_SECONDS", 1)
    with (
        pytest.raises(UserError, match="process 0 could not be reached at 127.0.0.1:.* within 1 seconds: .*refused"),
        join(f"127.0.0.1:{free_port()}", 2, 1, 16),
    ):
        pass


def test_weights_are_refused(tmp_path):
    command = ["--data", "x", "--output", str(tmp_path / "run"), "--network", "vgg16", "--weights", "imagenet"]
    with pytest.raises(UserError, match="--hosts goes without --weights. Received: --weights imagenet"):
        train.main([*command, "--hosts", "a:1", "--processes", "2", "--process-id", "0"])


@pytest.mark.parametrize(("size", "devices"), [(2, 2), (3, 3), (2, 8)])
@pytest.mark.parametrize("count", [1, 5, 23, 24])
def test_the_rows_of_all_processes_are_the_batch(size, devices, count):
    rows = [Group(index, size, devices).rows(count, 24) for index in range(size)]
    assert len({len(own) for own in rows}) == 1
    together = np.concatenate(rows)
    np.testing.assert_array_equal(together[:count], np.arange(count))
    assert len(together) % devices == 0
    assert (len(together) == 24) == (count == 24)  # So that a padded batch is told from a whole one.


def test_the_batches_of_all_processes_are_those_of_one(data):
    faces = load_faces(data, "train", CLASSES)
    how = {"batch_size": 16, "seed": 7, "shuffle": True, "mixup": 0.4}
    alone, *shares = (FaceBatches(faces, group=group, **how) for group in (Group(), Group(0, 2, 2), Group(1, 2, 2)))
    for index in range(len(alone)):
        pictures, targets = alone[index]
        parts = [share[index] for share in shares]
        assert len(parts[0][0]) == len(parts[1][0]) < len(pictures)
        np.testing.assert_array_equal(np.concatenate([part[0] for part in parts])[: len(pictures)], pictures)
        np.testing.assert_array_equal(np.concatenate([part[1] for part in parts])[: len(pictures)], targets)
