"""A network among people: the votes of FER+ beside its answers."""

import numpy as np

from fer.evaluation.metrics import accuracy_where

CLEAR = 0.8
"""Share of the votes from which on people agree on a picture."""
FERPLUS_EMOTIONS = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprise": "surprise",
}
"""FER+ categories (Barsoum et al., 2016, arXiv:1608.01041) that are emotions of FER2013; contempt, unknown and NF (not
a face) are not."""


def compare_with_votes(predicted, faces, votes, categories):
    """How often people agree with each other, and a network with them.

    Args:
        predicted: int array `(n,)`, indices into `faces.classes`.
        faces: the `fer.data.fer2013.Faces` that were answered.
        votes: of `fer.data.ferplus.load_votes`, float `(n, categories)`, rows of NaN where a picture has none.
        categories: of `fer.data.ferplus.load_categories`, the names of the columns.

    Returns:
        A dict, in which all shares are None without pictures: `n`, pictures with votes; `top_share`, the mean share of
        the most frequent vote; `agreed` (that share is at least `CLEAR`) and `disputed`, each with `n` and `accuracy`
        against FER2013's label; `majority`, `n` and `accuracy` against the most frequent vote. A tie, and a majority
        for something that is no class of `faces`, are no majority: `majority.left_out` counts them.
    """
    known = ~np.isnan(votes).any(axis=1)
    votes, predicted, labels = votes[known], predicted[known], faces.labels[known]
    top = votes.max(axis=1)
    class_of = [FERPLUS_EMOTIONS.get(name) for name in categories]
    class_of = np.array([faces.classes.index(name) if name in faces.classes else -1 for name in class_of])
    majority = np.where((votes == top[:, None]).sum(axis=1) == 1, class_of[votes.argmax(axis=1)], -1)
    clear, decided = top >= CLEAR - 1e-9, majority >= 0
    return {
        "n": int(known.sum()),
        "top_share": float(top.mean()) if len(top) else None,
        "agreed": accuracy_where(predicted == labels, clear),
        "disputed": accuracy_where(predicted == labels, ~clear),
        "majority": {**accuracy_where(predicted == majority, decided), "left_out": int((~decided).sum())},
    }
