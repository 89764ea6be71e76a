"""Duplicates and near-duplicates between splits: pictures that a network may know by heart."""

import hashlib

import numpy as np
from sklearn.neighbors import NearestNeighbors

from fer.errors import UserError

MAX_COPIES = 0.5
"""Share of the pictures to measure on that may be training pictures, to the pixel. FER2013 itself has 280 such pictures
among the 3,589 of its validation split, 7.8 %; of surprise alone it is 27.5 %, of disgust 26.8 %. Of a split that is
cut from a copy of the training pictures nearly all are."""
SHRINK = 2
"""Side of the squares that are averaged: 24 pixels of 48 forgive recompression and the shift of a pixel."""
MAX_DISTANCE = 0.3
"""Between pictures shrunk, freed of brightness and contrast: the correlation is `1 - MAX_DISTANCE**2 / 2` = 0.955.

Chosen by looking at pairs of FER2013's validation and training pictures, 9 to 14 a step of 0.05: all of those up to
0.35 are one photo cut or compressed differently, from there on different people begin to appear.
"""


def find_copies(faces, others):
    """Which pictures are, to the pixel, among others.

    Args:
        faces, others: `fer.data.fer2013.Faces` of one size.

    Returns:
        A list of pairs: the name of a picture of `faces`, and that of the first of `others` that is the same.
    """
    names = dict(zip(reversed(_digests(others)), reversed(others.names), strict=True))
    pairs = ((name, names.get(digest)) for name, digest in zip(faces.names, _digests(faces), strict=True))
    return [(name, other) for name, other in pairs if other]


def check_copies(faces, train, allowed=False):
    """Counts the pictures to measure on that are training pictures, to the pixel.

    Args:
        faces, train: `fer.data.fer2013.Faces` of one size.
        allowed: whether any number may be.

    Returns:
        A sentence with the count and an example; "" where there are none.

    Raises:
        UserError: for more than the share `MAX_COPIES` of `faces`, unless they are `allowed`.
    """
    copies = find_copies(faces, train)
    if not copies:
        return ""
    count = f"{len(copies)} of {len(faces)} pictures ({len(copies) / len(faces):.1%})"
    example = " is ".join(copies[0])
    if len(copies) > MAX_COPIES * len(faces) and not allowed:
        rule = f"At most {MAX_COPIES:.0%} of the pictures to measure on may be training pictures"
        raise UserError(f"{rule}; --allow-duplicates measures all the same. Received: {count}, such as {example}")
    return f"{count} to measure on are training pictures, to the pixel, such as {example}"


def find_duplicates(faces, others):
    """Which pictures have a near-duplicate, as they are or mirrored, among others.

    Args:
        faces: uint8 array `(n, size, size, 1)`.
        others: uint8 array `(m, size, size, 1)`.

    Returns:
        bool array `(n,)`.
    """
    # Brute force is a matrix product, and quicker than any tree with hundreds of dimensions.
    neighbors = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(_signatures(others))
    both = (neighbors.kneighbors(_signatures(pictures))[0][:, 0] for pictures in (faces, faces[:, :, ::-1]))
    return np.minimum(*both) <= MAX_DISTANCE


def _digests(faces):
    return [hashlib.sha256(image).digest() for image in faces.images]


def _signatures(images):
    """Pictures shrunk, with mean 0 and length 1: float32 `(n, (size // SHRINK)**2)`."""
    count, side = len(images), images.shape[1] // SHRINK
    even = images[:, : side * SHRINK, : side * SHRINK]
    means = even.reshape(count, side, SHRINK, side, SHRINK).mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    means -= means.mean(axis=1, keepdims=True)
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
