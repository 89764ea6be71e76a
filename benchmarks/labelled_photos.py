"""Labelled photos of a set, decoded one after the other."""

import sys

from fer.errors import ImageError
from fer.images.loading import load_image


def load_photos(photos, indices=None):
    """Yield each photo, a PIL image of mode RGB, and its label; standard error names those that cannot be read.

    Args:
        photos: `fer.data.photos.PhotoSet`.
        indices: indices of the photos to load; None for all.
    """
    for index in range(len(photos.paths)) if indices is None else indices:
        try:
            image = load_image(photos.paths[index])
        except ImageError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        yield image, photos.labels[index]


def draw_sample(photos, count, random):
    """Return the indices, ascending, of at most `count` photos of a set, drawn with a NumPy random generator."""
    return sorted(random.permutation(len(photos.paths))[:count])
