"""Human agreement: how often people agree with each other, and a network with people, by the votes of FER+."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fer.data.faces import Faces
from fer.data.ferplus import load_categories, load_votes
from fer.errors import UserError
from fer.evaluation.metrics import accuracy_where
from fer.labels import match_class
from fer.paths import StrPath

AGREED_SHARE = 0.8
"""Smallest share of the most frequent vote at which people count as agreed on a picture."""


def load_comparable_votes(path: StrPath, faces: Faces) -> tuple[np.ndarray, list[str]]:
    """Return the votes on faces and the names of their columns, the last arguments of `compare_with_votes`.

    Raises:
        UserError: if the votes are not valid, or no column is a class.
    """
    votes, categories = load_votes(path, faces), load_categories(path)
    match_categories(categories, faces.classes)
    return votes, categories


def match_categories(categories: Sequence[str], classes: Sequence[str]) -> list[str | None]:
    """Return the class of each category of votes, or None if it is no class, as `fer.labels.match_class` finds it.

    Raises:
        UserError: if no category is a class.
    """
    matched = [match_class(name, classes) for name in categories]
    if not any(matched):
        rule = f"A column of votes must be one of the classes {', '.join(classes)}"
        raise UserError(f"{rule}. Received: {', '.join(categories)}")
    return matched


def compare_with_votes(
    predicted: np.ndarray, faces: Faces, votes: np.ndarray, categories: Sequence[str]
) -> dict[str, Any]:
    """Measure how often people agree with each other, and a network with them.

    Args:
        predicted: int array `(n,)`, indices into `faces.classes`.
        faces: `fer.data.faces.Faces` that the network answered.
        votes: float array `(n, categories)` as `fer.data.ferplus.load_votes` returns it; the row of a picture without
            votes is NaN.
        categories: names of the columns, as `fer.data.ferplus.load_categories` returns them; those that
            `fer.labels.match_class` does not know, such as FER+'s `unknown` and `NF` (not a face), are no class.

    Returns:
        A dict. `n`: number of pictures with votes. `top_share`: mean share of the most frequent vote. `agreed` and
        `disputed`: `n` and `accuracy` against FER2013's label of the pictures on which that share is at least
        `AGREED_SHARE`, and of the others. `majority`: `n` and `accuracy` against the most frequent vote, and
        `left_out`, the number of pictures without a majority, because of a tie or because the most frequent vote is
        not a class of `faces`. Shares and accuracies of no pictures are None.

    Raises:
        UserError: if no category is a class of `faces`.
    """
    known = ~np.isnan(votes).any(axis=1)
    votes, predicted, labels = votes[known], predicted[known], faces.labels[known]
    top = votes.max(axis=1)
    matched = match_categories(categories, faces.classes)
    class_of = np.array([faces.classes.index(name) if name else -1 for name in matched])
    majority = np.where((votes == top[:, None]).sum(axis=1) == 1, class_of[votes.argmax(axis=1)], -1)
    agreed, decided = top >= AGREED_SHARE - 1e-9, majority >= 0
    return {
        "n": int(known.sum()),
        "top_share": float(top.mean()) if len(top) else None,
        "agreed": accuracy_where(predicted == labels, agreed),
        "disputed": accuracy_where(predicted == labels, ~agreed),
        "majority": {**accuracy_where(predicted == majority, decided), "left_out": int((~decided).sum())},
    }
