"""Measure how long an ordinary photo takes while other clients attack the app, and compare it with an earlier version.

    git worktree add --detach /tmp/before COMMIT
    python -m benchmarks.attack --before /tmp/before --output docs/fuzz.md

Two clients at a time send the app a mosaic of 1,024 faces, JPEGs with very many scans, and other pictures that are
expensive to decode. Meanwhile another client sends an ordinary photo again and again. Afterwards this photo is sent to
this version and to the earlier one in turns. Needs Linux.
"""

import argparse
import os
import statistics
import threading
import time
from contextlib import ExitStack, suppress
from datetime import date
from pathlib import Path
from random import Random

import httpx

from benchmarks.__main__ import read_sections
from benchmarks.app_client import PHOTO, memory_with_children, predict, running_app
from benchmarks.odd_inputs import bomb, encode, jpeg_scans, mosaic
from benchmarks.tables import RUNS, spread, table

ATTACKERS, SECONDS, BOMBS = 2, 20, 40
"""Number of simultaneous attackers, seconds of each attack, and number of different bombs."""
PHOTOS = 100
"""Number of photos that each version gets per run."""
TITLE = "Answers under attack"
"""Title of the section in the document."""


def main():
    parser = argparse.ArgumentParser("python -m benchmarks.attack", description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="checkout of an earlier version")
    parser.add_argument("--output", type=Path, metavar="FILE", help="Markdown file whose section is replaced")
    options = parser.parse_args()
    text = measure_attacks()
    if options.before:
        text += f"\n\n{measure_photo(options.before)}"
    text += f"\n\n`python -m benchmarks.attack`, measured on {date.today()} on {os.cpu_count()} cores.\n"
    print(text)
    if options.output:
        whole = options.output.read_text(encoding="utf-8") if options.output.exists() else ""
        sections = read_sections(options.output) if whole else {}
        sections[TITLE] = text
        parts = [f"## {title}\n\n{content}" for title, content in sections.items()]
        options.output.write_text("\n".join([whole.partition("\n## ")[0], *parts]), encoding="utf-8")


def measure_attacks():
    """Run each attack on a fresh app, and return the table as Markdown."""
    random = Random(2013)
    attacks = {
        "no attack": [],
        "a mosaic of 1,024 faces": [encode(mosaic(32, 64), "JPEG")],
        "JPEGs of 100,000 scans": [jpeg_scans(random, 1000, 100_000)],
        "JPEGs of as many scans as they may have": [jpeg_scans(random, 1000, 580), jpeg_scans(random, 6900, 2)],
        "bombs": [bomb(random) for _ in range(BOMBS)],
    }
    rows = []
    for name, files in attacks.items():
        seconds, sent, megabytes = measure_attack(files)
        rows.append([name, str(sent), str(len(seconds)), f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}",
                     f"{megabytes:.0f}"])  # fmt: skip
    headers = ["", "attacks", "photos answered meanwhile", "median, s", "slowest, s", "memory at most, MB"]
    return f"""\
{ATTACKERS} clients attack for {SECONDS} s while another one sends an ordinary photo to `/predict`, upload included.
Memory is that of the app and all its processes.

{table(headers, rows)}"""


def measure_attack(files):
    """Run an attack.

    Args:
        files: contents of the files that the attackers send in turn; empty for no attack.

    Returns:
        Seconds of each ordinary photo, the number of files that were sent, and the highest memory in MB.
    """
    photo, seconds, sent, most, end = PHOTO.read_bytes(), [], [], [], threading.Event()
    with running_app() as (url, app):

        def attack(start):
            with httpx.Client(base_url=url, timeout=120) as http:
                number = start
                while not end.is_set():
                    with suppress(RuntimeError):  # The app has refused the file.
                        predict(http, files[number % len(files)])
                    sent.append(number)
                    number += ATTACKERS

        def watch():
            while not end.wait(0.02):
                most.append(memory_with_children(app))

        with httpx.Client(base_url=url, timeout=120) as http:
            for _ in range(5):
                predict(http, photo)
            threads = [threading.Thread(target=attack, args=(number,)) for number in range(ATTACKERS) if files]
            threads.append(threading.Thread(target=watch))
            for thread in threads:
                thread.start()
            try:
                until = time.monotonic() + SECONDS
                while time.monotonic() < until:
                    began = time.perf_counter()
                    predict(http, photo)
                    seconds.append(time.perf_counter() - began)
            finally:  # Even if an answer fails: the threads would keep this process alive.
                end.set()
                for thread in threads:
                    thread.join()
    return seconds, len(sent), max(most)


def measure_photo(before):
    """Send a photo to this version and to an earlier one in turns, and return a sentence that compares the times."""
    photo, medians = PHOTO.read_bytes(), ([], [])
    with ExitStack() as stack:
        clients = []
        for arguments in ((before,), ()):
            url, _ = stack.enter_context(running_app(*arguments))
            clients.append(stack.enter_context(httpx.Client(base_url=url, timeout=120)))
        for http in clients * 10:
            predict(http, photo)
        for _ in range(RUNS):
            seconds = [], []
            for _ in range(PHOTOS):
                for http, own in zip(clients, seconds, strict=True):
                    began = time.perf_counter()
                    predict(http, photo)
                    own.append(time.perf_counter() - began)
            for own, each in zip(medians, seconds, strict=True):
                own.append(statistics.median(each))
    ratios = [now / then for then, now in zip(*medians, strict=True)]
    return (
        f"The same photo without an attack, {PHOTOS} times in each of {RUNS} runs in turns with an earlier version: "
        f"{spread(medians[1], 1, 1000)} ms against {spread(medians[0], 1, 1000)}, {spread(ratios, 3)} times as long."
    )


if __name__ == "__main__":
    main()
