"""Targets of the training: labels, or the votes of people beside them."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from fer.training.recipes import Recipe


def one_hot(faces):
    """Return the labels of `fer.data.fer2013.Faces` as float64 `(n, classes)`."""
    return np.eye(len(faces.classes))[faces.labels]


def soft_targets(faces, votes, share=Recipe.votes_share):
    """Return targets that know how sure people are: each picture's label, and what its votes say of FER2013's label.

    FER+ asked other people, who agree with FER2013's labels on 63 % of the pictures, so its majority is not what is to
    be predicted. A multinomial logistic regression from votes to labels over all pictures gives the probability of each
    label among pictures with such votes; it varies less from picture to picture than the single label it stands for.

    Args:
        faces: `fer.data.fer2013.Faces`.
        votes: of `fer.data.ferplus.load_votes`, `(n, categories)`; pictures without votes keep their label.
        share: how much of a target the votes decide, from 0, the label alone, to 1, the votes alone.

    Returns:
        float64 array `(n, classes)`; rows sum to 1.
    """
    known = ~np.isnan(votes).any(axis=1)
    features = np.hstack([votes[known], np.sqrt(votes[known]), votes[known] >= 0.5])
    regression = LogisticRegression(max_iter=1000).fit(features, faces.labels[known])
    targets = one_hot(faces)
    columns = np.ix_(known, regression.classes_)
    said = np.zeros_like(targets)
    said[columns] = regression.predict_proba(features)
    targets[known] = (1 - share) * targets[known] + share * said[known]
    return targets
