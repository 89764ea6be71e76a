"""Duplicates and near-duplicates between splits: pictures that a network may have memorized."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from sklearn.neighbors import NearestNeighbors

from fer.errors import UserError, one_line

if TYPE_CHECKING:
    from fer.data.faces import Faces

MAX_COPIES = 0.5
"""Largest share of the evaluated pictures that may be exact copies of training pictures.

280 of the 3,589 validation pictures of FER2013 are such copies (7.8%); among the pictures of surprise 27.5% are, and
among those of disgust 26.8%. A split that is cut from a copy of the training pictures consists almost entirely of
copies.
"""
SHRINK = 2
"""Side in pixels of the squares that are averaged. Pictures that are reduced from 48 to 24 pixels still match after
recompression or a shift by one pixel."""
MAX_DISTANCE = 0.3
"""Largest Euclidean distance between the signatures of near-duplicates; their correlation is then at least
`1 - MAX_DISTANCE**2 / 2` = 0.955.

It was chosen by looking at pairs of validation and training pictures of FER2013, 9 to 14 pairs per step of 0.05. All
pairs up to 0.35 are the same photo, cropped or compressed differently; beyond that, pairs of different people appear.
"""


def find_copies(faces: "Faces", others: "Faces") -> list[tuple[str, str]]:
    """Find the pictures that are exact copies of others.

    Args:
        faces, others: `fer.data.faces.Faces` of the same image size.

    Returns:
        Pairs of the name of a picture in `faces`, and the name of the first picture in `others` with the same pixels.
    """
    names = dict(zip(reversed(_digests(others)), reversed(others.names), strict=True))
    pairs = ((name, names.get(digest)) for name, digest in zip(faces.names, _digests(faces), strict=True))
    return [(name, other) for name, other in pairs if other]


def check_copies(faces: "Faces", train: "Faces", allowed: bool = False) -> str:
    """Count the evaluated pictures that are exact copies of training pictures.

    Args:
        faces: `fer.data.faces.Faces` to evaluate on.
        train: `fer.data.faces.Faces` of the training split, of the same image size.
        allowed: whether any number of copies is allowed.

    Returns:
        A sentence with the count and an example; "" if there are no copies.

    Raises:
        UserError: if the share of copies is above `MAX_COPIES`, unless `allowed`.
    """
    copies = find_copies(faces, train)
    if not copies:
        return ""
    count = f"{len(copies)} of {len(faces)} pictures ({len(copies) / len(faces):.1%})"
    example = " = ".join(copies[0])
    if len(copies) > MAX_COPIES * len(faces) and not allowed:
        rule = f"At most {MAX_COPIES:.0%} of the pictures to measure on may be training pictures"
        raise UserError(f"{rule}; --allow-duplicates measures all the same. Received: {count}, such as {example}")
    return one_line(f"{count} to measure on are pixel-identical to training pictures, such as {example}")


def find_duplicates(faces: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Find the pictures that have a near-duplicate among others, mirrored or not.

    Args:
        faces: uint8 array `(n, size, size, 1)`.
        others: uint8 array `(m, size, size, 1)`.

    Returns:
        A bool array `(n,)`.
    """
    # Brute force is a matrix product: in hundreds of dimensions it is faster than a tree.
    neighbors = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(_signatures(others))
    both = (neighbors.kneighbors(_signatures(pictures))[0][:, 0] for pictures in (faces, faces[:, :, ::-1]))
    return np.minimum(*both) <= MAX_DISTANCE


def _digests(faces):
    """Return the sha256 of the pixels of each picture."""
    return [hashlib.sha256(image).digest() for image in faces.images]


def _signatures(images):
    """Return shrunk pictures without brightness and contrast: float32 `(n, (size // SHRINK)**2)`, mean 0 and norm 1."""
    count, side = len(images), images.shape[1] // SHRINK
    even = images[:, : side * SHRINK, : side * SHRINK]
    means = even.reshape(count, side, SHRINK, side, SHRINK).mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    means -= means.mean(axis=1, keepdims=True)
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
