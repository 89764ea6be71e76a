"""Calibration and evaluation of a trained model on the validation split.

It writes the facts that the model card states: the calibration in `config.json`, the metrics in `metrics.json`, and
plots.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fer.data.faces import Faces
from fer.data.facts import describe_data, is_cut_again
from fer.data.photos import list_photo_sets
from fer.evaluation.confidence import (
    TARGET,
    choose_prior,
    choose_temperature,
    choose_threshold,
    count_shares,
    cross_validate_threshold,
    risk_coverage,
)
from fer.evaluation.evaluate import measure, measure_without_duplicates, read_in_scenes
from fer.evaluation.fairness import check_groups
from fer.evaluation.human_agreement import compare_with_votes, load_comparable_votes
from fer.evaluation.metrics import evaluate, reliability, restrict
from fer.evaluation.photos import calibrate_answers, measure_answers, read_photo_sets
from fer.evaluation.plots import save_confusion_matrix, save_reliability, save_risk_coverage
from fer.models.calibration import Calibration
from fer.models.config import save_calibration
from fer.models.model_folder import FIGURES, METRICS, load_metrics, load_model
from fer.outputs import write_json
from fer.paths import StrPath, name_of
from fer.recognition.classification import classify

COVERAGES = np.linspace(0.05, 1, 20)
"""Coverages at which `metrics.json` holds a point of the risk-coverage curve."""
HAPPY_OR_SAD = ("happy", "sad")
"""Classes of the experiment with which this project began."""


@dataclass(frozen=True)
class Request:
    """What a report may hold besides what a training measures, and how the calibration is chosen.

    votes: path of the CSV of FER+, to compare the model with people; None for no comparison.
    photos: folder of `fer.data.photos.list_photo_sets`, to choose the prior and to evaluate end to end; or None.
    groups: pattern of `fer.evaluation.fairness.compile_pattern` for the photos; None for no groups.
    end_to_end: whether to measure the end-to-end accuracy in scenes (`fer.data.scenes`); this takes minutes.
    target: selective accuracy that the threshold should reach, 0-1; None for that of the last report, at first
        `TARGET`.
    prior: exponent of the class shares; None to choose it.
    """

    votes: StrPath | None = None
    photos: StrPath | None = None
    groups: re.Pattern | None = None
    end_to_end: bool = False
    target: float | None = None
    prior: float | None = None

    def list_measured(self) -> list[str]:
        """Return the options of `fer calibrate` by which it measures what a training does not."""
        return _list_options(self.photos, self.groups, self.votes, self.end_to_end)


TRAINING = Request()
"""What a training measures: nothing else."""


def save_report(
    folder: StrPath,
    train: Faces,
    validation: Faces,
    model: str,
    data: StrPath,
    request: Request = TRAINING,
    show: Callable[[dict[str, Any]], None] | None = None,
    note: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """Fit the calibration of a model, evaluate the calibrated model, and write both into its folder.

    The pictures of the validation split go through the Keras network; whole photos and scenes go through the folder's
    LiteRT file.

    First the exponent of the class shares is chosen (`fer.models.calibration.Calibration`): the `prior` of the request,
    or else the choice of `fer.evaluation.confidence.choose_prior_exponent` by the mean balanced accuracy on its
    `photos`, or else the model's own. Then temperature and threshold are fitted on the validation split. The class
    shares are those that the model was trained with, even if another data set is measured; only a model that records
    none gets those of `train`.

    The fitted temperature is kept only if it lowers the negative log-likelihood of held-out pictures; otherwise the
    temperature is 1. The calibration error does not decide: its bins hold a few hundred pictures, so chance changes it
    as much as a temperature near 1 does.

    Args:
        folder: path of a model folder; its weights are not changed.
        train, validation: `fer.data.faces.Faces` with the labels of the model. `train` is searched for
            near-duplicates of validation pictures.
        model: name of the model in the metrics. Only the last part of a path is recorded, because the metrics are
            published.
        data: path of the data set of `train` and `validation`; its last part is recorded as well.
        request: what else to measure, and how the calibration is chosen.
        show: function that gets the metrics before anything is written; or None.
        note: function that gets sentences on what was measured before and is not measured again, and on photos that
            cannot be read, or only in part, if there are any; or None.

    Returns:
        The metrics of `fer.evaluation.evaluate.measure`, and: `data` (of `fer.data.facts.describe_data`, for the
        validation split; None for FER2013); `cut_again` (of `fer.data.facts.is_cut_again`); `prior` (the `exponent`,
        and of each exponent `tried` the `validation_accuracy` and, with photos, the `balanced_accuracy` on them);
        `calibration`; `agreement` (of `fer.evaluation.human_agreement.compare_with_votes`, or None); `duplicates` (of
        `fer.evaluation.evaluate.measure_without_duplicates`); `happy_or_sad` (`accuracy` and `accuracy_interval` on
        pictures of these two classes, or None); `end_to_end` (`pictures`, `found`, and for the faces found `accuracy`,
        `accuracy_interval` and `accuracy_without_scenes`; or None); and `photos` (of
        `fer.evaluation.photos.measure_photos`, or None).

    Raises:
        UserError: if the model, the votes or the photos are not valid.
    """
    folder, model = Path(folder), name_of(model)
    earlier = load_metrics(folder, "a card") if (folder / METRICS).exists() else {}
    if note and (lost := describe_lost(earlier, request)):
        note(lost)
    target = _find_target(earlier) if request.target is None else request.target
    counted = load_comparable_votes(request.votes, validation) if request.votes else None
    network, config = load_model(folder)
    sets = list_photo_sets(request.photos, config.labels) if request.photos else []
    if request.groups:
        check_groups(request.groups, sets)
    labels, raw = validation.labels, classify(network, validation.images[..., 0])
    answers = _read_photos(folder, sets, note) if sets else []
    shares = config.calibration.class_shares or count_shares(train)
    exponent, tried = choose_prior(
        request.prior, config.calibration, shares, (raw, labels), (answers, sets), config.labels
    )
    adjusted = Calibration(prior_exponent=exponent, class_shares=shares).apply(raw)
    temperature, fit = choose_temperature(adjusted, labels, config.labels)
    scaled = Calibration(temperature).apply(adjusted)
    calibration = Calibration(temperature, choose_threshold(scaled, labels, target), exponent, shares)
    config = replace(config, calibration=calibration)

    curve = risk_coverage(scaled, labels)
    predicted = adjusted.argmax(axis=1)
    metrics = measure(raw, config, validation, "validation", model)
    metrics["data"] = describe_data(data, validation=validation)
    metrics["cut_again"] = is_cut_again(config, validation, metrics["data_sha256"])
    metrics["prior"] = {"exponent": exponent, "tried": tried}
    metrics["calibration"] = {
        "target": target,
        **fit,
        "confident_held_out": cross_validate_threshold(scaled, labels, target),
        "reliability": reliability(scaled, labels),
        "risk_coverage": _sample_curve(curve),
    }
    metrics["agreement"] = counted and compare_with_votes(predicted, validation, *counted)
    metrics["duplicates"] = measure_without_duplicates(predicted == labels, validation, train)
    metrics["happy_or_sad"] = _measure_happy_or_sad(raw, config, validation)
    metrics["end_to_end"] = _measure_end_to_end(folder, config, validation) if request.end_to_end else None
    calibrated = calibrate_answers(calibration, answers)
    metrics["photos"] = measure_answers(calibrated, sets, config.labels, calibration, request.groups) if sets else None
    if show:
        show(metrics)
    save_calibration(folder, calibration)
    write_json(folder / METRICS, metrics)
    _save_plots(folder / FIGURES, metrics, reliability(adjusted, labels), curve)
    return metrics


def discard_metrics(folder: StrPath) -> str:
    """Remove the metrics of earlier weights, and say in a sentence what a training does not measure again."""
    metrics = load_metrics(folder, "a card")
    (Path(folder) / METRICS).unlink()
    target = _find_target(metrics)
    gone = [f"--target {target:g}"] * (target != TARGET) + _list_requested(metrics)
    lost = f"; what `fer calibrate` did with {', '.join(gone)} is gone" if gone else ""
    return f"The weights are others than before, so they are calibrated and measured again{lost}."


def describe_lost(earlier: dict[str, Any], request: Request) -> str:
    """Return a sentence on what an earlier `fer calibrate` measured and this one does not; "" if there is nothing.

    Args:
        earlier: content of the `metrics.json` that will be replaced; empty if there is none.
        request: what this one measures.
    """
    measured = request.list_measured()
    lost = [name for name in _list_requested(earlier) if name not in measured]
    return f"What was measured before with {', '.join(lost)} is not measured again, and goes." if lost else ""


def _find_target(metrics):
    """Return the selective accuracy that was asked of the threshold in metrics; `TARGET` if they name none, 0-1."""
    calibration = metrics.get("calibration")
    target = calibration.get("target") if isinstance(calibration, dict) else None
    return target if isinstance(target, (int, float)) and 0 <= target <= 1 else TARGET


def _list_requested(metrics):
    """Return the options of `Request.list_measured` with which metrics were measured."""
    photos = metrics.get("photos") or {}
    return _list_options(photos, "fairness" in photos, metrics.get("agreement"), metrics.get("end_to_end"))


def _list_options(photos, groups, votes, end_to_end):
    """Return the options of `fer calibrate` whose values, or what was measured with them, are not empty."""
    given = {"--photos": photos, "--groups": groups, "--votes": votes, "--end-to-end": end_to_end}
    return [name for name, value in given.items() if value]


def _sample_curve(curve):
    """Return the points of a curve of `risk_coverage` at `COVERAGES`, as dicts of `coverage` and `accuracy`."""
    _, coverages, accuracies = curve
    nearest = np.minimum(np.searchsorted(coverages, COVERAGES), len(coverages) - 1)
    return [{"coverage": float(coverages[index]), "accuracy": float(accuracies[index])} for index in np.unique(nearest)]


def _save_plots(folder, metrics, before, curve):
    """Write the plots of a model folder, except the learning curves.

    Args:
        folder: path of the folder of plots.
        metrics: metrics of `save_report`.
        before: bins of `reliability` before the temperature is applied.
        curve: curve of `risk_coverage`.
    """
    folder.mkdir(exist_ok=True)
    _, coverages, accuracies = curve
    title = f"validation, accuracy {metrics['accuracy']:.1%}"
    save_confusion_matrix(folder / "confusion_matrix.png", metrics["confusion_matrix"], metrics["labels"], title)
    save_reliability(folder / "reliability.png", before, metrics["calibration"]["reliability"])
    save_risk_coverage(folder / "risk_coverage.png", coverages, accuracies, metrics["confident"])


def _read_photos(folder, sets, note):
    """Return the answers of `fer.evaluation.photos.read_photo_sets` to sets of photos, without calibration."""
    # Imported here: training uses this module, and also runs where LiteRT is not installed.
    from fer.recognition.recognizer import Recognizer

    return read_photo_sets(Recognizer.load_uncalibrated(folder, "photos"), sets, note=note)


def _measure_happy_or_sad(probabilities, config, faces):
    """Return the accuracy on the pictures of `HAPPY_OR_SAD` if the model chooses between these two classes.

    This is the experiment with which the project began. None if the model does not know both, or knows only these.
    """
    if not set(HAPPY_OR_SAD) < set(config.labels):
        return None
    columns = [config.labels.index(name) for name in HAPPY_OR_SAD]
    kept = np.flatnonzero(np.isin(faces.labels, columns))
    two = replace(faces.take(kept), labels=np.searchsorted(columns, faces.labels[kept]), classes=HAPPY_OR_SAD)
    return _accuracy(probabilities[kept], config, two)


def _measure_end_to_end(folder, config, faces):
    """Return the end-to-end accuracy on faces in scenes, and how many were found."""
    found, probabilities, _, scenes = read_in_scenes(folder, faces, config.calibration)
    return {**scenes, "found": len(found), **_accuracy(probabilities, config, found)}


def _accuracy(probabilities, config, faces):
    """Return the accuracy and its interval of probabilities that are not calibrated yet, as `measure` takes them."""
    chosen = restrict(config.calibration.apply(probabilities), config.labels, faces.classes)
    metrics = evaluate(chosen, faces.labels, faces.classes)
    return {name: metrics[name] for name in ("accuracy", "accuracy_interval")}
