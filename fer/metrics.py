"""Figures from predictions."""

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
    recall_score,
)

ECE_BINS = 15


def evaluate(probabilities, labels, classes):
    """Compares predicted probabilities with the true labels.

    Args:
        probabilities: float array `(n, classes)`, rows sum to 1.
        labels: int array `(n,)` of indices into `classes`.
        classes: names of the outputs.

    Returns:
        A dict of plain numbers, ready for JSON: `n`; `accuracy`; `balanced_accuracy` (mean recall of the classes that
        occur); `macro_f1`; `nll` in nats; `ece`; `per_class` (precision, recall, f1, support by name);
        `confusion_matrix` (rows are true, columns predicted); `labels`.
    """
    probabilities = np.asarray(probabilities, np.float64)
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
        "balanced_accuracy": float(recall_score(labels, predicted, labels=np.unique(labels), average="macro")),
        "macro_f1": float(f1.mean()),
        "nll": float(log_loss(labels, probabilities, labels=indices)),
        "ece": expected_calibration_error(probabilities, labels),
        "per_class": per_class,
        "confusion_matrix": confusion_matrix(labels, predicted, labels=indices).tolist(),
        "labels": list(classes),
    }


def expected_calibration_error(probabilities, labels, bins=ECE_BINS):
    """Mean gap between confidence and accuracy over equally wide bins of the top probability.

    Each bin counts by its share of the pictures (Guo et al., 2017, "On Calibration of Modern Neural Networks").

    Args:
        probabilities: float array `(n, classes)`.
        labels: int array `(n,)`.
        bins: number of bins between 0 and 1; a bin holds its upper edge, not its lower one.
    """
    probabilities = np.asarray(probabilities, np.float64)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def restrict(probabilities, labels, classes):
    """The columns of some of the classes, scaled to sum to 1: what the network says knowing it is one of them.

    Args:
        probabilities: float array `(n, len(labels))`.
        labels: names of the columns.
        classes: names to keep.
    """
    chosen = np.asarray(probabilities, np.float64)[:, [labels.index(name) for name in classes]]
    return chosen / np.maximum(chosen.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
