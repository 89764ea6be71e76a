"""All benchmarks, as docs/benchmarks.md: `make bench DATA=fer2013.zip`.

    python -m benchmarks --data fer2013.zip --peer .venv-peer/bin/python --output docs/benchmarks.md

`--peer` is the interpreter of a virtual environment with PyPI `fer` 25.10.3. Half an hour on 2 cores, which should have
nothing else to do.
"""

import argparse
import os
import platform
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

from fer.console import quiet_libraries


def main():
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="PATH", help="folder, zip or CSV of FER2013")
    parser.add_argument("--peer", required=True, metavar="PYTHON", help="interpreter that has PyPI fer")
    parser.add_argument("--output", required=True, metavar="FILE", help="Markdown file to write")
    options = parser.parse_args()
    quiet_libraries()

    from benchmarks.contest import measure_contest, write_astronaut
    from benchmarks.exports import measure_exports
    from benchmarks.serving import measure_serving
    from benchmarks.time_spent import measure_time_spent
    from benchmarks.training_overhead import measure_training_overhead

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        photo = write_astronaut(Path(folder))
        sections = {
            "Beside PyPI `fer` 25.10.3": lambda: measure_contest(options.data, options.peer, Path(folder)),
            "The app over HTTP": lambda: measure_serving(photo),
            "Where the time goes": lambda: measure_time_spent(photo),
            "Training": lambda: measure_training_overhead(options.data),
            "Exports": lambda: measure_exports(options.data),
        }
        parts = []
        for title, measure in sections.items():
            print(f"{(time.monotonic() - began) / 60:.0f} min: {title}", flush=True)
            parts.append(f"## {title}\n\n{measure()}\n")
    packages = ", ".join(f"{name} {version(name)}" for name in ("gradio", "keras", "numpy", "pillow"))
    minutes = (time.monotonic() - began) / 60
    head = f"""\
# Benchmarks

Written by `make bench DATA=fer2013.zip` on {date.today()} in {minutes:.0f} minutes, on {os.cpu_count()} cores
({platform.machine()}), Python {platform.python_version()}, {packages}. A figure in front of brackets is the
median of five runs (exports: seven), those in brackets are the lowest and the highest.
"""
    Path(options.output).write_text("\n".join([head, *parts]), encoding="utf-8")


if __name__ == "__main__":
    main()
