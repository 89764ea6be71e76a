"""Cut faces out of pictures, aligned as the faces of FER2013 are."""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from fer.detection.blazeface import DetectedFace

CROP_FIT = Path(__file__).parent / "crop_fit.json"
"""Path of a linear model of the square that FER2013 would have cut out around a face; `python -m benchmarks.crop_fit`
fits it on training pictures.

It predicts four values in the face's `FaceFrame`: the offset to the right, the offset downwards, the logarithm of the
side, and the rotation. `weights`: for each value, a weight per coordinate of the face's six points, and a constant.
`bounds`: for each value, the least and the largest on those pictures.
"""
SAMPLES, FILTER = 2, Image.Resampling.BOX
"""Supersampling factor per axis, and the filter that averages the samples. Other factors and filters are not
significantly better (`python -m benchmarks.crop_choices`)."""


@dataclass(frozen=True, eq=False)
class FaceFrame:
    """A coordinate system of a face: the centre and side of its box, rotated by the line between its eyes.

    origin: centre of the box, x and y in the picture's pixels, float `(2,)`.
    unit: longer side of the box in pixels.
    angle: angle of the line between the eyes to the picture's rows in radians, positive clockwise.
    across, down: axes to the right and downwards, float `(2,)` of length 1.
    points: the face's six points in this coordinate system, float `(6, 2)`.
    """

    origin: np.ndarray
    unit: float
    angle: float
    across: np.ndarray
    down: np.ndarray
    points: np.ndarray


def face_frame(face: DetectedFace) -> FaceFrame:
    """Return the `FaceFrame` of a face."""
    left, top, right, bottom = face.box
    origin, unit = np.array([(left + right) / 2, (top + bottom) / 2]), max(right - left, bottom - top, 1.0)
    to_left_eye = face.points[1] - face.points[0]
    angle = math.atan2(to_left_eye[1], to_left_eye[0])
    across, down = _axes(angle)
    points = (face.points - origin) @ np.stack([across, down], axis=1) / unit
    return FaceFrame(origin, unit, angle, across, down, points)


def crop_face(image: Image.Image, face: DetectedFace, size: int) -> np.ndarray:
    """Cut a face out of a picture as the faces of FER2013 are cut, nearly upright.

    Args:
        image: PIL image of mode RGB.
        face: a face that was detected in this image.
        size: side of the crop in pixels.

    Returns:
        Grey uint8 array `(size, size)`. Beyond the picture's edge its outermost pixels are repeated.
    """
    return cut_square(image, *place_square(face), size)


def place_square(face: DetectedFace) -> tuple[np.ndarray, float, float]:
    """Return the square that FER2013 would have cut out around a face, as `CROP_FIT` predicts it.

    The square is not rotated by the full angle of the eyes, because the detected eyes are off by some degrees, and the
    heads in FER2013 are themselves tilted.

    Returns:
        The square's centre, x and y, float `(2,)` in the picture's pixels; its side in pixels; and its rotation in
        radians, positive clockwise.
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
    """Return the unit vectors to the right and downwards of a square that is rotated by an angle, float `(2,)` each."""
    across = np.array([math.cos(angle), math.sin(angle)])
    return across, np.array([-across[1], across[0]])


@cache
def _crop_fit():
    """Return the weights `(4, 13)`, and the lower and upper bounds `(2, 4)` of `CROP_FIT`."""
    document = json.loads(CROP_FIT.read_text())
    return np.array(document["weights"]), np.array(document["bounds"]).T


def _cut(image, box):
    """Return the region `[left, top, right, bottom]` of a picture in grey; beyond the picture, edge pixels repeat."""
    left, top, right, bottom = box
    columns = np.arange(left, right).clip(0, image.width - 1)
    rows = np.arange(top, bottom).clip(0, image.height - 1)
    inside = image.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)).convert("L")
    return Image.fromarray(np.asarray(inside)[np.ix_(rows - rows[0], columns - columns[0])])
