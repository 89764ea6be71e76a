"""Near-duplicates between splits: pictures that a network may know by heart."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

SHRINK = 2
"""Side of the squares that are averaged: 24 pixels of 48 forgive recompression and the shift of a pixel."""
MAX_DISTANCE = 0.3
"""Between pictures shrunk, freed of brightness and contrast: the correlation is `1 - MAX_DISTANCE**2 / 2` = 0.955.

Chosen by looking at pairs of FER2013's validation and training pictures, 9 to 14 a step of 0.05: all of those up to
0.35 are one photo cut or compressed differently, from there on different people begin to appear.
"""


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


def _signatures(images):
    """Pictures shrunk, with mean 0 and length 1: float32 `(n, (size // SHRINK)**2)`."""
    count, side = len(images), images.shape[1] // SHRINK
    even = images[:, : side * SHRINK, : side * SHRINK]
    means = even.reshape(count, side, SHRINK, side, SHRINK).mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    means -= means.mean(axis=1, keepdims=True)
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
