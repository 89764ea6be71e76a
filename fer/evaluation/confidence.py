"""Fit the calibration of a network: its temperature, its confidence threshold, and the exponent of its class prior."""

import math
from collections.abc import Callable

import numpy as np

from fer.models.calibration import TEMPERATURES, scale_temperature

PRIOR_EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Exponents that `choose_prior_exponent` tries."""
PRIOR_TOLERANCE = 0.005
"""Score that a larger exponent must add, because every exponent costs accuracy on FER2013; half a percentage point is
within the noise."""
TARGET = 0.85
"""Selective accuracy that the threshold should reach: the accuracy of all answers except "not sure"."""
MIN_ERRORS = 10
"""Number of wrong answers below which no temperature is used: on pictures that are nearly all read rightly, the
likelihood rises until all probabilities are 100 %."""
FOLDS = 5
"""Number of cross-validation folds of `cross_validate_temperature`."""
FOLD_SEED = 2013
"""Seed that assigns pictures to folds."""


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature within `TEMPERATURES` with the lowest negative log-likelihood.

    Args:
        probabilities: float array `(n, classes)`.
        labels: int array `(n,)`.
    """
    from scipy.optimize import minimize_scalar  # Slow to import.

    def loss(logarithm):
        scaled = scale_temperature(np.asarray(probabilities, np.float64), math.exp(logarithm))
        return -np.log(scaled[np.arange(len(labels)), labels]).mean()

    bounds = [math.log(limit) for limit in TEMPERATURES]
    return float(math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def cross_validate_temperature(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the probabilities of each picture at the temperature that is fitted on the other folds.

    Metrics of them are unbiased, because no picture has influenced its own temperature.

    Args:
        probabilities, labels: as `fit_temperature` takes them, at least `FOLDS` pictures.

    Returns:
        A float64 array `(n, classes)`.
    """
    probabilities = np.asarray(probabilities, np.float64)
    fold_of = np.random.default_rng(FOLD_SEED).permutation(len(labels)) % FOLDS
    scaled = np.empty_like(probabilities)
    for fold in range(FOLDS):
        held_out = fold_of == fold
        temperature = fit_temperature(probabilities[~held_out], labels[~held_out])
        scaled[held_out] = scale_temperature(probabilities[held_out], temperature)
    return scaled


def risk_coverage(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the risk-coverage curve: the share of pictures answered, and their accuracy, at every threshold.

    Args:
        probabilities: float array `(n, classes)`.
        labels: int array `(n,)`.

    Returns:
        Three float arrays `(m,)`, one element per distinct top probability, in descending order of the thresholds: the
        thresholds, the share of pictures at or above each (coverage), and the accuracy on those (one minus the risk).
    """
    confidence, correct = np.max(probabilities, axis=1), np.argmax(probabilities, axis=1) == labels
    order = np.argsort(-confidence, kind="stable")
    confidence, count = confidence[order], np.arange(1, len(order) + 1)
    last = np.append(np.diff(confidence) != 0, True)
    return confidence[last], count[last] / len(order), (np.cumsum(correct[order]) / count)[last]


def choose_threshold(probabilities: np.ndarray, labels: np.ndarray, target: float) -> float:
    """Return the lowest threshold that reaches a selective accuracy, which answers the most pictures at that accuracy.

    Args:
        probabilities, labels: as `risk_coverage` takes them, at their temperature.
        target: accuracy to reach on the pictures that are answered, from 0 to 1.

    Returns:
        The threshold, rounded down to four places if it then still reaches the target; 1 if no threshold does.
    """
    thresholds, _, accuracies = risk_coverage(probabilities, labels)
    reached = np.flatnonzero(accuracies >= target)
    if not len(reached):
        return 1.0
    threshold = float(thresholds[reached[-1]])
    rounded = math.floor(1e4 * threshold) / 1e4
    # Between both there may be answers that are wrong.
    return rounded if accuracies[thresholds >= rounded][-1] >= target else threshold


def choose_prior_exponent(score: Callable[[float], float]) -> float:
    """Return the smallest exponent in `PRIOR_EXPONENTS` whose score is within `PRIOR_TOLERANCE` of the highest.

    Args:
        score: function of an exponent that returns a float, such as a balanced accuracy from 0 to 1.
    """
    scores = {exponent: score(exponent) for exponent in PRIOR_EXPONENTS}
    best = max(scores.values())
    return min(exponent for exponent in PRIOR_EXPONENTS if scores[exponent] >= best - PRIOR_TOLERANCE)
