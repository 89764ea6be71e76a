"""Figures from predictions."""

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
RESAMPLES = 10_000
RESAMPLING_SEED = 2013
FEW = 10
"""Right answers, or wrong ones, below which a bootstrap knows too little: it only draws what it has seen."""


def evaluate(probabilities, labels, classes):
    """Compares predicted probabilities with the true labels.

    Args:
        probabilities: float array `(n, classes)`, rows sum to 1.
        labels: int array `(n,)` of indices into `classes`.
        classes: names of the outputs.

    Returns:
        A dict of plain numbers, ready for JSON: `n`; `accuracy`; `accuracy_interval` (of that function);
        `balanced_accuracy` (mean recall of the classes that occur); `macro_f1`; `nll` in nats; `ece`; `per_class`
        (precision, recall, f1, support by name); `confusion_matrix` (rows are true, columns predicted); `labels`.
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
        "accuracy_interval": accuracy_interval(predicted == labels),
        "balanced_accuracy": float(recall_score(labels, predicted, labels=np.unique(labels), average="macro")),
        "macro_f1": float(f1.mean()),
        "nll": float(log_loss(labels, probabilities, labels=indices)),
        "ece": expected_calibration_error(probabilities, labels),
        "per_class": per_class,
        "confusion_matrix": confusion_matrix(labels, predicted, labels=indices).tolist(),
        "labels": list(classes),
    }


def accuracy_interval(correct):
    """95 % interval of a share by the percentile bootstrap (Efron, 1979), `RESAMPLES` draws with a fixed seed; where
    fewer than `FEW` answers are right, or wrong, by the score interval of Wilson (1927), which of 5 right answers of 5
    says 57 % to 100 %.

    Args:
        correct: bool array `(n,)`, n at least 1.

    Returns:
        `[low, high]`, floats from 0 to 1.
    """
    n, right = len(correct), int(np.count_nonzero(correct))
    if min(right, n - right) < FEW:
        return wilson_interval(right, n)
    # Drawing n of n zeros and ones with replacement and counting the ones is one binomial draw.
    shares = np.random.default_rng(RESAMPLING_SEED).binomial(n, np.mean(correct), RESAMPLES) / n
    return [float(edge) for edge in np.percentile(shares, (2.5, 97.5))]


def wilson_interval(right: int, n: int) -> list[float]:
    """Return the 95 % score interval of a share (Wilson, 1927), `[low, high]` from 0 to 1, of `n` of at least 1."""
    return [float(edge) for edge in binomtest(right, n).proportion_ci(method="wilson")]


def accuracy_where(correct, chosen):
    """The accuracy on some of the answers.

    Args:
        correct: bool array `(n,)`.
        chosen: bool array `(n,)`.

    Returns:
        A dict: `n`, how many are chosen, and their `accuracy`, None if there are none.
    """
    return {"n": int(chosen.sum()), "accuracy": float(correct[chosen].mean()) if chosen.any() else None}


def reliability(probabilities, labels, bins=ECE_BINS):
    """Confidence and accuracy by equally wide bins of the top probability.

    Args:
        probabilities: float array `(n, classes)`.
        labels: int array `(n,)`.
        bins: number of bins between 0 and 1; a bin holds its upper edge, not its lower one.

    Returns:
        A list of `{"n", "confidence", "accuracy"}` of the bins that are not empty: pictures, and means from 0 to 1.
    """
    probabilities = np.asarray(probabilities, np.float64)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return [
        {
            "n": int((bin_of == index).sum()),
            "confidence": float(confidence[bin_of == index].mean()),
            "accuracy": float(correct[bin_of == index].mean()),
        }
        for index in np.unique(bin_of)
    ]


def expected_calibration_error(probabilities, labels, bins=ECE_BINS):
    """Mean gap between confidence and accuracy over the bins of `reliability`.

    Each bin counts by its share of the pictures (Guo et al., 2017, "On Calibration of Modern Neural Networks").
    """
    rows = reliability(probabilities, labels, bins)
    return sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / len(labels)


def restrict(probabilities, labels, classes):
    """The columns of some of the classes, scaled to sum to 1: what the network says knowing it is one of them.

    Args:
        probabilities: float array `(n, len(labels))`.
        labels: names of the columns.
        classes: names to keep.
    """
    chosen = np.asarray(probabilities, np.float64)[:, [labels.index(name) for name in classes]]
    return chosen / np.maximum(chosen.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
