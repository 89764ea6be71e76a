"""Run the benchmarks and write their document, docs/benchmarks.md: `make bench DATA=fer2013.zip`.

    python -m benchmarks --data fer2013.zip --peer .venv-peer/bin/python --output docs/benchmarks.md --photos PHOTOS

`--peer` is the interpreter of a virtual environment with PyPI's `fer` 25.10.3. `--photos` is a folder of photos, as
`python -m fer evaluate --photos` takes it; without it the section `photos` is not measured. `--only serving exports`
measures only these sections. Each section is written as soon as it is measured; the other sections of the document
are kept, including those that were copied into it from other benchmarks. All sections take half an hour on 2 cores; the
machine should be idle.
"""

import argparse
import os
import platform
import re
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

from fer.cli.console import quiet_libraries

TITLES = {
    "contest": "Beside PyPI `fer` 25.10.3",
    "photos": "Beside PyPI `fer` 25.10.3, on photos",
    "serving": "The app over HTTP",
    "time": "Where the time goes",
    "training": "Training",
    "exports": "Exports",
    "browser": "In the browser",
}
"""Titles of the sections of the document, by their name in `--only`."""


def main():
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="PATH", help="folder, zip or CSV of FER2013")
    parser.add_argument("--peer", required=True, metavar="PYTHON", help="interpreter that has PyPI fer")
    parser.add_argument("--output", required=True, metavar="FILE", help="Markdown file to write")
    parser.add_argument("--only", nargs="+", choices=TITLES, help="sections to measure anew (default: all)")
    parser.add_argument("--photos", metavar="FOLDER", help="photos of faces, <set>/<label>/*, for the section photos")
    options = parser.parse_args()
    if options.only is None:
        options.only = [section for section in TITLES if section != "photos" or options.photos]
    if "photos" in options.only and not options.photos:
        parser.error("the section photos needs --photos FOLDER. Received: none")
    quiet_libraries()

    from benchmarks.contest import measure_contest, write_astronaut
    from benchmarks.exports import measure_exports
    from benchmarks.in_browser import measure_in_browser
    from benchmarks.photo_contest import measure_photo_contest
    from benchmarks.serving import measure_serving
    from benchmarks.time_spent import measure_time_spent
    from benchmarks.training_overhead import measure_training_overhead

    document = Path(options.output)
    with tempfile.TemporaryDirectory() as pictures:
        photo = write_astronaut(Path(pictures))
        measures = {
            "contest": lambda: measure_contest(options.data, options.peer, photo, photo.parent),
            "photos": lambda: measure_photo_contest(options.photos, options.peer),
            "serving": lambda: measure_serving(photo),
            "time": lambda: measure_time_spent(photo),
            "training": lambda: measure_training_overhead(options.data),
            "exports": lambda: measure_exports(options.data),
            "browser": lambda: measure_in_browser(options.data),
        }
        for section in options.only:
            print(section, flush=True)
            began = time.monotonic()
            text = measures[section]()
            minutes = (time.monotonic() - began) / 60
            written = read_sections(document) if document.exists() else {}
            measured = f"Measured on {date.today()} in {minutes:.1f} minutes on {describe_machine()}."
            written[TITLES[section]] = f"{text}\n\n{measured}\n"
            document.write_text(render_document(written), encoding="utf-8")


def describe_machine():
    """Return the number of cores and the model name of the processor, or its architecture if the name is unknown."""
    file = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)", file.read_text(), re.MULTILINE) if file.exists() else []
    return f"{os.cpu_count()} cores ({names[0] if names else platform.machine()})"


def describe_document():
    """Return the introduction of the document."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("gradio", "keras", "numpy", "pillow"))
    return f"""\
# Benchmarks

For readers who ask how fast the project is and how much memory it takes.

Written by `make bench DATA=fer2013.zip PHOTOS=FOLDER`, except for the sections that name another command. Python
{platform.python_version()}, {packages}.

A number before brackets is the median of five runs (exports: seven); the brackets hold the lowest and the highest.
Sections may come from different machines, so compare ratios within a section. Times and memory depend on the shape of
the bundled network, which has not changed so far; accuracies are those of the network bundled on the day of a section.
"""


def render_document(sections):
    """Return the text of the document: sections of `TITLES` in their order, and then all others.

    Args:
        sections: texts by title, as `read_sections` returns them.
    """
    ordered = [title for title in TITLES.values() if title in sections]
    ordered += [title for title in sections if title not in ordered]
    return "\n".join([describe_document(), *(f"## {title}\n\n{sections[title]}" for title in ordered)])


def read_sections(document):
    """Return the text of each section of a document, by title."""
    parts = document.read_text(encoding="utf-8").split("\n## ")[1:]
    return {title: text.strip("\n") + "\n" for title, _, text in (part.partition("\n") for part in parts)}


if __name__ == "__main__":
    main()
