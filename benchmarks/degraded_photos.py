"""Accuracy on faces that are blurred, small, noisy, compressed, dark or tilted, for one or several models.

    python -m benchmarks.degraded_photos --photos PHOTOS --models bundled runs/mine

PHOTOS is a folder of photos as `fer evaluate --photos` takes it. Each photo is tilted, its largest face is found and
cut out, and the cut, which the network sees in 48x48 pixels, is degraded. Prints a table of the balanced accuracy
among the labels of a set, as a mean over the sets. Two minutes per model on 2 cores.
"""

import argparse
import io
import sys

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.tables import table
from fer.data.photos import list_photo_sets
from fer.evaluation.photos import measure_answers, to_answer
from fer.images.loading import load_image
from fer.recognition.recognizer import Recognizer

SEED = 2013


def blur(deviation):
    """Return a function that blurs an image; `deviation` is in pixels of the cut."""
    return lambda image: image.filter(ImageFilter.GaussianBlur(deviation))


def shrink(side):
    """Return a function that reduces an image to `side` pixels and enlarges it again."""
    return lambda image: image.resize((side, side), Image.Resampling.BOX).resize(image.size, Image.Resampling.BILINEAR)


def add_noise(deviation):
    """Return a function that adds Gaussian noise of so many grey levels, always the same, to an image."""

    def change(image):
        noise = np.random.default_rng(SEED).normal(0, deviation, (image.height, image.width))
        return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))

    return change


def compress(quality):
    """Return a function that compresses an image as JPEG."""

    def change(image):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("L")

    return change


def darken(share):
    """Return a function that multiplies the values of an image."""
    return lambda image: image.point(lambda value: value * share)


CUTS = {
    "as they are": lambda image: image,
    "blurred by 0.7 pixels": blur(0.7),
    "blurred by 1.2 pixels": blur(1.2),
    "blurred by 2 pixels": blur(2),
    "from 32 pixels": shrink(32),
    "from 24 pixels": shrink(24),
    "from 16 pixels": shrink(16),
    "noise of 8 levels": add_noise(8),
    "noise of 16 levels": add_noise(16),
    "JPEG of quality 30": compress(30),
    "JPEG of quality 10": compress(10),
    "at half the brightness": darken(0.5),
    "at a quarter of the brightness": darken(0.25),
}
"""Functions that degrade a cut, a grey image, by name of the row."""
TILTS = (15, 30, 45)
"""Angles in degrees by which photos are tilted."""


def cut_faces(finder, photos, angle=0):
    """Return the cut of the largest face of each photo as a grey image, or None where no face is found."""
    cuts = []
    for path in photos.paths:
        image = load_image(path)
        if angle:
            image = image.rotate(angle, Image.Resampling.BICUBIC, expand=True)
        faces = finder.recognize(image, most=1)
        cuts.append(Image.fromarray(faces[0].crop) if faces else None)
    return cuts


def measure(recognizer, sets, cuts, change):
    """Return the mean balanced accuracy of a model on cuts, lists of one per set, after a change."""
    answers = []
    for own in cuts:
        faces = iter(recognizer.recognize_batch([change(cut) for cut in own if cut], already_cropped=True))
        answers.append([to_answer(next(faces)[0]) if cut else None for cut in own])
    measured = measure_answers(answers, sets, recognizer.labels, recognizer.calibration)
    return measured["mean"]["balanced_accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", required=True, metavar="FOLDER", help="folder of photos with known expressions")
    parser.add_argument("--models", nargs="+", default=["bundled"], metavar="MODEL", help="(default: bundled)")
    options = parser.parse_args()
    recognizers = [Recognizer.load(name) for name in options.models]
    sets = list_photo_sets(options.photos)
    upright = [cut_faces(recognizers[0], photos) for photos in sets]

    def row(name, cuts, change):
        print(name, file=sys.stderr)
        return [name, *(f"{measure(recognizer, sets, cuts, change):.1%}" for recognizer in recognizers)]

    rows = [row(name, upright, change) for name, change in CUTS.items()]
    for angle in TILTS:
        tilted = [cut_faces(recognizers[0], photos, angle) for photos in sets]
        rows.append(row(f"photo tilted by {angle} degrees", tilted, CUTS["as they are"]))
    print(table(["faces", *options.models], rows))


if __name__ == "__main__":
    main()
