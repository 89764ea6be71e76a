"""Peak memory of `fer predict FOLDER --csv` over many pictures, and of `fer video CLIP --csv` over a long clip.

    python -m benchmarks.command_memory

The pictures and clips are drawn: the face of NASA's astronaut in `examples/` with different noise. Each command runs in
a subprocess, and the operating system reports its peak resident memory. Prints a table. Takes ten minutes of processor
time, and needs Linux.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from benchmarks.tables import table
from fer.images.loading import load_image
from fer.resources import find_resource

PICTURES = (1_000, 10_000)
"""Numbers of pictures in a folder."""
MINUTES = (1, 60)
"""Lengths of clips in minutes, at one frame per second."""
SIDE = 128
"""Side of the pictures and frames in pixels."""
FACE = (130, 30, 320, 220)
"""Box of the astronaut's head in the example photo."""
SEED = 2013


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, nargs="+", default=PICTURES, metavar="N", help="pictures in a folder")
    parser.add_argument("--minutes", type=int, nargs="+", default=MINUTES, metavar="N", help="minutes of a clip")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count in options.pictures:
            source = draw_folder(Path(folder, f"pictures-{count}"), count)
            rows.append([f"`fer predict FOLDER --csv`, {count:,} pictures", *measure("predict", source)])
            print(rows[-1], file=sys.stderr, flush=True)
        for minutes in options.minutes:
            source = draw_clip(Path(folder, f"{minutes}.mp4"), minutes)
            rows.append([f"`fer video CLIP --csv --every 1`, {minutes} min", *measure("video", source, "--every", "1")])
            print(rows[-1], file=sys.stderr, flush=True)
    print(table(["command", "rows of the CSV", "peak memory, MB"], rows))


def draw_faces(count):
    """Yield `count` pictures of a face with different noise, with sides of `SIDE` pixels."""
    face = np.asarray(load_image(find_resource("examples/astronaut.jpg")).crop(FACE).resize((SIDE, SIDE)), float)
    random = np.random.default_rng(SEED)
    for _ in range(count):
        yield Image.fromarray(np.clip(face + random.normal(0, 8, face.shape), 0, 255).astype(np.uint8))


def draw_folder(folder, count):
    """Write pictures into a new folder, a hundred per subfolder, and return the folder."""
    for number, image in enumerate(draw_faces(count)):
        path = folder / f"{number // 100}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, quality=90)
    return folder


def draw_clip(path, minutes):
    """Write a clip of one frame per second, and return its path."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for number, image in enumerate(draw_faces(60 * minutes)):
            frame = av.VideoFrame.from_image(image)
            frame.pts, frame.time_base = number, Fraction(1)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def measure(command, source, *options):
    """Run a command on a source; return the number of rows in its CSV and its peak memory in MB, as texts."""
    output = source.with_suffix(".csv")
    arguments = [sys.executable, "-m", "fer", command, str(source), "--csv", str(output), *options]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with exit code {process.returncode}.")
    rows = len(output.read_text(encoding="utf-8").splitlines()) - 1
    return f"{rows:,}", f"{usage.ru_maxrss * 1024 / 1e6:.0f}"


if __name__ == "__main__":
    main()
