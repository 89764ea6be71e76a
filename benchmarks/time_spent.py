"""Time of each step of recognizing a photo, in one process, and the time that HTTP adds."""

import statistics
import time
from contextlib import ExitStack
from unittest.mock import patch

import httpx

from benchmarks.app_client import call, predict, running_app, upload
from benchmarks.tables import RUNS, spread, table
from fer.detection import blazeface as faces
from fer.images.drawing import draw_faces
from fer.images.loading import load_image
from fer.recognition import recognizer

CALLS = 60
"""Number of calls per run."""
STEPS = (
    "decode the JPEG",
    "make the picture smaller",
    "near detector's pass",
    "far detector's pass",
    "cut and turn the face",
    "classify the face",
    "all of the recognizer",
    "upload over HTTP",
    "`/predict` over HTTP, without upload",
    "draw the boxes, on the page alone",
    "encode the drawn picture as JPEG, on the page alone",
)


def measure_time_spent(photo):
    """Measure the steps, and return the table as Markdown.

    Args:
        photo: path of a JPEG of 640x480 pixels with one face.
    """
    runs = {step: [] for step in STEPS}
    reader = recognizer.Recognizer.load()
    reader.recognize(load_image(photo))  # Loads the far network for 640 pixels.
    content = photo.read_bytes()
    with running_app() as (url, _), httpx.Client(base_url=url, timeout=60) as http:
        predict(http, content)
        for _ in range(RUNS):
            seconds = {step: [] for step in STEPS}
            _read(reader, photo, seconds)
            for _ in range(CALLS):
                (file,) = _timed(seconds, "upload over HTTP", upload)(http, [content])
                _timed(seconds, "`/predict` over HTTP, without upload", call)(http, "predict", file)
            for step, values in seconds.items():
                runs[step].append(statistics.median(values))
    times = table(["", "ms per photo"], [[step, spread(values, 2, 1000)] for step, values in runs.items()])
    return f"""\
{times}

Both networks of the detector run once per photo, the far one at 384 pixels for a photo of 640: at its own 256 pixels it
misses many faces of 60 to 150 pixels. Most of the app's start is the import of Gradio (`python -X importtime -c "import
app"`). A call without a session begins a new one, for which Gradio computes the configuration of every component of the
page; `fer/app/server/startup.py` has what is changed about Gradio's start, and what that gains. If Matplotlib is
installed, which the app does not need, Gradio imports it before the first answer."""


def _read(reader, photo, seconds):
    """Recognize the photo `CALLS` times as the photo page does, and append the seconds of each step."""
    steps = {
        "make the picture smaller": (faces, "_shrink"),
        "near detector's pass": (reader.detector._near, "detect"),
        "far detector's pass": (reader.detector._far[384], "detect"),
        "cut and turn the face": (recognizer, "crop_face"),
        "classify the face": (recognizer, "classify"),
    }
    with ExitStack() as stack:
        for step, (owner, name) in steps.items():
            stack.enter_context(patch.object(owner, name, _timed(seconds, step, getattr(owner, name))))
        for _ in range(CALLS):
            image = _timed(seconds, "decode the JPEG", load_image)(photo)
            found = _timed(seconds, "all of the recognizer", reader.recognize)(image)
            drawn = _timed(seconds, "draw the boxes, on the page alone", draw_faces)(image, found)
            save = _timed(seconds, "encode the drawn picture as JPEG, on the page alone", drawn.save)
            save(photo.with_name("drawn.jpg"), quality=75)


def _timed(seconds, step, function):
    """Return a function that calls another one and appends the seconds of the call."""

    def run(*arguments, **options):
        began = time.perf_counter()
        answer = function(*arguments, **options)
        seconds[step].append(time.perf_counter() - began)
        return answer

    return run
