"""Test for memory growth of the app during a live stream, and then during many photos, from one client each.

    python -m benchmarks.memory --minutes 30 --photos 5000

Starts the app, and prints its resident memory once a minute. At the end it prints the ratio to the memory after the
first hundred frames, or the first hundred photos. Needs Linux.
"""

import argparse
import math
import time

import httpx

from benchmarks.app_client import PHOTO, memory, predict, running_app, stream

FIRST = 100
"""Number of frames, and of photos, before the first measurement, which fill caches."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30, help="of live stream (default %(default)s)")
    parser.add_argument("--photos", type=int, default=5000, help="in a row (default %(default)s)")
    options = parser.parse_args()
    with running_app() as (url, app), httpx.Client(base_url=url, timeout=60) as http:
        predict(http, PHOTO.read_bytes())  # Waits until the model is loaded.
        print(f"{'':8}{'minutes':>8}{'count':>8}{'MB':>8}")
        for name, counts in (("frames", stream(url, 60 * options.minutes)), ("photos", send(http, options.photos))):
            first, last = watch(app, name, counts)
            print(f"{last / first:.2f} times the memory after the first {FIRST} {name}.")


def watch(app, name, counts):
    """Print the memory of a process after the first hundred items, then once a minute, and at the end.

    Args:
        app: process.
        name: name of the items.
        counts: iterable that yields the number of items so far after each item.

    Returns:
        The memory in MB after the first hundred items (NaN if there were fewer), and at the end.
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
    """Send a photo `count` times, one after the other, and yield the number of answers so far."""
    photo = PHOTO.read_bytes()
    for number in range(1, count + 1):
        predict(http, photo)
        yield number


if __name__ == "__main__":
    main()
