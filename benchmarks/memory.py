"""Whether the app's memory grows: minutes of live stream, then photos in a row, each from one client.

    python -m benchmarks.memory --minutes 30 --photos 3000

starts the app and prints its resident memory once a minute, and in the end its ratio to that after the first hundred
frames and the first hundred photos. Needs Linux.
"""

import argparse
import base64
import io
import itertools
import json
import math
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import httpx
from gradio_client import Client, handle_file
from PIL import Image, ImageChops

from pages.limits import LIVE_EVERY

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "examples" / "astronaut.jpg"
FIRST = 100
"""Frames and photos before memory counts: until then caches fill."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30, help="of live stream (default %(default)s)")
    parser.add_argument("--photos", type=int, default=3000, help="in a row (default %(default)s)")
    options = parser.parse_args()
    with socket.socket() as probe, tempfile.TemporaryDirectory() as cache:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": cache}
        with subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment) as app:
            try:
                measure(f"http://127.0.0.1:{port}", app, options)
            finally:
                app.terminate()


def measure(url, app, options):
    """Prints the table and the two ratios."""
    wait_for(url, app)
    client = Client(url, verbose=False)
    client.predict(handle_file(PHOTO), api_name="/predict")  # The model is there then.
    print(f"{'':8}{'minutes':>8}{'count':>8}{'MB':>8}")
    ratios = [
        watch(app, "frames", stream(url, 60 * options.minutes)),
        watch(app, "photos", send_photos(client, options.photos)),
    ]
    print(f"Live: {ratios[0]:.2f} times the memory after the first {FIRST} frames.")
    print(f"Photos: {ratios[1]:.2f} times the memory after the first {FIRST} photos.")


def watch(app, name, counts):
    """Prints a process' memory after the first hundred, then once a minute, and at the end.

    Args:
        app: the process.
        name: of what is counted.
        counts: iterable of 1, 2, 3 and so on.

    Returns:
        The memory at the end in relation to that after the first hundred; NaN if there were no hundred.
    """
    start, first, due = time.monotonic(), math.nan, math.inf

    def row():
        print(f"{name:8}{(time.monotonic() - start) / 60:8.1f}{count:8}{memory(app):8.0f}", flush=True)
        return memory(app)

    count = 0
    for count in counts:
        if count == FIRST:
            first, due = row(), time.monotonic() + 60
        elif time.monotonic() >= due:
            row()
            due += 60
    return row() / first


def send_photos(client, count):
    """Sends a photo so many times, one after the other; yields how many were answered."""
    for number in range(1, count + 1):
        client.predict(handle_file(PHOTO), api_name="/predict")
        yield number


def stream(url, seconds):
    """Streams a moving face as the page does, again after each time limit of the app; yields the count of the answered
    frames, one by one."""
    frames = [to_data_url(offset) for offset in range(-60, 60, 6)]
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
                time.sleep(LIVE_EVERY)
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
    """Listens to a session's answers until its stream ends, and counts them."""

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
        """How many were answered since it was last asked."""
        with self._lock:
            count, self._count = self._count, 0
        return count


def to_data_url(offset):
    """The photo as a camera would send it, moved sideways by some pixels."""
    with Image.open(PHOTO) as photo:
        frame = ImageChops.offset(photo.convert("RGB"), offset, 0).crop((0, 0, 480, 360))
    file = io.BytesIO()
    frame.save(file, "JPEG", quality=92)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def memory(app):
    """Resident memory of a process in MB."""
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{app.pid}/status").read_text())[1]) / 1000


def wait_for(url, app):
    while app.poll() is None:
        try:
            return httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.5)
    raise SystemExit("The app ended.")


if __name__ == "__main__":
    main()
