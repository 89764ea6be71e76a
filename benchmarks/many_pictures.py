"""Comparison of `fer predict` over a folder with recognizing the same pictures one at a time, in pictures per second.

    python -m benchmarks.many_pictures

The pictures are crops of NASA's astronaut in `examples/`, held in memory. Both ways take turns. Prints median,
lowest and highest of the runs, in wall time and in processor time, which does not depend on other programs. Takes two
minutes on 2 cores.
"""

import io
import time
from functools import partial
from pathlib import PurePosixPath

from PIL import Image

from benchmarks.tables import RUNS, spread, table
from fer.images.loading import load_image
from fer.images.sources import Found
from fer.recognition.litert_network import read_litert_file
from fer.recognition.parallel import recognize_in_parallel
from fer.recognition.recognizer import Recognizer
from fer.resources import find_resource

COUNT = 96
"""Number of pictures in a run."""
KINDS = {
    "a crop of 48 pixels, known to be a face": (48, (140, 40, 310, 210), True),
    "a face in 224 pixels": (224, (140, 40, 310, 210), False),
    "a face in 512 pixels": (512, (0, 0, 512, 512), False),
}
"""Kinds of pictures: side in pixels, box in the photo, and whether each picture is a face crop."""
LITERT_FILE = read_litert_file("bundled")
"""LiteRT file of the bundled model."""


def one_at_a_time(recognizer, pictures, already_cropped):
    """Recognize pictures one after the other."""
    for picture in pictures:
        recognizer.recognize(picture.load(), already_cropped)


def together(recognizer, pictures, already_cropped):
    """Recognize pictures in batches on all cores, as `fer predict` does."""
    for _ in recognize_in_parallel(pictures, partial(Recognizer.open, LITERT_FILE, "bundled"), already_cropped):
        pass


def main():
    photo, recognizer, rows = load_image(find_resource("examples/astronaut.jpg")), Recognizer.load("bundled"), []
    for name, (side, place, already_cropped) in KINDS.items():
        file = io.BytesIO()
        photo.crop(place).resize((side, side), Image.Resampling.LANCZOS).save(file, "JPEG", quality=90)
        pictures = [Found(str(number), PurePosixPath("a"), file.getvalue()) for number in range(COUNT)]
        rates, work = {one_at_a_time: [], together: []}, {one_at_a_time: [], together: []}
        for _ in range(RUNS):
            for read in rates:
                wall, processor = time.monotonic(), time.process_time()
                read(recognizer, pictures, already_cropped)
                rates[read].append(COUNT / (time.monotonic() - wall))
                work[read].append(1000 * (time.process_time() - processor) / COUNT)
        ratios = [more / less for less, more in zip(*rates.values(), strict=True)]
        rows.append([name, *map(spread, rates.values()), spread(ratios, 2), *map(spread, work.values())])
    headers = ["", "one at a time, per second", "together, per second", "times", "one: CPU ms", "together: CPU ms"]
    print(table(headers, rows))


if __name__ == "__main__":
    main()
