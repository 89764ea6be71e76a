"""How the calibration of a network is fitted: temperature, threshold of "sure", exponent of the classes' shares."""

import math

import numpy as np

from fer.models.calibration import TEMPERATURES, temper

PRIOR_EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Exponents that `choose_prior_exponent` tries."""
TARGET = 0.85
"""Accuracy wanted of the answers that are not "not sure"."""
FOLDS = 5
FOLD_SEED = 2013


def fit_temperature(probabilities, labels):
    """The temperature in `TEMPERATURES` with the least negative log-likelihood.

    Args:
        probabilities: float array `(n, classes)`.
        labels: int array `(n,)`.
    """
    from scipy.optimize import minimize_scalar  # Slow to import, and of no use to who only serves.

    def loss(logarithm):
        tempered = temper(np.asarray(probabilities, np.float64), math.exp(logarithm))
        return -np.log(tempered[np.arange(len(labels)), labels]).mean()

    bounds = [math.log(limit) for limit in TEMPERATURES]
    return float(math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def temper_held_out(probabilities, labels):
    """Each picture's probabilities at the temperature that the other folds' pictures give.

    What is measured on them is honest, where the temperature fitted on all of the pictures has seen each of them.

    Args:
        probabilities, labels: as `fit_temperature` takes them, at least `FOLDS` pictures.

    Returns:
        float64 array `(n, classes)`.
    """
    probabilities = np.asarray(probabilities, np.float64)
    fold_of = np.random.default_rng(FOLD_SEED).permutation(len(labels)) % FOLDS
    tempered = np.empty_like(probabilities)
    for fold in range(FOLDS):
        held_out = fold_of == fold
        temperature = fit_temperature(probabilities[~held_out], labels[~held_out])
        tempered[held_out] = temper(probabilities[held_out], temperature)
    return tempered


def risk_coverage(probabilities, labels):
    """What is answered and how well, at every threshold there is.

    Args:
        probabilities: float array `(n, classes)`.
        labels: int array `(n,)`.

    Returns:
        Three float arrays `(m,)` by falling threshold, one for each different top probability: the thresholds, the
        share of pictures at or above them (coverage), and the accuracy on those (one minus the risk).
    """
    confidence, correct = np.max(probabilities, axis=1), np.argmax(probabilities, axis=1) == labels
    order = np.argsort(-confidence, kind="stable")
    confidence, count = confidence[order], np.arange(1, len(order) + 1)
    last = np.append(np.diff(confidence) != 0, True)
    return confidence[last], count[last] / len(order), (np.cumsum(correct[order]) / count)[last]


def choose_threshold(probabilities, labels, target=TARGET):
    """The lowest threshold that answers with the accuracy wanted: the most answers at that accuracy.

    Args:
        probabilities, labels: as `risk_coverage` takes them, already tempered.
        target: accuracy wanted of what is answered, 0-1.

    Returns:
        The threshold, rounded down to four places; 1 where none reaches the target.
    """
    thresholds, _, accuracies = risk_coverage(probabilities, labels)
    reached = np.flatnonzero(accuracies >= target)
    return math.floor(1e4 * float(thresholds[reached[-1]])) / 1e4 if len(reached) else 1.0


def choose_prior_exponent(score) -> float:
    """Return the exponent of `PRIOR_EXPONENTS` with the highest score, the smallest of equals.

    Args:
        score: function of an exponent that returns a float.
    """
    return max(PRIOR_EXPONENTS, key=score)
