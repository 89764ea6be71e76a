"""Accuracy on faces that are blurred, small, noisy, compressed, dark or tilted, for one or several models.

    python -m benchmarks.degraded_photos --photos PHOTOS --models bundled runs/mine

PHOTOS is a folder of photos as `fer evaluate --photos` takes it. The largest face of each photo is cropped to 48x48
pixels, and the crop is degraded; or the photo is tilted first. Prints a table of the balanced accuracy among the labels
of a set, as a mean over the sets. Takes two minutes per model on 2 cores.
"""

import argparse
import io
import sys

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.tables import table
from fer.data.photos import list_photo_sets
from fer.errors import ImageError
from fer.evaluation.photos import measure_answers, to_answer
from fer.images.loading import load_image
from fer.recognition.recognizer import Recognizer

SEED = 2013


def blur(deviation):
    """Return a function that blurs an image; `deviation` is in pixels of the crop."""
    return lambda image: image.filter(ImageFilter.GaussianBlur(deviation))


def shrink(side):
    """Return a function that reduces an image to `side` pixels and enlarges it again."""
    return lambda image: image.resize((side, side), Image.Resampling.BOX).resize(image.size, Image.Resampling.BILINEAR)


def add_noise(deviation):
    """Return a function that adds Gaussian noise to an image, always the same; `deviation` is in grey levels."""

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


DEGRADATIONS = {
    "as they are": lambda image: image,
    "blurred by 0.7 pixels": blur(0.7),
    "blurred by 1.2 pixels": blur(1.2),
    "blurred by 2 pixels": blur(2),
    "shrunk to 32 pixels": shrink(32),
    "shrunk to 24 pixels": shrink(24),
    "shrunk to 16 pixels": shrink(16),
    "noise of 8 levels": add_noise(8),
    "noise of 16 levels": add_noise(16),
    "JPEG of quality 30": compress(30),
    "JPEG of quality 10": compress(10),
    "at half the brightness": darken(0.5),
    "at a quarter of the brightness": darken(0.25),
}
"""Functions that degrade a crop, a grey image, by name of the row."""
TILTS = (15, 30, 45)
"""Angles in degrees by which photos are tilted."""


def crop_faces(finder, photos, angle=0):
    """Return the crop of the largest face of each photo as a grey image; None if none is found or it is unreadable."""
    crops = []
    for path in photos.paths:
        try:
            image = load_image(path)
        except ImageError as error:
            print(f"counts as wrong: {error}", file=sys.stderr)
            crops.append(None)
            continue
        if angle:
            image = image.rotate(angle, Image.Resampling.BICUBIC, expand=True)
        faces = finder.recognize(image, most=1)
        crops.append(Image.fromarray(faces[0].crop) if faces else None)
    return crops


def measure(recognizer, sets, crops, change):
    """Return the mean balanced accuracy of a model on changed crops; `crops` has a list for each set."""
    answers = []
    for own in crops:
        faces = iter(recognizer.recognize_batch([change(crop) for crop in own if crop], already_cropped=True))
        answers.append([to_answer(next(faces)[0]) if crop else None for crop in own])
    measured = measure_answers(answers, sets, recognizer.labels, recognizer.calibration)
    return measured["mean"]["balanced_accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", required=True, metavar="FOLDER", help="folder of photos with known expressions")
    parser.add_argument("--models", nargs="+", default=["bundled"], metavar="MODEL", help="(default: bundled)")
    options = parser.parse_args()
    recognizers = [Recognizer.load(name) for name in options.models]
    labels = recognizers[0].labels
    if any(recognizer.labels != labels for recognizer in recognizers):
        parser.error("--models must have the same labels.")
    sets = list_photo_sets(options.photos, labels)
    upright = [crop_faces(recognizers[0], photos) for photos in sets]

    def row(name, crops, change):
        print(name, file=sys.stderr)
        return [name, *(f"{measure(recognizer, sets, crops, change):.1%}" for recognizer in recognizers)]

    rows = [row(name, upright, change) for name, change in DEGRADATIONS.items()]
    for angle in TILTS:
        tilted = [crop_faces(recognizers[0], photos, angle) for photos in sets]
        rows.append(row(f"photo tilted by {angle} degrees", tilted, DEGRADATIONS["as they are"]))
    print(table(["faces", *options.models], rows))


if __name__ == "__main__":
    main()
