"""Effect of margin, alignment and resampling on the end-to-end accuracy: the choices in fer/detection/alignment.py.

    python -m benchmarks.crop_choices --data fer2013.zip

Detects the face of each validation picture in a scene (`fer.data.scenes`), and crops it in different ways. Prints a
table of the accuracy of each way, of averages over several ways, and of the difference from the app's way in percentage
points; below it, the errors of the app's squares. Takes about seven minutes on 2 cores.
"""

import argparse
import math
from contextlib import nullcontext
from functools import cache
from unittest.mock import patch

import numpy as np
from PIL.Image import Resampling

from benchmarks.ablation import difference
from benchmarks.crop_fit import robust_deviation
from benchmarks.tables import table
from fer.data.faces import load_faces
from fer.data.scenes import SEED, build_scene
from fer.detection import alignment as crops
from fer.recognition.classification import classify
from fer.recognition.recognizer import Recognizer

APP, SMALLER, LARGER = "as the app does", "side 8% smaller", "side 8% larger"
"""Names of three of the `WAYS`."""


def scaled(factor):
    """Return the app's way to crop, with the side multiplied by a factor."""
    return lambda face, scene: _app(face, scene, factor), nullcontext()


def turned(angle):
    """Return the app's way to crop, with another rotation: `angle` is a function of the angle of the eyes' line."""
    return lambda face, scene: (*_app(face, scene)[:2], angle(crops.face_frame(face).angle)), nullcontext()


def sampled(samples, filter):
    """Return the app's way to crop, with another number of samples per axis and pixel, and another filter."""
    return _app, patch.multiple(crops, SAMPLES=samples, FILTER=filter)


def _app(face, scene, factor=1.0):
    """Return centre, side and angle of the square that the app cuts, with the side multiplied by a factor."""
    center, side, angle = crops.place_square(face)
    return center, factor * side, angle


WAYS = {
    APP: scaled(1.0),
    "where the picture was pasted": (lambda face, scene: scene.square, nullcontext()),
    "side 10% smaller": scaled(0.9),
    SMALLER: scaled(0.92),
    "side 5% smaller": scaled(0.95),
    "side 5% larger": scaled(1.05),
    LARGER: scaled(1.08),
    "side 10% larger": scaled(1.1),
    "not turned": turned(lambda eyes: 0.0),
    "turned until the eyes are level": turned(lambda eyes: eyes),
    "one bicubic sample a pixel": sampled(1, Resampling.BOX),
    "2x2 samples, triangle filter": sampled(2, Resampling.BILINEAR),
    "2x2 samples, bicubic filter": sampled(2, Resampling.BICUBIC),
    "2x2 samples, Lanczos filter": sampled(2, Resampling.LANCZOS),
    "3x3 samples, their mean": sampled(3, Resampling.BOX),
}
"""Ways to crop by name: a function from a `fer.detection.blazeface.DetectedFace` and its `fer.data.scenes.Scene` to a
square, and a context for the crop. The square of the pasted picture, which the app cannot know, separates the loss that
comes from where the crop is placed from the loss that comes from resampling."""
MEANS = {
    "mean of the app's and its mirror image": [(APP, False), (APP, True)],
    "mean of 8% smaller, and 8% larger mirrored": [(SMALLER, False), (LARGER, True)],
    "mean of 8% smaller, the app's, 8% larger": [(SMALLER, False), (APP, False), (LARGER, False)],
    "mean of 8% smaller, 8% larger, each also mirrored": [
        (way, mirrored) for way in (SMALLER, LARGER) for mirrored in (False, True)
    ],
}
"""Ways whose probabilities are averaged, by name of the row; for each, whether its crops are mirrored."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="PATH", help="folder, zip or CSV of FER2013")
    parser.add_argument("--model", default="bundled", metavar="FOLDER", help="model folder")
    parser.add_argument("--limit", type=int, metavar="N", help="largest number of pictures")
    options = parser.parse_args()
    recognizer = Recognizer.load(options.model)
    pictures = load_faces(
        options.data,
        "validation",
        classes=recognizer.labels,
        image_size=recognizer.image_size,
        limit=options.limit,
    )
    random, labels, cuts, errors = np.random.default_rng(SEED), [], {name: [] for name in WAYS}, []
    for picture, label in zip(pictures.images[..., 0], pictures.labels, strict=True):
        scene = build_scene(picture, random)
        face = scene.pick(recognizer.detector.detect(scene.image))
        if face:
            labels.append(label)
            errors.append(measure_error(crops.place_square(face), scene.square))
            for name, (place, context) in WAYS.items():
                with context:
                    cuts[name].append(crops.cut_square(scene.image, *place(face, scene), recognizer.image_size))
    cuts = {name: np.stack(own) for name, own in cuts.items()}

    @cache
    def read(way, mirrored):
        return classify(recognizer.network, cuts[way][:, :, ::-1] if mirrored else cuts[way])

    answers = {way: read(way, False) for way in WAYS}
    answers |= {name: np.mean([read(*view) for view in views], axis=0) for name, views in MEANS.items()}
    right = {name: own.argmax(axis=1) == labels for name, own in answers.items()}
    print(f"{len(labels)} of {len(pictures)} faces found\n")
    rows = [
        [name, f"{own.mean():.2%}", "" if name == APP else "{:+.1f} ± {:.1f}".format(*difference(own, right[APP]))]
        for name, own in right.items()
    ]
    print(table(["way to crop", "accuracy", "points"], rows))
    print("\nThe app's squares beside those pasted, standard deviation and interquartile range / 1.35:")
    for name, values in zip(("right", "down", "log of the side", "degrees"), np.transpose(errors), strict=True):
        print(f"{name:16}{values.std():7.3f}{robust_deviation(values):7.3f}")


def measure_error(square, other):
    """Return the errors of a square: right and down in sides of the other square, log of the side, degrees."""
    center, side, angle = square
    other_center, other_side, other_angle = other
    return *((center - other_center) / other_side), math.log(side / other_side), math.degrees(angle - other_angle)


if __name__ == "__main__":
    main()
