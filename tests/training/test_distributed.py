import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import keras
import numpy as np
import pytest
from conftest import ROOT, free_port, hub_environment, wait_for
from jax.errors import JaxRuntimeError

import train
from fer.data.faces import load_faces
from fer.errors import UserError
from fer.training import distributed
from fer.training.batches import FaceBatches
from fer.training.distributed import Group, check_hosts, join

CLASSES = ("happy", "sad", "angry")
EPOCHS = 5
PATIENCE = 900
"""Seconds for a run: on two busy cores, two processes take minutes to compile."""


@pytest.fixture(scope="module")
def data(draw_dataset, tmp_path_factory):
    """A data set with 48 training pictures, three batches of 16, and 27 validation pictures, an odd number."""
    folder = draw_dataset(tmp_path_factory.mktemp("faces"), CLASSES, per_class=16)
    for path in folder.rglob("PublicTest_*"):
        if int(path.stem.split("_")[1]) % 16 > 8:
            path.unlink()
    return folder


@pytest.fixture(scope="module")
def jax_cache(tmp_path_factory):
    """Folder of JAX's compilation cache, which all runs share."""
    return tmp_path_factory.mktemp("jax_cache")


@pytest.fixture(scope="module")
def single_process(data, jax_cache, tmp_path_factory):
    """Losses and accuracies of a run with one process."""
    folder = tmp_path_factory.mktemp("one") / "run"
    process = start(data, jax_cache, folder)
    assert process.wait(PATIENCE) == 0, errors(process)
    return read(folder)


def start(data, jax_cache, folder, *more):
    """Start `train.py` with a small network on JAX; its standard error goes into a file beside `folder`."""
    command = ["tests/training/train_small.py", "--data", data, "--output", folder, "--classes", *CLASSES]
    command += ["--image-size", "16", "--batch-size", "16", "--epochs", str(EPOCHS), "--from-scratch", *more]
    environment = hub_environment(
        KERAS_BACKEND="jax",
        JAX_COMPILATION_CACHE_DIR=str(jax_cache),
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


def start_two(data, jax_cache, folder, *more):
    """Start two processes that train together, each with its own output folder."""
    hosts = ["--hosts", f"127.0.0.1:{free_port()}", "--processes", "2", "--process-id"]
    return [start(data, jax_cache, folder / name, *hosts, str(i), *more) for i, name in enumerate(("first", "second"))]


def errors(process):
    """Return what a process of `start` has written to standard error."""
    return process.error_file.read_text()


def read(folder):
    """Return the losses and accuracies of a run, float `(epochs, 4)`."""
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(row[key]) for key in ("loss", "accuracy", "val_loss", "val_accuracy")] for row in rows])


@pytest.mark.nightly
def test_two_processes_train_as_one_does_and_only_the_first_writes_files(data, jax_cache, single_process, tmp_path):
    processes = start_two(data, jax_cache, tmp_path)
    assert [process.wait(PATIENCE) for process in processes] == [0, 0], "\n".join(map(errors, processes))
    np.testing.assert_allclose(read(tmp_path / "first"), single_process, atol=1e-4)
    assert len(single_process) == EPOCHS
    assert (tmp_path / "first" / "README.md").exists()
    assert "--hosts" not in (tmp_path / "first" / "config.json").read_text()
    assert not (tmp_path / "second").exists()


@pytest.mark.nightly
def test_a_killed_process_ends_the_other_and_the_run_can_be_resumed(data, jax_cache, single_process, tmp_path):
    saved = tmp_path / "first" / "checkpoint" / "training_metadata.json"
    for victim, resume in ((1, []), (0, ["--resume"])):
        before = saved.stat().st_mtime_ns if saved.exists() else 0
        processes = start_two(data, jax_cache, tmp_path, *resume)
        wait_for(lambda before=before: saved.exists() and saved.stat().st_mtime_ns > before, PATIENCE)
        processes[victim].kill()
        processes[victim].wait()
        survivor = processes[1 - victim]
        assert survivor.wait(60) == 2
        assert errors(survivor).count("python train.py: the connection to another process is lost") == 1
        assert "--resume" in errors(survivor)
        assert "Traceback" not in errors(survivor)
        assert len(read(tmp_path / "first")) < EPOCHS
    processes = start_two(data, jax_cache, tmp_path, "--resume")
    assert [process.wait(PATIENCE) for process in processes] == [0, 0], "\n".join(map(errors, processes))
    np.testing.assert_allclose(read(tmp_path / "first"), single_process, atol=1e-4)


