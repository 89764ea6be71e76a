"""That the app ends when it is asked to, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import free_port, hub_environment, wait_for

ROOT = Path(__file__).parents[1]

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
    port, cache = free_port(), tmp_path / "cache"
    environment = hub_environment(GRADIO_SERVER_PORT=str(port), GRADIO_TEMP_DIR=str(cache))
    log = tmp_path / "log"
    with (
        log.open("w") as output,
        subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=output, stderr=output) as app,
    ):

        def is_up():
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60):
                return True

        try:
            wait_for(is_up)
            (folder,) = cache.iterdir()
            (folder / "photo.jpg").write_bytes(b"a face")
            os.kill(app.pid, number)
            app.wait(60)
        finally:
            app.kill()
    assert not list(cache.iterdir())
    assert "Traceback" not in log.read_text()
