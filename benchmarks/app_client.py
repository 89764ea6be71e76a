"""The app in a subprocess, and a small HTTP client for it that is faster than Gradio's client."""

import base64
import io
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from PIL import Image, ImageChops

from fer.app.server.limits import LIVE_EVERY

ROOT = Path(__file__).parents[1]
"""Path of the top of the repository."""
PHOTO = ROOT / "examples" / "astronaut.jpg"
"""Path of the photo that most benchmarks send."""


@contextmanager
def running_app(root=ROOT):
    """Run `python app.py` on a free port, yield its address and process once the page answers, and end it.

    Args:
        root: folder of the checkout.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": cache}
        with subprocess.Popen(
            [sys.executable, "app.py"], cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as app:
            try:
                url = f"http://127.0.0.1:{port}"
                _wait_for(url, app)
                yield url, app
            finally:
                app.terminate()


def memory(app):
    """Return the resident memory of a process in MB. Needs Linux."""
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{app.pid}/status").read_text())[1]) / 1000


def memory_with_children(app):
    """Return the memory in MB of a process and its child processes; shared memory counts once. Needs Linux."""
    total, pids = 0, [app.pid]
    for children in Path(f"/proc/{app.pid}/task").glob("*/children"):
        with suppress(OSError):  # The thread has ended.
            pids += children.read_text().split()
    for pid in pids:
        with suppress(OSError, TypeError):  # The process has ended.
            shares = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"Pss:\s+(\d+) kB", shares)[1]) / 1000
    return total


def upload(http, photos):
    """Upload photos, and return the objects by which Gradio's API refers to them.

    Args:
        http: `httpx.Client` with the app's address.
        photos: contents of JPEG files.
    """
    files = [("files", ("photo.jpg", content, "image/jpeg")) for content in photos]
    paths = http.post("/gradio_api/upload", files=files).raise_for_status().json()
    return [{"path": path, "orig_name": "photo.jpg", "meta": {"_type": "gradio.FileData"}} for path in paths]


def call(http, name, argument):
    """Call a function of the API with one argument, and return its answer."""
    event = http.post(f"/gradio_api/call/{name}", json={"data": [argument]}).raise_for_status().json()["event_id"]
    answer = http.get(f"/gradio_api/call/{name}/{event}").raise_for_status().text
    if "event: complete" not in answer:
        raise RuntimeError(f"/{name} failed: {answer}")
    return json.loads(answer.rpartition("data: ")[2])[0]


def predict(http, photo):
    """Upload a photo, given as JPEG bytes, and return the answer of `/predict`."""
    return call(http, "predict", upload(http, [photo])[0])


def stream(url, seconds, every=LIVE_EVERY):
    """Stream a moving face as the live page does, and yield the number of answers so far at each answer.

    When the app ends a stream after its time limit, a new one begins.

    Args:
        url: address of the app.
        seconds: seconds to stream.
        every: seconds between two frames.
    """
    frames = [_to_data_url(offset) for offset in range(-60, 60, 6)]
    answered, end = 0, time.monotonic() + seconds
    with httpx.Client(base_url=f"{url}/gradio_api", timeout=60) as http:
        function = next(
            entry["id"]
            for entry in http.get(f"{url}/config").json()["dependencies"]
            if entry["targets"] and entry["targets"][0][1] == "stream"
        )
        while time.monotonic() < end:
            session = uuid.uuid4().hex
            body = {"data": [{"url": frames[0]}, None, "en"], "fn_index": function, "session_hash": session}
            event = http.post("/queue/join", json=body).raise_for_status().json()["event_id"]
            answers = Answers(http, session)
            for frame in itertools.cycle(frames):
                time.sleep(every)
                for _ in range(answers.take()):
                    answered += 1
                    yield answered
                if time.monotonic() >= end:
                    http.post(f"/stream/{event}/close")
                    break
                body["data"][0] = {"url": frame}
                if http.post(f"/stream/{event}", json=body).status_code == 404:
                    break
            answers.join()


class Answers(threading.Thread):
    """Thread that counts the answers in a session until its stream ends."""

    def __init__(self, http, session):
        super().__init__(daemon=True)
        self._http, self._session, self._count, self._lock = http, session, 0, threading.Lock()
        self.start()

    def run(self):
        with self._http.stream("GET", "/queue/data", params={"session_hash": self._session}) as lines:
            for line in lines.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line else {}
                if message.get("msg") == "process_streaming":
                    with self._lock:
                        self._count += 1
                elif message.get("msg") in ("process_completed", "close_stream"):
                    return

    def take(self):
        """Return the number of answers since the last call."""
        with self._lock:
            count, self._count = self._count, 0
        return count


def _to_data_url(offset):
    """Return the photo as the data URL of a camera frame, shifted to the right by `offset` pixels."""
    with Image.open(PHOTO) as photo:
        frame = ImageChops.offset(photo.convert("RGB"), offset, 0).crop((0, 0, 480, 360))
    file = io.BytesIO()
    frame.save(file, "JPEG", quality=92)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _wait_for(url, app):
    """Wait until the page answers; end the benchmark if the app has ended."""
    while app.poll() is None:
        try:
            return httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.05)
    raise SystemExit("The app ended.")
