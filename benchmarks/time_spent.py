"""Where the time of a photo goes: the recognizer's steps in one process, and what the way over HTTP adds to them."""

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
    """The table as Markdown.

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
    times = table(["", "ms a photo"], [[step, spread(values, 2, 1000)] for step, values in runs.items()])
    return f"""\
{times}

Every photo gets a pass of each of the detector's networks, the far one at 384 pixels for a photo of 640. At its own 256
it finds 72 % of faces of 60 to 150 pixels, eight a picture, at 384 96 %, at 448 and 512 99 %, in 31, 40 and 48 ms for
the whole detector (exploration on training pictures, 2 cores). Once it saw six overlapping tiles as well (98 %, 207 ms
on one thread), then the whole picture again at 512 (98 %, 111 ms; 68 ms on two threads). Tried without gain: the far
network's pointwise convolutions in 8 bits (twice as slow on a processor without instructions for it), the classifier as
a frozen graph of TensorFlow, and two interpreters in two threads (LiteRT's Python interface holds Python's lock).

Before the face was classified by LiteRT, Keras on TensorFlow took 12 ms for it on the same machine, a process answered
its first photo after 12 s instead of 0.5, and the app took 1,200 MB of memory instead of 540.

A decoded picture was copied twice, the near network's picture made from the whole photo, boxes compared pair by pair,
and faces cut out in colour: without that a photo with eight faces took 75 ms instead of 103, one with a single face 38
instead of 44, both with an idle app beside it (the first section has them alone).

On the way to its first answer the app spent a second on importing Matplotlib, which Gradio does around each event in
case a function draws; made four web applications instead of one; compiled 225 templates of documentation instead of 37;
and imported PyAV before there was a clip. Without that the page is up after 4.9 s instead of 6.4, the
first photo answered after 5.3 instead of 7.6, and the app takes 368 MB instead of 474. What is left is the import of
Gradio: of 3.8 s 0.6 are its own modules, 0.55 mcp, 0.4 fastapi and 0.4 pandas (`python -X importtime -c "import app"`).

All of this took a photo over HTTP from 55 ms to 50 at the median.

A call without a session of its own begins one, for which Gradio works out the configuration of every component of the
page: 22 % of the app's samples under `/predict` (py-spy), where the recognizer had 25 %. After each event Gradio sums
up all events for its monitoring page, which is closed here; without that a call that computes nothing (`/model`) takes
10 ms instead of 20.

Today Gradio is used as it is, but for the templates (`fer/app/server/startup.py`): it checks a stub file for each of
its components, makes three web applications, and works out the configuration for each session. Beside the version that
left these out, the page is up after 0.5 s more of processor time, and a photo over HTTP takes 5 ms more of it. Where
Matplotlib is installed, which the app does not need, the first answer takes another 0.3 s."""


def _read(reader, photo, seconds):
    """Reads the photo `CALLS` times, as the photo page does, and times each step."""
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
    def run(*arguments, **options):
        began = time.perf_counter()
        answer = function(*arguments, **options)
        seconds[step].append(time.perf_counter() - began)
        return answer

    return run
