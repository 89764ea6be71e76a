"""Calibrate a trained model on validation and write what its card states: config.json, metrics.json, figures."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from fer.data.ferplus import load_categories, load_votes
from fer.data.photos import list_photo_sets
from fer.documents import to_json
from fer.evaluation.confidence import (
    PRIOR_EXPONENTS,
    TARGET,
    choose_prior_exponent,
    choose_threshold,
    fit_temperature,
    risk_coverage,
    temper_held_out,
)
from fer.evaluation.evaluate import measure, measure_without_duplicates, read_in_scenes
from fer.evaluation.human_agreement import compare_with_votes
from fer.evaluation.metrics import evaluate, reliability
from fer.evaluation.photos import measure_answers, read_photo_sets
from fer.evaluation.plots import save_confusion_matrix, save_reliability, save_risk_coverage
from fer.models.calibration import UNCALIBRATED, Calibration
from fer.models.config import save_calibration
from fer.models.model_folder import FIGURES, METRICS, load_model
from fer.models.provenance import last_part
from fer.outputs import write_text
from fer.recognition.classification import classify

COVERAGES = np.linspace(0.05, 1, 20)
"""Shares of the pictures at which `metrics.json` keeps the risk-coverage curve."""
HAPPY_OR_SAD = ("happy", "sad")


def save_report(
    folder,
    train,
    validation,
    model,
    votes=None,
    target=TARGET,
    served=False,
    photos=None,
    prior=None,
    groups=None,
    show=None,
):
    """Fit prior, temperature and threshold, store them, and measure the model as it will be served.

    Validation pictures go through the Keras network; photos, and pictures in scenes, through the folder's LiteRT file.

    The exponent of the class shares (`fer.models.calibration.Calibration`) is `prior`, or the one of
    `fer.evaluation.confidence.PRIOR_EXPONENTS` with the best mean balanced accuracy on `photos`; without both it stays
    as it is. Temperature and threshold are fitted on validation behind it.

    A temperature has to earn its place: it is stored where it makes the negative log-likelihood of pictures that it was
    not fitted on smaller; otherwise 1 is. The calibration error is measured beside it but does not decide: in bins of a
    few hundred pictures, chance moves it by as much as a temperature near 1 does.

    Args:
        folder: path of a model folder; its weights stay as they are.
        train, validation: `fer.data.fer2013.Faces` with the model's labels; near-duplicates of `train` are looked for.
        model: what to call the model in the figures; of a path the last part, since they are published.
        votes: CSV of FER+; None for no comparison with people.
        target: accuracy wanted of the answers that are not "not sure", 0-1.
        served: measure the served path too (see `fer.data.scenes`), which takes some minutes.
        photos: folder of `fer.data.photos.list_photo_sets` to choose the prior by and to measure on; None for none.
        prior: exponent of the class shares; None as above.
        groups: pattern of `fer.evaluation.fairness.compile_pattern` for the photos; None for no groups.
        show: a function that is given the figures before anything is written; None for none.

    Returns:
        The figures of `fer.evaluation.evaluate.measure` with `calibration`, `agreement` (None without votes),
        `duplicates`, `prior` (`exponent`, and by exponent tried the `validation_accuracy` and with photos their
        `balanced_accuracy`), `photos` (of `fer.evaluation.photos.measure_photos`; None without them), `happy_or_sad`
        (`accuracy` and `accuracy_interval` where only these two are asked for; None without them) and `served_path`
        (`pictures`, `found`, and of these `accuracy`, `accuracy_interval` and `loader_accuracy`; None unless it was
        asked for).

    Raises:
        UserError: for a model or votes that do not fit.
    """
    folder, model = Path(folder), last_part(model)
    opinions = load_votes(votes, validation.names) if votes else None
    network, config = load_model(folder)
    labels, raw = validation.labels, classify(network, validation.images[..., 0])
    sets = list_photo_sets(photos, config.labels) if photos else []
    seen = _read_photos(folder, sets) if photos else []
    shares = _shares(train) or config.calibration.class_shares
    exponent, tried = _choose_prior(prior, config.calibration, shares, (raw, labels), (seen, sets), config.labels)
    adjusted = Calibration(prior_exponent=exponent, class_shares=shares).apply(raw)
    fitted = round(fit_temperature(adjusted, labels), 4)
    before, after = (
        measure(adjusted, replace(config, calibration=stage), validation, "validation", model)
        for stage in (UNCALIBRATED, Calibration(fitted))
    )
    held_out = evaluate(temper_held_out(adjusted, labels), labels, validation.classes)
    temperature = fitted if held_out["nll"] < before["nll"] else 1.0
    tempered = Calibration(temperature).apply(adjusted)
    calibration = Calibration(temperature, choose_threshold(tempered, labels, target), exponent, shares)
    config = replace(config, calibration=calibration)
    metrics = measure(raw, config, validation, "validation", model)
    _, coverages, accuracies = risk_coverage(tempered, labels)
    nearest = np.minimum(np.searchsorted(coverages, COVERAGES), len(coverages) - 1)
    metrics["prior"] = {"exponent": exponent, "tried": tried}
    metrics["calibration"] = {
        "target": target,
        "fitted_temperature": fitted,
        "ece_before": before["ece"],
        "nll_before": before["nll"],
        "ece_fitted": after["ece"],
        "nll_fitted": after["nll"],
        "ece_held_out": held_out["ece"],
        "nll_held_out": held_out["nll"],
        "reliability": reliability(tempered, labels),
        "risk_coverage": [
            {"coverage": float(coverages[index]), "accuracy": float(accuracies[index])} for index in np.unique(nearest)
        ],
    }
    predicted = adjusted.argmax(axis=1)
    metrics["agreement"] = votes and compare_with_votes(predicted, validation, opinions, load_categories(votes))
    metrics["duplicates"] = measure_without_duplicates(predicted == labels, validation, train)
    metrics["happy_or_sad"] = _measure_happy_or_sad(raw, config, validation, model)
    metrics["served_path"] = _measure_served(folder, config, validation, model) if served else None
    answers = [[row if row is None else calibration.apply(row[None])[0] for row in rows] for rows in seen]
    metrics["photos"] = measure_answers(answers, sets, config.labels, calibration, groups) if photos else None
    if show:
        show(metrics)
    save_calibration(folder, calibration)
    write_text(folder / METRICS, to_json(metrics, indent=2) + "\n")

    figures = folder / FIGURES
    figures.mkdir(exist_ok=True)
    title = f"validation, accuracy {metrics['accuracy']:.1%}"
    save_confusion_matrix(figures / "confusion_matrix.png", metrics["confusion_matrix"], metrics["labels"], title)
    save_reliability(figures / "reliability.png", reliability(adjusted, labels), metrics["calibration"]["reliability"])
    save_risk_coverage(figures / "risk_coverage.png", coverages, accuracies, metrics["confident"])
    return metrics


def _read_photos(folder, sets):
    """Return the answers to photos, not calibrated, of `fer.evaluation.photos.read_photo_sets`."""
    # Here, since training measures what it trained, and runs where there is no LiteRT for the detector.
    from fer.detection.blazeface import FaceDetector
    from fer.recognition.litert_network import load_uncalibrated
    from fer.recognition.recognizer import Recognizer

    network, config = load_uncalibrated(folder)
    return read_photo_sets(Recognizer(network, config.labels, FaceDetector(), "photos"), sets)


def _shares(faces):
    """The share of each class, as floats that sum to 1; nothing where a class has no picture."""
    counts = np.bincount(faces.labels, minlength=len(faces.classes))
    return tuple((counts / counts.sum()).tolist()) if counts.all() else ()


def _choose_prior(prior, before, shares, validation, photos, names):
    """The exponent of the class shares, and by exponent tried what it does on validation and on photos.

    Args:
        prior: the exponent that is asked for, or None.
        before: the model's `Calibration` as it is.
        shares: of the classes in training.
        validation: probabilities `(n, classes)` and labels `(n,)`.
        photos: answers of `fer.evaluation.photos.read_photo_sets` and their sets; both empty for none.
        names: of the classes.
    """
    probabilities, labels = validation
    seen, sets = photos
    if prior is None and not sets:
        return before.prior_exponent, []
    tried = {}
    for exponent in PRIOR_EXPONENTS if prior is None else (0.0, prior):
        adjust = Calibration(prior_exponent=exponent, class_shares=shares).apply
        row = {"exponent": exponent, "validation_accuracy": float((adjust(probabilities).argmax(1) == labels).mean())}
        if sets:
            answers = [[one if one is None else adjust(one[None])[0] for one in rows] for rows in seen]
            row["balanced_accuracy"] = measure_answers(answers, sets, names, UNCALIBRATED)["mean"]["balanced_accuracy"]
        tried[exponent] = row
    if prior is None:
        prior = choose_prior_exponent(lambda exponent: tried[exponent]["balanced_accuracy"])
    return prior, list(tried.values())


def _measure_happy_or_sad(probabilities, config, faces, model):
    """The original experiment: only pictures of these two, and the larger of their two probabilities."""
    if not set(HAPPY_OR_SAD) < set(config.labels):
        return None
    columns = [config.labels.index(name) for name in HAPPY_OR_SAD]
    kept = np.flatnonzero(np.isin(faces.labels, columns))
    two = replace(faces.take(kept), labels=np.searchsorted(columns, faces.labels[kept]), classes=HAPPY_OR_SAD)
    return _accuracy(measure(probabilities[kept], config, two, "validation", model))


def _measure_served(folder, config, faces, model):
    found, probabilities, figures = read_in_scenes(folder, faces)
    accuracy = _accuracy(measure(probabilities, config, found, "validation", model))
    return {**figures, "found": len(found), **accuracy}


def _accuracy(metrics):
    return {name: metrics[name] for name in ("accuracy", "accuracy_interval")}
