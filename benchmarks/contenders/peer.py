"""Contender: PyPI's `fer` 25.10.3. Arguments: the detector, `haar` or `mtcnn`; the network, `quantised` or `keras`."""

import sys
import time

from protocol import answer

start = time.perf_counter()
from fer.fer import FER  # noqa: E402

libraries = time.perf_counter() - start

import cv2  # noqa: E402

detector, network = sys.argv[1:]
settings = {"mtcnn": detector == "mtcnn", "use_tflite": network == "quantised"}
fer, fer_of_crops = FER(**settings), FER(**settings, offsets=(0, 0))


def read_photo(path):
    """Return the box and the probabilities of each face in a photo."""
    found = fer.detect_emotions(path)
    return [
        (corners(face["box"]), {label: float(value) for label, value in face["emotions"].items()}) for face in found
    ]


def read_crop(crop):
    """Return the label of a face crop, without detection and without the margin that `fer` adds to a detected box."""
    return best(fer_of_crops.detect_emotions(cv2.cvtColor(crop, cv2.COLOR_GRAY2BGR), [(0, 0, *crop.shape)])[0])


def corners(box):
    """Convert left, top, width, height to left, top, right, bottom."""
    left, top, width, height = map(int, box)
    return left, top, left + width, top + height


def best(face):
    """Return the most probable label of a face."""
    return max(face["emotions"], key=face["emotions"].get)


answer(read_photo, read_crop, libraries)
