"""Whether the app's memory grows: minutes of live stream, then photos in a row, each from one client.

    python -m benchmarks.memory --minutes 30 --photos 5000

starts the app and prints its resident memory once a minute, and in the end its ratio to that after the first hundred
frames and the first hundred photos. Needs Linux.
"""

import argparse
import math
import time

import httpx

from benchmarks.app_client import PHOTO, memory, predict, running_app, stream

FIRST = 100
"""Frames and photos before memory counts: until then caches fill."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30, help="of live stream (default %(default)s)")
    parser.add_argument("--photos", type=int, default=5000, help="in a row (default %(default)s)")
    options = parser.parse_args()
    with running_app() as (url, app), httpx.Client(base_url=url, timeout=60) as http:
        predict(http, PHOTO.read_bytes())  # The model is there then.
        print(f"{'':8}{'minutes':>8}{'count':>8}{'MB':>8}")
        for name, counts in (("frames", stream(url, 60 * options.minutes)), ("photos", send(http, options.photos))):
            first, last = watch(app, name, counts)
            print(f"{last / first:.2f} times the memory after the first {FIRST} {name}.")


def watch(app, name, counts):
    """Prints a process' memory after the first hundred, then once a minute, and at the end.

    Args:
        app: the process.
        name: of what is counted.
        counts: iterable of 1, 2, 3 and so on.

    Returns:
        The memory in MB after the first hundred, NaN if there were no hundred, and at the end.
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
    return first, row()


def send(http, count):
    """Sends a photo so many times, one after the other; yields how many were answered."""
    photo = PHOTO.read_bytes()
    for number in range(1, count + 1):
        predict(http, photo)
        yield number


if __name__ == "__main__":
    main()
