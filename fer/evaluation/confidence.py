"""Fit the calibration of a network: its temperature, its confidence threshold, and the exponent of its class prior."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fer.data.faces import Faces
from fer.data.photos import PhotoSet
from fer.evaluation.metrics import accuracy_where, evaluate
from fer.evaluation.photos import Answer, calibrate_answers, measure_answers
from fer.models.calibration import MIN_ERRORS, TEMPERATURES, UNCALIBRATED, Calibration, scale_temperature

PRIOR_EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Exponents that `choose_prior_exponent` tries."""
PRIOR_TOLERANCE = 0.005
"""Score that a larger exponent must add, because every exponent costs accuracy on FER2013; half a percentage point is
within the noise."""
TARGET = 0.85
"""Selective accuracy that the threshold should reach: the accuracy of all answers except "not sure"."""
FOLDS = 5
"""Number of cross-validation folds of temperature and threshold."""
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
    scaled = np.empty_like(probabilities)
    for held_out in _folds(len(labels)):
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


def cross_validate_threshold(probabilities: np.ndarray, labels: np.ndarray, target: float) -> dict[str, Any]:
    """Measure the confident answers with the threshold that `choose_threshold` chooses on the other folds.

    On the pictures that chose it, a threshold looks better than it is, the more so the fewer they are.

    Args:
        probabilities, labels, target: as `choose_threshold` takes them.

    Returns:
        A dict of `coverage`, the share of confident answers; their number `n`; and their `accuracy`, None without any.
    """
    confidence, confident = np.max(probabilities, axis=1), np.zeros(len(labels), bool)
    for held_out in _folds(len(labels)):
        if not held_out.all():  # One picture alone leaves none to choose on.
            threshold = choose_threshold(probabilities[~held_out], labels[~held_out], target)
            confident[held_out] = confidence[held_out] >= threshold
    correct = np.argmax(probabilities, axis=1) == labels
    return {"coverage": float(confident.mean()), **accuracy_where(correct, confident)}


def _folds(count):
    """Yield for each cross-validation fold which of a number of pictures are in it, a bool array."""
    fold_of = np.random.default_rng(FOLD_SEED).permutation(count) % FOLDS
    for fold in range(FOLDS):
        yield fold_of == fold


def choose_prior_exponent(score: Callable[[float], float]) -> float:
    """Return the smallest exponent in `PRIOR_EXPONENTS` whose score is within `PRIOR_TOLERANCE` of the highest.

    Args:
        score: function of an exponent that returns a float, such as a balanced accuracy from 0 to 1.
    """
    scores = {exponent: score(exponent) for exponent in PRIOR_EXPONENTS}
    best = max(scores.values())
    return min(exponent for exponent in PRIOR_EXPONENTS if scores[exponent] >= best - PRIOR_TOLERANCE)


def count_shares(faces: Faces) -> tuple[float, ...]:
    """Return the share of each class, a tuple of floats that sum to 1; empty if a class has no picture."""
    counts = np.bincount(faces.labels, minlength=len(faces.classes))
    return tuple((counts / counts.sum()).tolist()) if counts.all() else ()


def choose_prior(
    prior: float | None,
    before: Calibration,
    shares: tuple[float, ...],
    validation: tuple[np.ndarray, np.ndarray],
    photos: tuple[list[list[Answer]], list[PhotoSet]],
    names: tuple[str, ...],
) -> tuple[float, list[dict[str, float]]]:
    """Return the exponent of the class shares, and a list of dicts with the measurements of each exponent tried.

    Args:
        prior: exponent that the user asked for, or None. It is compared with 0, as that of `before` is if it stays.
        before: `Calibration` of the model so far.
        shares: shares of the classes in training.
        validation: probabilities `(n, classes)` and labels `(n,)` of the validation split.
        photos: answers of `fer.evaluation.photos.read_photo_sets`, and their sets; both empty without photos. Only sets
            with several labels leave a choice, on which a prior can be chosen.
        names: names of the classes.
    """
    probabilities, labels = validation
    answers, sets = photos
    chosen_on = any(len(set(each.labels)) > 1 for each in sets)
    if prior is None and not chosen_on:
        prior = before.prior_exponent
        if not prior:
            return prior, []
    tried = {}
    for exponent in PRIOR_EXPONENTS if prior is None else (0.0, prior):
        adjustment = Calibration(prior_exponent=exponent, class_shares=shares)
        correct = adjustment.apply(probabilities).argmax(axis=1) == labels
        row = {"exponent": exponent, "validation_accuracy": float(correct.mean())}
        if chosen_on:
            adjusted = calibrate_answers(adjustment, answers)
            row["balanced_accuracy"] = measure_answers(adjusted, sets, names, UNCALIBRATED)["mean"]["balanced_accuracy"]
        tried[exponent] = row
    if prior is None:
        prior = choose_prior_exponent(lambda exponent: tried[exponent]["balanced_accuracy"])
    return prior, list(tried.values())


def choose_temperature(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> tuple[float, dict[str, Any]]:
    """Fit a temperature, and decide by cross-validation whether to use it.

    Args:
        probabilities: probabilities `(n, classes)` of the validation pictures, after logit adjustment.
        labels: int array `(n,)` of indices into `classes`.
        classes: names of the classes.

    Returns:
        The fitted temperature, or 1; and a dict for `metrics.json`: `fitted_temperature`; `errors`, the number of wrong
        answers, of which `MIN_ERRORS` are needed to use a temperature; and `ece` and `nll` before it is applied
        (`_before`), with it on the same pictures (`_fitted`), and by cross-validation (`_held_out`).
    """
    fitted = round(fit_temperature(probabilities, labels), 4)
    stages = {
        "before": probabilities,
        "fitted": Calibration(fitted).apply(probabilities),
        "held_out": cross_validate_temperature(probabilities, labels),
    }
    metrics = {stage: evaluate(scaled, labels, classes) for stage, scaled in stages.items()}
    measured = {f"{name}_{stage}": values[name] for stage, values in metrics.items() for name in ("ece", "nll")}
    errors = int((probabilities.argmax(axis=1) != labels).sum())
    used = errors >= MIN_ERRORS and measured["nll_held_out"] < measured["nll_before"]
    return fitted if used else 1.0, {"fitted_temperature": fitted, "errors": errors, **measured}
