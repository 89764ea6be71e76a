"""Tests of the whole path: train, push, deploy, serve and query, each step in its own process."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import LIVE_TOKEN, ROOT, hub_environment
from gradio_client import Client, handle_file
from huggingface_hub import HfApi

from fer.publishing.space import write_requirements
from fer.publishing.space_card import SERVERS

MODEL = "fer-bot/two"
SPACE = "fer-bot/space"
UID = 1000
"""User id of the process of a Space; this user does not own the folder of the app."""

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a deploy takes the files of a git clone"),
]


@pytest.fixture
def shared_folder():
    """A folder that the Space's user may enter."""
    with tempfile.TemporaryDirectory(prefix="fer-space-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("xet", [False, True], ids=["lfs", "xet"])
def test_a_trained_model_is_served_by_a_space(hub, draw_dataset, shared_folder, astronaut, xet):
    if xet:
        hub.state.xet = str(shared_folder / "xet")
    environment = hub_environment(HF_HUB_DISABLE_XET="0" if xet else "1")
    data, run = draw_dataset(shared_folder / "data", ("happy", "sad")), shared_folder / "run"
    training = ["train.py", "--data", data, "--output", run, "--classes", "happy", "sad", "--epochs", "1"]
    out = call(*training, "--batch-size", "8", "--export", "litert", "--push-to-hub", MODEL, environment=environment)
    sha = re.search("commit ([0-9a-f]{40})", out)[1]
    files = hub.model(MODEL).find(sha).files
    assert any("tfevents" in path for path in files)
    assert (not hub.state.large) == xet  # Files went through either Xet or LFS.

    call("-m", "fer", "deploy", SPACE, "--model", f"{MODEL}@{sha}", environment=environment)
    space = hub.repos["spaces", SPACE]
    assert space.variables["FER_MODEL"]["value"] == f"{MODEL}@{sha}"

    app = shared_folder / "app"
    download = (
        f"from huggingface_hub import snapshot_download as get; get('{SPACE}', repo_type='space', local_dir='{app}')"
    )
    call("-c", download, environment=environment)
    if xet:
        hand_over(shared_folder / "xet")  # Xet opens the files of its store for writing even to read them.
    with serve_as_a_space(app, shared_folder, space, environment) as (client, log):
        record = client.predict(handle_file(astronaut), api_name="/analyze")
        assert record["model"] == f"{MODEL}@{sha}"
        assert set(record["faces"][0]["probabilities"]) == {"happy", "sad"}
    assert "hf_write" not in log.read_text()
    assert not list(app.rglob("*.pyi"))


@pytest.mark.live
@pytest.mark.skipif(not LIVE_TOKEN, reason="needs HF_TOKEN, a token that may write")
def test_a_trained_model_is_served_by_a_space_on_the_real_hub(draw_dataset, shared_folder, astronaut):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment["HF_TOKEN"] = LIVE_TOKEN
    api = HfApi("https://huggingface.co", LIVE_TOKEN)
    name = f"{api.whoami()['name']}/fer-live-test"
    data = draw_dataset(shared_folder / "data", ("happy", "sad"))
    training = [
        "train.py",
        "--data",
        data,
        "--output",
        shared_folder / "run",
        "--classes",
        "happy",
        "sad",
        "--epochs",
        "1",
    ]
    try:
        out = call(*training, "--batch-size", "8", "--push-to-hub", name, environment=environment)
        sha = re.search("commit ([0-9a-f]{40})", out)[1]
        call("-m", "fer", "predict", "--model", f"{name}@{sha}", astronaut, environment=environment)
        call("-m", "fer", "deploy", name, "--model", f"{name}@{sha}", "--wait", environment=environment, patience=1500)
        record = Client(name, token=LIVE_TOKEN).predict(handle_file(astronaut), api_name="/analyze")
        assert record["model"] == f"{name}@{sha}"
    finally:
        api.delete_repo(name, missing_ok=True)
        api.delete_repo(name, repo_type="space", missing_ok=True)


@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_the_requirements_resolve_with_those_that_a_space_adds(tmp_path, python):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(write_requirements((ROOT / "pyproject.toml").read_text()))
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--disable-pip-version-check"]
    command += ["--target", tmp_path, "--python-version", python, "--only-binary=:all:", "-r", requirements]
    command += [
        f"gradio[oauth,mcp]=={SERVERS['gradio']['sdk_version']}",
        "uvicorn>=0.14.0",
        "websockets>=10.4",
        "spaces",
    ]
    resolved = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, timeout=300)
    if "Connection" in resolved.stderr or "name resolution" in resolved.stderr:
        pytest.skip("the package registry cannot be reached")
    assert resolved.returncode == 0, resolved.stderr


def call(*arguments, environment, patience=180):
    """Run a Python program of the project to its end, and return its output."""
    run = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=patience,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@contextlib.contextmanager
def serve_as_a_space(app, shared_folder, space, environment):
    """Start the app as a Space does, in another user's folder and with its variables; yield a client and the log.

    Unlike a Space, which listens on 0.0.0.0:7860, it listens on loopback and a free port.
    """
    home = shared_folder / "home"
    home.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **environment,
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "GRADIO_TEMP_DIR": str(home / "gradio"),
        "SYSTEM": "spaces",
        "SPACE_ID": SPACE,
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_SSR_MODE": "true",
        "FER_STRICT": "1",
        "FER_MODEL": space.variables["FER_MODEL"]["value"],
    }
    del environment["HF_TOKEN"]
    command = [*as_space_user(home), sys.executable, "app.py"]
    log = shared_folder / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(command, cwd=app, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            yield connect(f"http://127.0.0.1:{port}", process, log), log
        finally:
            process.terminate()
            print(log.read_text())  # pytest shows it where a test fails.


def as_space_user(home):
    """Return the words before a command that run it as the user of a Space, or [] if this user may not do that.

    The user may write to `home`. It has the capability to read all files, since Python may be in a private folder.
    """
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return []
    hand_over(home)
    words = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
    return [*words, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def hand_over(folder):
    """Make the user of a Space the owner of a folder and its contents, if this user may do that."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, UID, UID)


def connect(url, process, log, patience=90):
    """Return a client of the app once it answers; fail if its process ends."""
    for _ in range(patience * 5):
        try:
            return Client(url, verbose=False)
        except Exception:  # noqa: BLE001 - any error of a server that is not up yet
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
    raise AssertionError(f"no answer within {patience} seconds: {log.read_text()}")
