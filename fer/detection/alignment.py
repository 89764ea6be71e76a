"""Cut faces out of pictures, and align them, as FER2013's own pictures are."""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

CROP_FIT = Path(__file__).parent / "crop_fit.json"
"""Where FER2013 would have cut a face, fitted by `python -m benchmarks.crop_fit` on training pictures.

`weights`: for right, down, the logarithm of the side and the turn, a weight for each coordinate of the six points in
their `FaceFrame`, and a constant. `bounds`: what each of the four was at least and at most on those pictures.
"""
SAMPLES, FILTER = 2, Image.Resampling.BOX
"""Of the picture, along each side of a pixel of the crop, and what makes one pixel of them. Other filters and numbers
are no better by more than chance (`python -m benchmarks.crop_choices`)."""


@dataclass(frozen=True, eq=False)
class FaceFrame:
    """A face's own axes: its box's centre and side, turned as its eyes are.

    origin: x and y in the picture's pixels.
    unit: pixels.
    angle: of the eyes' line to the picture's rows, in radians; positive is clockwise.
    across, down: the axes, float `(2,)` of length 1.
    points: the six points in these axes, float `(6, 2)`.
    """

    origin: np.ndarray
    unit: float
    angle: float
    across: np.ndarray
    down: np.ndarray
    points: np.ndarray


def face_frame(face):
    """The `FaceFrame` of a `DetectedFace`."""
    left, top, right, bottom = face.box
    origin, unit = np.array([(left + right) / 2, (top + bottom) / 2]), max(right - left, bottom - top, 1.0)
    to_left_eye = face.points[1] - face.points[0]
    angle = math.atan2(to_left_eye[1], to_left_eye[0])
    across, down = _axes(angle)
    points = (face.points - origin) @ np.stack([across, down], axis=1) / unit
    return FaceFrame(origin, unit, angle, across, down, points)


def crop_face(image, face, size):
    """Cuts a face out of a picture as FER2013's pictures are cut, nearly upright by the eyes.

    Args:
        image: PIL image of mode RGB.
        face: a `fer.detection.blazeface.DetectedFace` of that image.
        size: side of the crop in pixels.

    Returns:
        Grey uint8 array `(size, size)`. Beyond the picture's edge its outermost pixels are repeated.
    """
    return cut_square(image, *place_square(face), size)


def place_square(face):
    """Where FER2013 would have cut a face, by the fit of `CROP_FIT`.

    The turn is not the whole of the eyes' angle: their places are off by some degrees, and FER2013's own heads are
    tilted.

    Args:
        face: a `fer.detection.blazeface.DetectedFace`.

    Returns:
        The square's centre, x and y, and its side, in the picture's pixels; and how far it is turned, in radians,
        positive clockwise.
    """
    frame = face_frame(face)
    weights, (low, high) = _crop_fit()
    x, y, log_side, turn = np.clip(weights @ [*frame.points.ravel(), 1], low, high)
    center = frame.origin + frame.unit * (x * frame.across + y * frame.down)
    return center, frame.unit * math.exp(log_side), frame.angle + turn


def cut_square(image: Image.Image, center: np.ndarray, side: float, angle: float, size: int) -> np.ndarray:
    """Cut a rotated square out of a picture, and scale it to a crop.

    The steps are: cut the region that contains the square, reduce it to about the resolution of the samples, rotate,
    and average the samples. The region is reduced before it is rotated, because an affine transform interpolates
    between neighbouring pixels only and would alias.

    Args:
        image: PIL image of mode RGB.
        center: x and y of the centre of the square, float `(2,)` in pixels.
        side: side of the square in pixels.
        angle: rotation of the square in radians, positive clockwise.
        size: side of the crop in pixels.

    Returns:
        Grey uint8 array `(size, size)`. Beyond the edge of the picture its outermost pixels are repeated.
    """
    box = _bounding_box(center, side, angle)
    factor = max(1, int(side / (SAMPLES * size)))
    region = _cut(image, box).reduce(factor)
    samples = _rotate(region, (center - box[:2]) / factor, side / factor, angle, SAMPLES * size)
    return np.asarray(samples.resize((size, size), FILTER))


def _bounding_box(center, side, angle):
    """Return left, top, right, bottom of a region that contains a rotated square and a border of 2 pixels.

    The coordinates are whole pixels, and may lie beyond the picture.
    """
    across, _ = _axes(angle)
    reach = side * (abs(across[0]) + abs(across[1])) / 2 + 2
    left, top = math.floor(center[0] - reach), math.floor(center[1] - reach)
    return [left, top, math.ceil(center[0] + reach), math.ceil(center[1] + reach)]


def _rotate(image, center, side, angle, size):
    """Return a rotated square of an image, upright, as an image of `size` pixels per side, by bicubic interpolation."""
    across, down = _axes(angle)
    step = side / size  # Pixels of the image between two neighbouring pixels of the result.
    origin = center - side / 2 * (across + down)
    return image.transform(
        (size, size),
        Image.Transform.AFFINE,
        (step * across[0], step * down[0], origin[0], step * across[1], step * down[1], origin[1]),
        resample=Image.Resampling.BICUBIC,
    )


def _axes(angle):
    """Unit vectors to the right and downwards of what is turned by an angle."""
    across = np.array([math.cos(angle), math.sin(angle)])
    return across, np.array([-across[1], across[0]])


@cache
def _crop_fit():
    """Weights `(4, 13)`, and lower and upper bounds `(2, 4)` of `CROP_FIT`."""
    document = json.loads(CROP_FIT.read_text())
    return np.array(document["weights"]), np.array(document["bounds"]).T


def _cut(image, box):
    """The region `[left, top, right, bottom]` of a picture, grey, its edge pixels repeated where it reaches beyond."""
    left, top, right, bottom = box
    columns = np.arange(left, right).clip(0, image.width - 1)
    rows = np.arange(top, bottom).clip(0, image.height - 1)
    inside = image.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)).convert("L")
    return Image.fromarray(np.asarray(inside)[np.ix_(rows - rows[0], columns - columns[0])])
