"""Training targets: one-hot labels, or soft targets from labels and votes."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from fer.data.faces import Faces
from fer.data.items import DataError
from fer.training.recipes import Recipe


def one_hot(faces: Faces) -> np.ndarray:
    """Return the labels of `fer.data.faces.Faces` as a float64 array `(n, classes)`."""
    return np.eye(len(faces.classes))[faces.labels]


def soft_targets(faces: Faces, votes: np.ndarray, share: float = Recipe.votes_share) -> np.ndarray:
    """Return soft targets: the label of each picture, mixed with the label probabilities that its votes predict.

    The votes of FER+ come from other people than the labels of FER2013, and agree with these labels on 63% of the
    pictures. So the majority vote cannot replace the label. A multinomial logistic regression from votes to labels,
    fitted on all pictures, predicts the probability of each label for pictures with such votes. These probabilities are
    less noisy than single labels.

    Args:
        faces: `fer.data.faces.Faces`.
        votes: float array `(n, categories)` as `fer.data.ferplus.load_votes` returns it; pictures without votes keep
            their label.
        share: weight of the votes in a target, from 0 (the label alone) to 1 (the votes alone).

    Returns:
        A float64 array `(n, classes)`; rows sum to 1.

    Raises:
        DataError: if the pictures with votes have fewer than two labels.
    """
    known = ~np.isnan(votes).any(axis=1)
    if len({*faces.labels[known].tolist()}) < 2:
        rule = "Votes must be of pictures of two classes or more"
        raise DataError(f"{rule}. Received: votes for {known.sum()} of {len(faces)} training pictures")
    features = np.hstack([votes[known], np.sqrt(votes[known]), votes[known] >= 0.5])
    regression = LogisticRegression(max_iter=1000).fit(features, faces.labels[known])
    targets = one_hot(faces)
    columns = np.ix_(known, regression.classes_)
    predicted = np.zeros_like(targets)
    predicted[columns] = regression.predict_proba(features)
    targets[known] = (1 - share) * targets[known] + share * predicted[known]
    return targets
