"""Benchmark of the app over HTTP: start, latency with one client and with many, throughput, memory."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np

from benchmarks.app_client import call, predict, running_app, stream, upload
from benchmarks.memory import FIRST, send, watch
from benchmarks.tables import RUNS, spread, table

CLIENTS = {1: 100, 8: 160, 32: 320}
"""Number of photos per run, by number of clients at once."""
BATCH = 100
"""Number of photos in a call of `/predict_batch`."""
STREAM_SECONDS = 8
"""Seconds of a live stream."""
PHOTOS = 5000
"""Number of photos after which the memory is measured."""


def measure_serving(photo):
    """Measure the app, and return the tables as Markdown.

    Args:
        photo: path of a JPEG of 640x480 pixels with one face.
    """
    content = photo.read_bytes()
    pages, answers = [], []
    for _ in range(RUNS):
        began = time.perf_counter()
        with running_app() as (url, _), httpx.Client(base_url=url, timeout=60) as http:
            pages.append(time.perf_counter() - began)
            predict(http, content)
            answers.append(time.perf_counter() - began)
    with running_app() as (url, app), httpx.Client(base_url=url, timeout=60) as http:
        predict(http, content)
        latencies = {count: [measure_clients(url, content, count) for _ in range(RUNS)] for count in CLIENTS}
        batches = [measure_batch(http, content) for _ in range(RUNS)]
        frames = {every: [measure_stream(url, every) for _ in range(RUNS)] for every in (1 / 5, 1 / 30)}
        before, after = watch(app, "photos", send(http, PHOTOS))
    start = table(
        ["after `python app.py`, s", ""],
        [["page up", spread(pages, 2)], ["first answer of `/predict`", spread(answers, 2)]],
    )
    times = table(
        ["clients", "p50, ms", "p95, ms", "p99, ms", "photos per second"],
        [
            [str(count), *(spread([run[index] for run in runs], 0, 1000) for index in range(3)),
             spread([run[3] for run in runs], 1)]
            for count, runs in latencies.items()
        ],
    )  # fmt: skip
    rates = table(
        ["", "per second"],
        [
            [f"`/predict_batch`, {BATCH} photos", spread(batches, 1)],
            ["live, the page's 5 frames per second", spread(frames[1 / 5], 1)],
            ["live, 30 frames per second sent", spread(frames[1 / 30], 1)],
        ],
    )
    sizes = ", ".join(f"{most} photos with {count}" for count, most in CLIENTS.items())
    return f"""\
{start}

`/predict` of a photo of 640x480 pixels with one face, upload and answer included; clients on the same machine.
Percentiles of each run ({sizes}); the table has their median over {RUNS} runs, the lowest and
the highest.

{times}

{rates}

Memory after {FIRST} photos: {before:,.0f} MB; after {PHOTOS:,}: {after:,.0f} MB, {after / before:.2f} times as much."""


def measure_clients(url, photo, count):
    """Let several clients at once send photos, each one after the other.

    Returns:
        The 50th, 95th and 99th percentile of the latency in seconds, and the photos per second.
    """

    def work(_):
        seconds = []
        with httpx.Client(base_url=url, timeout=120) as http:
            for _ in range(CLIENTS[count] // count):
                began = time.perf_counter()
                predict(http, photo)
                seconds.append(time.perf_counter() - began)
        return seconds

    began = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        seconds = [value for values in pool.map(work, range(count)) for value in values]
    return *np.percentile(seconds, [50, 95, 99]), len(seconds) / (time.perf_counter() - began)


def measure_batch(http, photo):
    """Return the photos per second of one call of `/predict_batch`, without the upload."""
    files = upload(http, [photo] * BATCH)
    began = time.perf_counter()
    rows = call(http, "predict_batch", files)
    if len(rows) != BATCH:
        raise RuntimeError(f"{BATCH} faces expected. Received: {len(rows)}")
    return BATCH / (time.perf_counter() - began)


def measure_stream(url, every):
    """Return the answered frames per second of a live stream with a frame every `every` seconds."""
    began = time.monotonic()
    count = max(stream(url, STREAM_SECONDS, every), default=0)
    return count / (time.monotonic() - began)
