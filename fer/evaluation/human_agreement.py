"""Human agreement: how often people agree with each other, and a network with people, by the votes of FER+."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fer.data.fer2013 import Faces
from fer.evaluation.metrics import accuracy_where

AGREED_SHARE = 0.8
"""Smallest share of the most frequent vote at which people count as agreed on a picture."""
FERPLUS_EMOTIONS = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprise": "surprise",
}
"""Emotions of FER2013 by their FER+ category (Barsoum et al., 2016, arXiv:1608.01041); the categories contempt, unknown
and NF (not a face) have none."""


def compare_with_votes(
    predicted: np.ndarray, faces: Faces, votes: np.ndarray, categories: Sequence[str]
) -> dict[str, Any]:
    """Measure how often people agree with each other, and a network with them.

    Args:
        predicted: int array `(n,)`, indices into `faces.classes`.
        faces: `fer.data.fer2013.Faces` that the network answered.
        votes: float array `(n, categories)` as `fer.data.ferplus.load_votes` returns it; the row of a picture without
            votes is NaN.
        categories: names of the columns, as `fer.data.ferplus.load_categories` returns them.

    Returns:
        A dict. `n`: number of pictures with votes. `top_share`: mean share of the most frequent vote. `agreed` and
        `disputed`: `n` and `accuracy` against FER2013's label of the pictures on which that share is at least
        `AGREED_SHARE`, and of the others. `majority`: `n` and `accuracy` against the most frequent vote, and
        `left_out`, the number of pictures without a majority, because of a tie or because the most frequent vote is
        not a class of `faces`. Shares and accuracies of no pictures are None.
    """
    known = ~np.isnan(votes).any(axis=1)
    votes, predicted, labels = votes[known], predicted[known], faces.labels[known]
    top = votes.max(axis=1)
    class_of = [FERPLUS_EMOTIONS.get(name) for name in categories]
    class_of = np.array([faces.classes.index(name) if name in faces.classes else -1 for name in class_of])
    majority = np.where((votes == top[:, None]).sum(axis=1) == 1, class_of[votes.argmax(axis=1)], -1)
    agreed, decided = top >= AGREED_SHARE - 1e-9, majority >= 0
    return {
        "n": int(known.sum()),
        "top_share": float(top.mean()) if len(top) else None,
        "agreed": accuracy_where(predicted == labels, agreed),
        "disputed": accuracy_where(predicted == labels, ~agreed),
        "majority": {**accuracy_where(predicted == majority, decided), "left_out": int((~decided).sum())},
    }
