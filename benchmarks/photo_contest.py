"""Comparison with PyPI's `fer` 25.10.3 on whole photos of faces with known expressions."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.app_client import ROOT
from benchmarks.contest import OURS, Contender, list_commands
from benchmarks.tables import table
from fer.data.photos import list_photo_sets
from fer.evaluation.photos import PhotoAnswer, measure_answers
from fer.labels import EMOTIONS
from fer.models.config import load_config
from fer.models.model_folder import BUNDLED


def measure_photo_contest(folder, peer):
    """Measure all contenders on sets of photos, and return the tables as Markdown.

    Args:
        folder: photos, as `fer.data.photos.list_photo_sets` takes them.
        peer: interpreter of the virtual environment in which PyPI's `fer` is installed.
    """
    sets = list_photo_sets(folder)
    calibration = load_config(BUNDLED).calibration
    found, accuracy = [], []
    for name, command in list_commands(peer).items():
        with Contender(*command) as contender:
            answers, seconds = zip(*(_read(contender, photos) for photos in sets), strict=True)
        measured = measure_answers(answers, sets, EMOTIONS, calibration)
        rows = list(measured["sets"].values())
        photos = sum(row["n"] for row in rows)
        speed = f"{photos / sum(seconds):.0f}"
        found.append([name, *(f"{row['found'] / row['n']:.0%}" for row in rows), speed])
        accuracy.append(
            [
                name,
                *(f"{row['balanced_accuracy']:.0%}" for row in rows),
                *(f"**{measured['mean'][key]:.0%}**" for key in ("balanced_accuracy", "balanced_accuracy_all")),
            ]
        )
    found.append([f"{OURS}, `fer predict FOLDER`", *["as above"] * len(sets), f"{photos / _time_command(folder):.0f}"])
    names = [f"{photos.name} ({len(photos.paths)})" for photos in sets]
    fewer = [photos for photos in sets if len(set(photos.labels)) < len(EMOTIONS)]
    labels = "".join(f" {photos.name} has only {' and '.join(sorted(set(photos.labels)))}." for photos in fewer)
    return f"""\
Balanced accuracy on {photos:,} whole photos, of several faces the largest: among the labels that a set has, and in the
last column among all seven. A photo in which no face is found counts as wrong.{labels}

{table(["", *names, "mean", "mean, all seven"], accuracy)}

Photos in which a face was found, and photos per second, one run: one photo after the other, without the start of the
process; `fer predict FOLDER --csv FILE` works on all cores, and its time includes the start:

{table(["", *names, "photos per second"], found)}"""


def _read(contender, photos):
    """Return the `PhotoAnswer` to each photo, or None without a face, and the seconds that all took.

    PyPI's `fer` gives no detection scores.
    """
    reply = contender.ask(photos=[str(path) for path in photos.paths])
    return [_largest(faces) for faces in reply["answers"]], sum(reply["seconds"])


def _time_command(folder):
    """Return the seconds of `fer predict` for all photos in a folder."""
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "fer", "predict", Path(folder).resolve(), "--csv", f"{output}/faces.csv"]
        began = time.monotonic()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.monotonic() - began


def _largest(faces):
    if not faces:
        return None
    _, probabilities = max(faces, key=lambda face: (face[0][2] - face[0][0]) * (face[0][3] - face[0][1]))
    return PhotoAnswer(np.array([probabilities[label] for label in EMOTIONS]), detection_score=None)
