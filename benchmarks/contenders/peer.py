"""PyPI `fer` 25.10.3 as a contender: `haar` or `mtcnn` finds the faces, `quantised` or `keras` reads them."""

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
    found = fer.detect_emotions(path)
    return [(corners(face["box"]), best(face)) for face in found]


def read_crop(crop):
    """The whole crop is the face: neither detector nor the margin that it adds to a box."""
    return best(fer_of_crops.detect_emotions(cv2.cvtColor(crop, cv2.COLOR_GRAY2BGR), [(0, 0, *crop.shape)])[0])


def corners(box):
    left, top, width, height = map(int, box)
    return left, top, left + width, top + height


def best(face):
    return max(face["emotions"], key=face["emotions"].get)


answer(read_photo, read_crop, libraries)
