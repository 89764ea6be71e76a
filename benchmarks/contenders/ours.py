"""Contender: the recognizer of this project."""

import os
import time

from protocol import answer

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
start = time.perf_counter()
from fer.images.loading import load_image  # noqa: E402
from fer.recognition.recognizer import Recognizer  # noqa: E402

libraries = time.perf_counter() - start

from PIL import Image  # noqa: E402

recognizer = Recognizer.load()


def read_photo(path):
    """Return the box and the probabilities of each face in a photo."""
    return [(face.box, face.probabilities) for face in recognizer.recognize(load_image(path))]


def read_crop(crop):
    """Return the label of a face crop."""
    return recognizer.recognize(Image.fromarray(crop), already_cropped=True)[0].label


answer(read_photo, read_crop, libraries)