@pytest.fixture
def fake_group(monkeypatch):
    """Let `join` start a group without other processes and without an exit handler."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(jax.distributed, "initialize", lambda *arguments, **timeouts: None)
    monkeypatch.setattr(distributed.atexit, "register", lambda function, code: None)


@pytest.mark.parametrize("error", [JaxRuntimeError, ValueError])
def test_a_lost_connection_is_reported_for_any_class_of_error(fake_group, error):
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
def test_other_errors_are_not_changed(fake_group, error):
    with pytest.raises(type(error)) as raised, join("a:1", 2, 0, 16):
        raise error
    assert raised.value is error


@pytest.mark.nightly
def test_processes_with_different_options_are_refused(data, jax_cache, tmp_path):
    hosts = ["--hosts", f"127.0.0.1:{free_port()}", "--processes", "2", "--process-id"]
    processes = [start(data, jax_cache, tmp_path / str(i), *hosts, str(i), "--seed", str(i)) for i in range(2)]
    assert [process.wait(120) for process in processes] == [2, 2]
    # One process may lose the connection to the other before it can report the reason.
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
def test_invalid_hosts_are_refused(hosts, processes, process_id, message):
    with pytest.raises(UserError, match=re.escape(message)):
        check_hosts(hosts, processes, process_id)


@pytest.mark.parametrize("hosts", ["a:1", "host-1.example:65535,10.0.0.2:1", "[::1]:1234"])
def test_valid_hosts_are_accepted(hosts):
    check_hosts(hosts, 2, 1)


def test_a_user_error_ends_with_code_2_and_one_sentence():
    command = ["train.py", "--data", "x", "--output", "y", "--hosts", "a:1", "--processes", "2"]
    ended = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    assert ended.returncode == 2
    assert ended.stderr == (
        "python train.py: --hosts, --processes and --process-id go together. Received: no --process-id\n"
    )


def test_without_jax_the_command_that_installs_it_is_printed(monkeypatch):
    monkeypatch.setattr(distributed.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'--hosts needs JAX: pip install "\.\[jax\]"'):
        check_hosts("a:1", 2, 0)


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(UserError, match="--hosts needs KERAS_BACKEND=jax. Received: torch"), join("a:1", 2, 0, 16):
        pass


def test_a_batch_size_that_is_not_a_multiple_of_the_processes_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with (
        pytest.raises(UserError, match="`batch_size` must be a multiple of the 3 processes. Received: 16"),
        join("a:1", 3, 0, 16),
    ):
        pass


def test_an_unreachable_first_process_is_reported(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(distributed, "MEETING_SECONDS", 1)
    with (
        pytest.raises(UserError, match="process 0 could not be reached at 127.0.0.1:.* within 1 seconds: .*refused"),
        join(f"127.0.0.1:{free_port()}", 2, 1, 16),
    ):
        pass


def test_hosts_with_weights_are_refused(tmp_path):
    command = ["--data", "x", "--output", str(tmp_path / "run"), "--network", "vgg16", "--weights", "imagenet"]
    with pytest.raises(UserError, match="--hosts goes without --weights. Received: --weights imagenet"):
        train.main([*command, "--hosts", "a:1", "--processes", "2", "--process-id", "0"])


@pytest.mark.parametrize(("size", "devices"), [(2, 2), (3, 3), (2, 8)])
@pytest.mark.parametrize("count", [1, 5, 23, 24])
def test_the_rows_of_all_processes_make_up_the_batch(size, devices, count):
    groups = [Group(index, size, devices) for index in range(size)]
    rows = [group.rows(count) for group in groups]
    assert len({len(own) for own in rows}) == 1
    padded = groups[0].pad(count)
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(padded))
    assert padded % devices == 0
    assert 0 <= padded - count < devices


def read_shares(faces, index, **how):
    """Return a batch of one process, and the same batch put together from the shares of two."""
    alone, *shares = (FaceBatches(faces, group=group, **how) for group in (Group(), Group(0, 2, 2), Group(1, 2, 2)))
    parts = [share[index] for share in shares]
    assert len(parts[0][0]) == len(parts[1][0])
    assert len({len(share) for share in shares}) == 1
    return alone[index], [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def test_two_processes_train_on_the_whole_batches_of_one(data):
    faces = load_faces(data, "train", classes=CLASSES).take(range(41))
    how = {"batch_size": 16, "seed": 7, "shuffle": True, "mixup": 0.4}
    assert len(FaceBatches(faces, **how)) == 3
    assert len(FaceBatches(faces, group=Group(0, 2, 2), **how)) == 2
    for index in range(2):
        (pictures, targets), (own_pictures, own_targets, weights) = read_shares(faces, index, **how)
        np.testing.assert_array_equal(own_pictures, pictures)
        np.testing.assert_array_equal(own_targets, targets)
        np.testing.assert_array_equal(weights, np.ones(16, "float32"))


@pytest.mark.parametrize(("pictures", "shuffle"), [(27, False), (13, True)])
def test_repeated_pictures_have_no_weight(data, pictures, shuffle):
    faces = load_faces(data, "train", classes=CLASSES).take(range(pictures))
    how = {"batch_size": 32, "seed": 7, "shuffle": shuffle}
    whole, (own_pictures, own_targets, weights) = read_shares(faces, 0, **how)
    assert (weights[-1], (weights > 0).sum()) == (0, pictures)
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    model = keras.Sequential(layers)
    model.compile(loss="categorical_crossentropy", weighted_metrics=["accuracy"])
    expected = model.evaluate(*whole, batch_size=64, verbose=0, return_dict=True)
    padded = model.evaluate(own_pictures, own_targets, 64, sample_weight=weights, verbose=0, return_dict=True)
    assert padded == pytest.approx(expected, abs=1e-6)


def test_two_processes_validate_each_picture_once_over_several_batches(data):
    faces = load_faces(data, "train", classes=CLASSES).take(range(27))
    how = {"batch_size": 16, "seed": 7, "shuffle": False}
    _, (first, _, weights) = read_shares(faces, 0, **how)
    _, (rest, _, other_weights) = read_shares(faces, 1, **how)
    weights = np.concatenate([weights, other_weights])
    np.testing.assert_array_equal(np.concatenate([first, rest])[weights > 0], faces.images)
    # Keras weighs the mean of each batch by the number of its rows.
    assert weights.mean() == pytest.approx(1)
    assert set(weights) == {0, np.float32(28 / 27)}
