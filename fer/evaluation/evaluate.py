"""Evaluation of a model on a split of a data set, or on whole photos."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fer.data.duplicates import MAX_DISTANCE, check_copies, find_copies, find_duplicates
from fer.data.faces import Faces, list_left_out, load_faces
from fer.data.facts import find_layout, is_cut_again
from fer.data.photos import list_photo_sets
from fer.data.scenes import find_pasted
from fer.errors import UserError
from fer.evaluation.fairness import check_groups, compile_pattern
from fer.evaluation.human_agreement import compare_with_votes, load_comparable_votes
from fer.evaluation.metrics import accuracy_where, evaluate, restrict
from fer.evaluation.photos import measure_photos
from fer.models.calibration import Calibration
from fer.models.config import ModelConfig, load_config
from fer.models.model_folder import load_model
from fer.paths import StrPath
from fer.recognition.classification import classify


def evaluate_model(
    model: StrPath,
    data: StrPath,
    split: str = "validation",
    *,
    classes: Sequence[str] | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
    votes: StrPath | None = None,
    duplicates: bool = False,
    end_to_end: bool = False,
    allow_duplicates: bool = False,
    prior: float | None = None,
    layout: str | None = None,
) -> tuple[dict[str, Any], Sequence[str]]:
    """Load a model and a split of a data set, and evaluate the model on it.

    Args:
        model: name of a model, as `fer.hub.client.resolve_model` takes it: a folder, `bundled`, or `OWNER/NAME` or
            `OWNER/NAME@REVISION` of the Hub.
        data, split, limit, skip_bad: as `fer.data.faces.load_faces` takes them.
        classes: classes to evaluate on; only their pictures are used, and the model chooses among them. None for all
            classes of the model.
        votes: path of the CSV of FER+; None for no comparison with people.
        duplicates: whether to measure the accuracy without near-duplicates of training pictures too; not possible for
            the training split itself.
        allow_duplicates: whether to continue if more than `fer.data.duplicates.MAX_COPIES` of the pictures are
            identical to training pictures; this is checked only with `duplicates`.
        end_to_end: whether to paste each picture into a scene (`fer.data.scenes`) and to recognize the scenes as the
            app does; otherwise the Keras network classifies the pictures as they are.
        prior: exponent of the class shares (`fer.models.calibration.Calibration`); None for the model's own.
        layout: a key of `fer.data.layouts.CODES`; None for that of the training (`fer.data.facts.find_layout`).

    Returns:
        The metrics of `measure`, and the messages on the pictures that were left out. Of a whole validation split, the
        metrics have `cut_again` (`fer.data.facts.is_cut_again`). With `votes` they also have `agreement` (of
        `fer.evaluation.human_agreement.compare_with_votes`), with `duplicates` they have `duplicates` (of
        `measure_without_duplicates`). With `end_to_end`, the metrics are those of the faces that were
        found, except that `data_sha256` is that of all pictures, and `scenes` holds `pictures`, the number of scenes,
        and `accuracy_without_scenes`, the accuracy on the found faces without their scenes.

    Raises:
        UserError: if the model, the data or an argument is not valid.
    """
    folder, name = _resolve(model)
    config = load_config(folder)
    unknown = [name for name in classes or () if name not in config.labels]
    if unknown:
        raise UserError(f"This model knows {', '.join(config.labels)}. Received: {', '.join(unknown)}")
    if duplicates and split == "train":
        raise UserError("Near-duplicates are looked for among training pictures. Received: split='train'")
    layout = find_layout(layout, data, config.training)
    how: dict[str, Any] = {"image_size": config.image_size, "skip_bad": skip_bad, "layout": layout}
    faces = load_faces(data, split, classes=classes or config.labels, limit=limit, **how)
    if duplicates:
        train = load_faces(data, "train", classes=config.labels, **how)
        check_copies(faces, train, allow_duplicates)
    if votes:
        load_comparable_votes(votes, faces)  # A wrong file is refused before anything slow is done.
    config = _with_prior(config, prior)
    messages, allowed, scenes = list_left_out(*[faces, train] if duplicates else [faces]), None, None
    pictures = faces
    if end_to_end:
        faces, probabilities, allowed, scenes = read_in_scenes(folder, faces, config.calibration)
    else:
        network, _ = load_model(folder)  # After all checks, because this imports Keras, which takes seconds.
        probabilities = classify(network, faces.images[..., 0])
    metrics = measure(probabilities, config, faces, split, name, allowed)
    if scenes:
        metrics |= {"scenes": scenes, "data_sha256": pictures.sha256()}
    if split == "validation" and limit is None:
        metrics["cut_again"] = is_cut_again(config, pictures, metrics["data_sha256"])
    answers = config.calibration.apply(probabilities)
    predicted = restrict(answers, config.labels, faces.classes).argmax(axis=1)
    if votes:
        metrics["agreement"] = compare_with_votes(predicted, faces, *load_comparable_votes(votes, faces))
    if duplicates:
        metrics["duplicates"] = measure_without_duplicates(predicted == faces.labels, faces, train)
    return metrics, messages


def evaluate_photos(
    model: StrPath,
    photos: str | Path,
    prior: float | None = None,
    progress: Callable[[Iterator, int], Iterable] | None = None,
    groups: str | None = None,
    note: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """Evaluate a model end to end on folders of whole photos.

    Args:
        model: as in `evaluate_model`.
        photos: folder, as `fer.data.photos.list_photo_sets` takes it.
        prior: exponent of the class shares; None for the model's own.
        progress: function of an iterator and its length that returns an iterable, such as `tqdm`.
        groups: regular expression with one group in parentheses, which finds the name of a photo's group in its file
            name (`fer.evaluation.fairness`); None for no groups.
        note: function that gets a sentence on photos that cannot be read, if there are any; or None.

    Returns:
        The metrics of `fer.evaluation.photos.measure_photos`, with `model` and `prior_exponent`.

    Raises:
        UserError: if the model or the folder is not valid.
    """
    from fer.recognition.recognizer import Recognizer

    folder, name = _resolve(model)
    config = _with_prior(load_config(folder), prior)
    sets = list_photo_sets(photos, config.labels)
    pattern = compile_pattern(groups, config.labels) if groups else None
    if pattern:
        check_groups(pattern, sets)
    if prior is None:
        recognizer = Recognizer.load(folder, name)
    else:
        recognizer = Recognizer.load_uncalibrated(folder, name, config.calibration)
    metrics = measure_photos(recognizer, sets, progress, pattern, note)
    return {"model": name, "prior_exponent": config.calibration.prior_exponent, **metrics}


def _resolve(model):
    """Return the folder of a model, and its name."""
    # Imported here: training uses this module, and also runs where huggingface_hub is not installed.
    from fer.hub.client import resolve_model

    source = resolve_model(model)
    return source.folder, str(source)


def _with_prior(config, exponent):
    """Return a `ModelConfig` with another exponent of the class shares; None leaves it as it is."""
    if exponent is None:
        return config
    return replace(config, calibration=replace(config.calibration, prior_exponent=exponent))


def read_in_scenes(
    folder: StrPath, faces: Faces, calibration: Calibration
) -> tuple[Faces, np.ndarray, np.ndarray, dict[str, Any]]:
    """Paste face pictures into scenes (`fer.data.scenes`), and recognize the scenes end to end.

    Args:
        folder: path of a model folder, or `bundled`.
        faces: `fer.data.faces.Faces`.
        calibration: calibration of the answers without scenes, whose accuracy is returned; its prior may change them.

    Returns:
        The `Faces` that were found; their uncalibrated probabilities, a float array `(found, classes)`; whether the
        detection of each allows a confident answer, a bool array `(found,)`; and a dict of `pictures` and
        `accuracy_without_scenes`, as `evaluate_model` describes them.

    Raises:
        UserError: if no face is found.
    """
    # Imported here: training uses this module, and also runs where LiteRT is not installed.
    from fer.detection.blazeface import allows_confident_answer
    from fer.recognition.recognizer import Recognizer

    recognizer = Recognizer.load_uncalibrated(folder, "scenes")
    indices, answers = find_pasted(recognizer, faces.images)
    if not answers:
        raise UserError(f"None of the {len(faces)} faces was found in its scene: nothing to measure.")
    found = faces.take(indices)
    unpasted = calibration.apply(classify(recognizer.network, found.images[..., 0]))
    unpasted = restrict(unpasted, recognizer.labels, found.classes)
    accuracy_without_scenes = float((unpasted.argmax(axis=1) == found.labels).mean())
    probabilities = np.array([list(face.probabilities.values()) for face in answers])
    allowed = np.array([allows_confident_answer(face.detection_score) for face in answers])
    return found, probabilities, allowed, {"pictures": len(faces), "accuracy_without_scenes": accuracy_without_scenes}


def measure_without_duplicates(correct: np.ndarray, faces: Faces, train: Faces) -> dict[str, Any]:
    """Count the pictures that have a near-duplicate in training, and measure the accuracy on the others.

    Args:
        correct: bool array `(n,)`: whether the answers for `faces` are right.
        faces, train: `fer.data.faces.Faces`.

    Returns:
        A dict. `max_distance`: largest distance between near-duplicates (`fer.data.duplicates`). `found`: number of
        pictures with a near-duplicate. `identical`: number of pictures with the same pixels as a training picture.
        `example`: names of the first identical pair, or None. `n`, `accuracy`: those of the pictures without a
        near-duplicate; the accuracy is None if there are none.
    """
    copied, copies = find_duplicates(faces.images, train.images), find_copies(faces, train)
    identical = {"identical": len(copies), "example": list(copies[0]) if copies else None}
    return {"max_distance": MAX_DISTANCE, "found": int(copied.sum()), **identical, **accuracy_where(correct, ~copied)}


def measure(
    probabilities: np.ndarray,
    config: ModelConfig,
    faces: Faces,
    split: str,
    model: str,
    allowed: np.ndarray | None = None,
) -> dict[str, Any]:
    """Calibrate probabilities and return their metrics.

    Args:
        probabilities: uncalibrated float array `(n, len(config.labels))`.
        config: `fer.models.config.ModelConfig`.
        faces: `fer.data.faces.Faces` that were classified; their classes may be some of the model's labels, and the
            model then chooses among these.
        split: name of the split.
        model: name of the model.
        allowed: bool array `(n,)`: whether an answer may be confident; None if each may.

    Returns:
        The metrics of `fer.evaluation.metrics.evaluate`, with `split`, `held_out`, `model`, `skipped`, `data_sha256`,
        `temperature` and `confident`: the `threshold`, the `coverage` (share of confident answers) and the selective
        `accuracy`, that of the confident answers, None if there are none. Metrics and `confident` are of the
        probabilities of the classes that the model chooses among.
    """
    calibrated = config.calibration.apply(probabilities)
    chosen = restrict(calibrated, config.labels, faces.classes)
    confident = config.calibration.confident(chosen) & (True if allowed is None else allowed)
    correct = chosen.argmax(axis=1) == faces.labels
    return {
        **evaluate(chosen, faces.labels, faces.classes),
        "split": split,
        "held_out": faces.held_out and split == "validation",
        "model": model,
        "skipped": len(faces.skipped),
        "data_sha256": faces.sha256(),
        "temperature": config.calibration.temperature,
        "confident": {
            "threshold": config.calibration.threshold,
            "coverage": float(confident.mean()),
            "accuracy": accuracy_where(correct, confident)["accuracy"],
        },
    }
