"""Geometry of boxes `(left, top, right, bottom)` in arrays."""

import numpy as np
from numpy.typing import ArrayLike


def measure_areas(boxes: ArrayLike) -> np.ndarray:
    """Return the areas of boxes `(..., 4)`, an array `(...)`; a box with a negative side has the area 0."""
    boxes = np.asarray(boxes)
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(axis=-1)


def measure_overlaps(ones: ArrayLike, others: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Compare boxes with others.

    Args:
        ones, others: boxes `(..., 4)` whose shapes NumPy can broadcast.

    Returns:
        The intersection over union of each pair, and the share of the smaller box's area that lies in the other box,
        two float arrays `(...)`; 0 where a box has no area.
    """
    ones, others = np.asarray(ones, float), np.asarray(others, float)
    corners = np.maximum(ones[..., :2], others[..., :2]), np.minimum(ones[..., 2:], others[..., 2:])
    common, areas = measure_areas(np.concatenate(corners, axis=-1)), (measure_areas(ones), measure_areas(others))
    return common / (sum(areas) - common).clip(1e-9), common / np.minimum(*areas).clip(1e-9)
