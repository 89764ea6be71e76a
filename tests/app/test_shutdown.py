"""Tests that a signal ends the app, and that it leaves no files."""

import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT, run_app, wait_for
from gradio_client import Client

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


@pytest.fixture(
    scope="module",
    params=[signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow(reason="the same with another signal"))],
)
def ended(request, tmp_path_factory):
    """Record of `python app.py` from its start to the end by a signal.

    Attributes:
        answer: what the endpoint `/model` answered.
        left: files in the app's cache after the end.
        log: what the app printed.
    """
    cache, log = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("log") / "log"
    killed = cache / "fer-killed"
    killed.mkdir()
    for name in (LOCK, "photo.jpg"):
        (killed / name).write_bytes(b"of an app that was killed")
    with log.open("w") as output, run_app(cache, request.param, output) as url:
        answer = Client(url, verbose=False).predict(api_name="/model")
        wait_for(lambda: not killed.exists())
        (folder,) = cache.iterdir()
        (folder / "photo.jpg").write_bytes(b"a face")
    return SimpleNamespace(answer=answer, left=list(cache.iterdir()), log=log.read_text())


def test_the_app_answers(ended):
    assert ended.answer["model"] == "bundled"


def test_the_app_deletes_its_uploads_and_those_of_an_app_that_was_killed(ended):
    assert ended.left == []


def test_the_app_ends_without_a_traceback(ended):
    assert "Traceback" not in ended.log
