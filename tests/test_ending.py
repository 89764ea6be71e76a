"""That the app ends when it is asked to, and leaves nothing behind."""

import signal
import subprocess
import sys

import pytest
from conftest import ROOT, run_app

DROPPED = """
import os, signal
from pages.ending import Ending

class Closing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        print("never reached, since the interruption ends this")

ending = Ending()
Closing()
print("goes on")
ending.wait()
print("ended")
"""


def test_a_request_that_comes_while_an_object_is_finalized_is_kept():
    run = subprocess.run([sys.executable, "-c", DROPPED], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.stdout.split("\n") == ["goes on", "ended", ""]
    assert "Exception ignored" in run.stderr  # So Python did drop it.
    assert run.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_app_ends_and_deletes_what_people_sent(tmp_path, number):
    cache, log = tmp_path / "cache", tmp_path / "log"
    cache.mkdir()
    with log.open("w") as output, run_app(cache, "app.py", ending=number, output=output):
        (folder,) = cache.iterdir()
        (folder / "photo.jpg").write_bytes(b"a face")
    assert not list(cache.iterdir())
    assert "Traceback" not in log.read_text()
