"""Whole photos in a data set, of which training and evaluation would take each for one face."""

import importlib.util
from collections.abc import Iterable

import numpy as np
from PIL import Image

from fer.data.items import DataError
from fer.data.sources import Source
from fer.errors import ImageError

LOOKED_AT = 24
"""Number of pictures that are looked at, evenly spaced among all."""
SIDE = 256
"""Side in pixels of the pictures that are looked at."""
LEAST_SHARE = 0.4
"""Least share of a picture's side that a face takes in a data set of face crops, as the median. It is 0.64 in FER2013
and 0.25 in stock photos of single people."""


def describe_whole_photos(source: Source, classes: Iterable[str]) -> str:
    """Return a sentence if the training pictures of a data set are whole photos instead of face crops; otherwise "".

    It is "" too if faces are found in fewer than half of the pictures, or without LiteRT, which finds them.

    Args:
        source: the data set.
        classes: names of the classes that are read.
    """
    items = [item for item in source.items if item.split == "train" and item.label in classes]
    if source.is_table or not items or not importlib.util.find_spec("ai_edge_litert"):
        return ""
    from fer.detection.blazeface import FaceDetector

    chosen = [items[index] for index in np.unique(np.linspace(0, len(items) - 1, LOOKED_AT).astype(int))]
    detector, shares = FaceDetector(), []
    for item in chosen:
        try:
            faces = detector.detect(Image.fromarray(source.read(item, SIDE)).convert("RGB"))
        except (ImageError, DataError):  # The error is reported when all pictures are read.
            continue
        shares += [max(_share(face.box) for face in faces)] if faces else []
    if len(shares) < len(chosen) / 2 or (share := float(np.median(shares))) >= LEAST_SHARE:
        return ""
    seen = f"in {len(chosen)} of them the face takes {share:.0%} of the side (median)"
    return (
        f"These are whole photos: {seen}. Each is read as one face; `fer predict PHOTOS --crops FOLDER` cuts faces out."
    )


def _share(box):
    """Return the share of the picture's side that the longer side of a box takes."""
    left, top, right, bottom = box
    return max(right - left, bottom - top) / SIDE
