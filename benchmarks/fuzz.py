"""Fuzz test: no input may crash the code that reads it, or take more time or memory than allowed.

    python -m benchmarks.fuzz --output docs/fuzz.md

Generates 10,000 inputs, each determined by the seed, its kind and its number, and reads them in one process per core. A
process that crashes, or that takes half a minute for one input, is replaced, and the input is reported. To read one
input again:

    python -m benchmarks.fuzz --only photos:17

Needs Linux, whose /proc has the peak memory of a process.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from multiprocessing import Pipe
from pathlib import Path
from queue import Empty, SimpleQueue

from benchmarks.app_client import ROOT
from benchmarks.tables import table

SECONDS, MEGABYTES = 5, 500
"""Limits of one input, in seconds of processor time and in MB added to the process; more is a failure."""
PATIENCE, MOST_MEMORY = 30, 4_000_000_000
"""Seconds without an answer after which a process is ended, and limit of its address space in bytes."""
SHARES = {
    "photos": 0.25, "photos, in the app": 0.15, "bombs": 0.02, "zips": 0.15, "clips": 0.1, "pictures": 0.03,
    "values": 0.22, "requests": 0.08,
}  # fmt: skip
"""Shares of all inputs, by kind."""
COLUMNS = "ok", "refused", "exception", "crash", f"over {SECONDS} s", f"over {MEGABYTES} MB"
KINDS = """\
- photos: small pictures of all formats that are read, with flipped bits, changed numbers, cuts and pieces of each
  other, decoded as the command line does; "in the app": by its decoder processes.
- bombs: pictures that are small to send and expensive to decode: scans, padding, metadata, comments, chunks, runs,
  strips and tiles, 50 megapixels of one colour.
- zips: odd names, packings and sizes, a zip in a zip, changed numbers in their headers; all pictures are opened.
- clips: MP4, MOV, MKV, WebM, AVI and MPEG-TS, damaged in the same ways, then decoded.
- pictures: noise, one colour, one pixel, a mosaic of faces; read by the networks.
- values: JSON for every function of the app, public or private, by number, by name and as a tool of MCP, over HTTP.
- requests: damaged requests of the page and the API, byte by byte."""


def main():
    parser = argparse.ArgumentParser("python -m benchmarks.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=2013, help="of all inputs (default %(default)s)")
    parser.add_argument("--count", type=int, default=10_000, help="of inputs (default %(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="Markdown file whose first section is the table")
    parser.add_argument("--only", metavar="KIND[:NUMBER]", help="one kind, or one input of it")
    options = parser.parse_args()
    kind, _, number = (options.only or "").partition(":")
    if kind and kind not in SHARES:
        parser.error(f"--only must be one of {', '.join(SHARES)}. Received: {kind}")
    counts = {name: round(share * options.count) for name, share in SHARES.items() if name == (kind or name)}
    # Mix the kinds, so that the slow ones do not all come at the end.
    inputs = sorted(((name, one) for name, count in counts.items() for one in range(count)),
                    key=lambda place: (place[1] / counts[place[0]], place[0]))  # fmt: skip
    began, results = time.monotonic(), read_all(options.seed, [(kind, int(number))] if number else inputs)
    text = describe(results, f"--seed {options.seed} --count {options.count}", time.monotonic() - began)
    print(text)
    if options.output:
        rest = options.output.read_text(encoding="utf-8").partition("\n## ") if options.output.exists() else ("",) * 3
        options.output.write_text(f"{text}{rest[1]}{rest[2]}", encoding="utf-8")
    sys.exit(any(row["result"] in COLUMNS[2:] for row in results))


def read_all(seed, inputs):
    """Give inputs to one process per core.

    Args:
        seed: seed of all inputs.
        inputs: pairs of kind and number.

    Returns:
        A list of dicts: `kind`, `number`, and the result of `Reader.read`.
    """
    queue, results = SimpleQueue(), []
    for place in inputs:
        queue.put(place)

    def work(_):
        reader = Reader(seed)
        try:
            while True:
                kind, number = queue.get_nowait()
                row = {"kind": kind, "number": number, **reader.read(kind, number)}
                results.append(row)
                if row["result"] in COLUMNS[2:] or len(inputs) == 1:
                    print(json.dumps(row, indent=1).replace("\\n", "\n"), flush=True)
        except Empty:
            reader.end()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, range(os.cpu_count())))
    return results


def describe(results, options, seconds):
    """Return the first section of the document as Markdown."""
    counts = Counter((row["kind"], row["result"]) for row in results)
    kinds = [kind for kind in SHARES if any(counts[kind, column] for column in COLUMNS)]
    rows = [[kind, str(sum(counts[kind, column] for column in COLUMNS)),
             *(str(counts[kind, column]) for column in COLUMNS)] for kind in kinds]  # fmt: skip
    total = Counter(row["result"] for row in results)
    rows.append(["**all**", *(f"**{count}**" for count in (len(results), *(total[column] for column in COLUMNS)))])
    slowest, largest = (max((row.get(key, 0) for row in results), default=0) for key in ("seconds", "megabytes"))
    return f"""\
# Malformed inputs

For operators: what happens to {len(results):,} damaged or hostile inputs, and how soon others get answers meanwhile.

`python -m benchmarks.fuzz {options}`,
measured on {date.today()} in {seconds / 60:.0f} minutes on {os.cpu_count()} cores:

{table(["", "inputs", *COLUMNS], rows)}

A refused input was answered with an error message of one line. Seconds are processor time; an input without an answer
after {PATIENCE} s counts as too slow as well. Memory is what an input adds to the process that reads it, or the memory
of a decoder process, if that is more. The slowest input took {slowest:.1f} s, the largest {largest:.0f} MB.

{KINDS}
"""


class Reader:
    """Handle of a process of `benchmarks.fuzz_reader`, which reads inputs."""

    def __init__(self, seed):
        self._seed, self._process = seed, None

    def read(self, kind, number):
        """Read an input, and return a dict: `result`, one of `COLUMNS`, and `seconds`, `megabytes` and `text`."""
        if self._process is None:
            self._start()
        try:
            self._connection.send((kind, number))
            self._connection.recv()  # The input has been generated, and networks and app have been loaded.
            if self._connection.poll(PATIENCE):
                return self._connection.recv()
            result = {"result": COLUMNS[4], "text": f"no answer after {PATIENCE} s"}
        except (EOFError, OSError):
            result = {"result": "crash", "text": f"exit status {self._process.wait()}"}
        result["text"] += "\n" + Path(self._folder.name, "log").read_text(errors="replace")[-4000:]
        self.end()
        return result

    def end(self):
        """End the process; the next input starts a new one."""
        if self._process:
            self._connection.close()
            self._process.kill()
            self._process.wait()
            self._folder.cleanup()
        self._process = None

    def _start(self):
        self._connection, theirs = Pipe()
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        with theirs, open(Path(self._folder.name, "log"), "ab") as log:
            command = [sys.executable, "-m", "benchmarks.fuzz_reader", str(theirs.fileno()), str(self._seed)]
            environment = {**os.environ, "GRADIO_TEMP_DIR": self._folder.name, "FER_FUZZ_LOG": log.name}
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, pass_fds=[theirs.fileno()], stdout=log, stderr=log
            )


if __name__ == "__main__":
    main()
