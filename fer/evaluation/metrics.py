"""Metrics of predicted probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    recall_score,
)

ECE_BINS = 15
"""Number of bins of the expected calibration error, from 0 to 1; a bin contains its upper edge, not its lower one."""


def evaluate(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Compare predicted probabilities with the true labels.

    Args:
        probabilities: float array `(n, classes)`, rows sum to 1 but for the rounding of float32.
        labels: int array `(n,)` of indices into `classes`.
        classes: names of the outputs.

    Returns:
        A dict of plain numbers, ready for JSON: `n`; `accuracy`; `accuracy_interval` (see `wilson_interval`);
        `balanced_accuracy` (mean recall over the classes that occur); `macro_f1`; `nll`, the negative log-likelihood in
        nats; `ece`, the expected calibration error; `per_class` (precision, recall, f1, support by class name);
        `confusion_matrix` (rows are true classes, columns predicted ones); `labels`.
    """
    probabilities = np.asarray(probabilities, np.float64)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    indices = np.arange(len(classes))
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=indices, zero_division=0.0
    )
    per_class = {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(classes, precision, recall, f1, support, strict=True)
    }
    return {
        "n": len(labels),
        "accuracy": float(accuracy_score(labels, predicted)),
        "accuracy_interval": wilson_interval(int((predicted == labels).sum()), len(labels)),
        "balanced_accuracy": float(recall_score(labels, predicted, labels=np.unique(labels), average="macro")),
        "macro_f1": float(f1.mean()),
        "nll": float(log_loss(labels, probabilities, labels=indices)),
        "ece": expected_calibration_error(probabilities, labels),
        "per_class": per_class,
        "confusion_matrix": confusion_matrix(labels, predicted, labels=indices).tolist(),
        "labels": list(classes),
    }


def wilson_interval(right: int, n: int) -> list[float]:
    """Return the 95% score interval of the share `right / n` (Wilson, 1927), `[low, high]`; n is at least 1.

    Unlike the normal interval it fits few pictures too: 5 right answers out of 5 give 57% to 100%.
    """
    return [float(edge) for edge in binomtest(right, n).proportion_ci(method="wilson")]


def accuracy_where(correct: np.ndarray, chosen: np.ndarray) -> dict[str, Any]:
    """Return the accuracy of the chosen answers.

    Args:
        correct: bool array `(n,)`.
        chosen: bool array `(n,)`.

    Returns:
        A dict: `n`, the number of chosen answers, and their `accuracy`, None if there are none.
    """
    return {"n": int(chosen.sum()), "accuracy": float(correct[chosen].mean()) if chosen.any() else None}


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> list[dict[str, Any]]:
    """Return the data of a reliability diagram: confidence and accuracy in equally wide bins of the top probability.

    Args:
        probabilities: float array `(n, classes)`.
        labels: int array `(n,)`.

    Returns:
        A list with one dict per bin that is not empty: `n`, the number of pictures, and the means `confidence` and
        `accuracy`, from 0 to 1.
    """
    probabilities = np.asarray(probabilities, np.float64)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
    return [
        {
            "n": int((bin_of == index).sum()),
            "confidence": float(confidence[bin_of == index].mean()),
            "accuracy": float(correct[bin_of == index].mean()),
        }
        for index in np.unique(bin_of)
    ]


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean gap between confidence and accuracy over the bins of `reliability`.

    Each bin is weighted by its share of the pictures (Guo et al., 2017, "On Calibration of Modern Neural Networks").
    """
    rows = reliability(probabilities, labels)
    return sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / len(labels)


def restrict(probabilities: np.ndarray, labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Return the probabilities of some classes, given that the answer is one of them: rows again sum to 1.

    Args:
        probabilities: float array `(n, len(labels))`.
        labels: names of the columns.
        classes: names of the columns to keep.
    """
    chosen = np.asarray(probabilities, np.float64)[:, [labels.index(name) for name in classes]]
    return chosen / np.maximum(chosen.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
