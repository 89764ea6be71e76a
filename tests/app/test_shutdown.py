"""Tests that a signal ends the app, and that it leaves no files."""

import signal
import subprocess
import sys

import httpx
import pytest
from conftest import ROOT, run_app, wait_for

from fer.app.server.cache import LOCK

PROGRAM = """
import os, sys
from fer.app.server.shutdown import ShutdownSignal

class Closing:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        print("never reached, since the interruption ends this")

shutdown = ShutdownSignal()
Closing()
print("goes on")
shutdown.wait()
print("ended")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_arrives_during_a_finalizer_is_not_lost(number):
    command = [sys.executable, "-c", PROGRAM, str(int(number))]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.stdout.split("\n") == ["goes on", "ended", ""]
    assert "Exception ignored" in run.stderr  # Python ignores exceptions in finalizers.
    assert run.returncode == 0


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow(reason="the same with the other signal"))],
)
def test_the_app_starts_answers_ends_and_deletes_uploads(tmp_path, number):
    cache, log = tmp_path / "cache", tmp_path / "log"
    killed = cache / "fer-killed"
    killed.mkdir(parents=True)
    for name in (LOCK, "photo.jpg"):
        (killed / name).write_bytes(b"of an app that was killed")
    with log.open("w") as output, run_app(cache, number, output) as url:
        answer = httpx.post(f"{url}gradio_api/run/model", json={"data": []}, timeout=60)
        assert answer.json()["data"][0]["model"] == "bundled"
        wait_for(lambda: not killed.exists())
        (folder,) = cache.iterdir()
        (folder / "photo.jpg").write_bytes(b"a face")
    assert not list(cache.iterdir())
    assert "Traceback" not in log.read_text()
