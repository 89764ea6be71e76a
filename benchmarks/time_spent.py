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
    times = table(["", "ms a photo"], [[step, spread(values, 2, 1000)] for step, values in runs.items()])
    return f"""\
{times}

Both networks of the detector run once per photo, the far one at 384 pixels for a photo of 640. On pictures with eight
faces of 60 to 150 pixels, the far network at its own 256 pixels finds 72 % of the faces; at 384 pixels it finds 96 %,
and at 448 and 512 pixels 99 %. The whole detector takes 31, 40 and 48 ms at 384, 448 and 512 pixels (measured on
training pictures, 2 cores). Earlier versions also ran it on six overlapping tiles (98 %, 207 ms on one thread), and
later on the whole picture again at 512 pixels (98 %, 111 ms; 68 ms on two threads). Three attempts gained nothing:
8-bit pointwise convolutions in the far network (twice as slow on a processor without instructions for them), the
classifier as a frozen TensorFlow graph, and two interpreters in two threads (LiteRT's Python interface holds Python's
global lock).

Before LiteRT classified the faces, Keras on TensorFlow did: it took 12 ms per face on the same machine, a process
answered its first photo after 12 s instead of 0.5 s, and the app needed 1,200 MB of memory instead of 540 MB.

Four changes brought a photo with eight faces from 103 to 75 ms, and one with a single face from 44 to 38 ms, both
with an idle app on the same machine (the first section has the times without it): the decoded picture is no longer
copied twice, the near network's input is no longer made from the whole photo, boxes are no longer compared pair by
pair, and faces are no longer cut out in colour.

Before its first answer, the app used to spend a second on importing Matplotlib (Gradio does so around each event, in
case a function draws a plot), made four web applications instead of one, compiled 225 templates of documentation
instead of 37, and imported PyAV before there was a clip. Without that the page was up after 4.9 s instead of 6.4 s,
the first photo was answered after 5.3 s instead of 7.6 s, and the app needed 368 MB instead of 474 MB. What is left
is the import of Gradio: 3.8 s, of which 0.6 s are its own modules, 0.55 s mcp, 0.4 s fastapi and 0.4 s pandas
(`python -X importtime -c "import app"`).

All of this lowered the median time of a photo over HTTP from 55 to 50 ms.

A call without a session begins a new one, for which Gradio computes the configuration of every component of the page:
22 % of the app's samples under `/predict` (py-spy), where the recognizer had 25 %. After each event Gradio also
summarises all events for its monitoring page, which is closed here; without that a call that computes nothing
(`/model`) took 10 ms instead of 20 ms.

Today Gradio is used as it is, except for the templates (`fer/app/server/startup.py`): it checks a stub file for each
of its components, makes three web applications, and computes the configuration for each session. Compared with the
version that left these out, the page takes 0.5 s more processor time until it is up, and a photo over HTTP takes 5 ms
more. If Matplotlib is installed, which the app does not need, the first answer takes another 0.3 s."""


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
