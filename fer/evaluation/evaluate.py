"""Measure a model on a split of FER2013."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fer.data.duplicates import MAX_DISTANCE, check_copies, find_copies, find_duplicates
from fer.data.fer2013 import load_faces
from fer.data.ferplus import load_categories, load_votes
from fer.data.photos import list_photo_sets
from fer.data.scenes import find_pasted
from fer.errors import UserError
from fer.evaluation.fairness import compile_pattern
from fer.evaluation.human_agreement import compare_with_votes
from fer.evaluation.metrics import accuracy_where, evaluate, restrict
from fer.evaluation.photos import measure_photos
from fer.models.config import load_config
from fer.models.model_folder import find_model, load_model
from fer.recognition.classification import classify


def evaluate_model(
    folder: str | os.PathLike[str],
    data: str | os.PathLike[str],
    split: str = "validation",
    classes: Sequence[str] | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
    model: str | None = None,
    votes: str | os.PathLike[str] | None = None,
    duplicates: bool = False,
    path: str = "loader",
    allow_duplicates: bool = False,
    prior: float | None = None,
    layout: str | None = None,
) -> tuple[dict[str, Any], Sequence[str]]:
    """Load a model and a split of the data set, and measure the one on the other.

    Pictures as they are go through the Keras network, as in training; pictures in scenes go the way of the app.

    Args:
        folder: model folder or `bundled`.
        data, split, limit, skip_bad, layout: as `fer.data.fer2013.load_faces` takes them.
        classes: emotions to measure on, among those the model knows; the model then chooses among these. None for all.
        model: what to call the model in the figures; by default the folder.
        votes: CSV of FER+; None for no comparison with people.
        duplicates: measure without near-duplicates of training pictures too; not for the training split itself.
        allow_duplicates: measure on any number of pictures that are training pictures, to the pixel; by default at most
            `fer.data.duplicates.MAX_COPIES` of them may be, where `duplicates` are looked for.
        path: `loader`, the pictures as they are; or `served`, the faces found of pictures pasted into scenes, which go
            the way of the app's photos (see `fer.data.scenes`).
        prior: exponent of the class shares, see `fer.models.calibration.Calibration`; None for the model's own.

    Returns:
        The figures of `measure`, with `agreement` (of `fer.evaluation.human_agreement.compare_with_votes`) and
        `duplicates` (of `measure_without_duplicates`) where they were asked for, and the messages of the pictures that
        were left out. With `served` they are those of the faces found, and `served` has `pictures`, how many were
        looked for, and `loader_accuracy`, that of the faces found as they were before.

    Raises:
        UserError: for a model or data that do not fit.
    """
    config, _ = load_config(find_model(folder))
    unknown = [name for name in classes or () if name not in config.labels]
    if unknown:
        raise UserError(f"This model knows {', '.join(config.labels)}. Received: {', '.join(unknown)}")
    if duplicates and split == "train":
        raise UserError("Near-duplicates are looked for among training pictures. Received: split='train'")
    faces = load_faces(data, split, classes or config.labels, config.image_size, limit, skip_bad, layout)
    if duplicates:
        train = load_faces(data, "train", config.labels, config.image_size, None, skip_bad, layout)
        check_copies(faces, train, allow_duplicates)
    votes_of = load_votes(votes, faces.names) if votes else None
    config = _with_prior(config, prior)
    if path == "served":
        faces, probabilities, served = read_in_scenes(folder, faces)
    else:
        network, _ = load_model(folder)  # The last: to load Keras takes seconds.
        probabilities, served = classify(network, faces.images[..., 0]), None
    metrics = measure(probabilities, config, faces, split, model or str(folder))
    if served:
        metrics["served"] = served
    answers = config.calibration.apply(probabilities)
    predicted = restrict(answers, config.labels, faces.classes).argmax(axis=1)
    if votes:
        metrics["agreement"] = compare_with_votes(predicted, faces, votes_of, load_categories(votes))
    if duplicates:
        metrics["duplicates"] = measure_without_duplicates(predicted == faces.labels, faces, train)
    return metrics, (*faces.skipped, faces.left_out) if faces.left_out else faces.skipped


def evaluate_photos(folder, photos, model=None, prior=None, progress=None, groups=None):
    """Measure a model end to end on folders of whole photos.

    Args:
        folder: model folder or `bundled`.
        photos: folder, as `fer.data.photos.list_photo_sets` takes it.
        model: what to call the model in the figures; by default the folder.
        prior: as in `evaluate_model`.
        progress: function of the answers' iterator and their number that returns an iterator, such as `tqdm`.
        groups: regular expression with one group in parentheses, which finds the name of a photo's group in its file
            name; None for no groups.

    Returns:
        The figures of `fer.evaluation.photos.measure_photos`, with `model` and `prior_exponent`.

    Raises:
        UserError: for a model or folder that does not fit.
    """
    from fer.detection.blazeface import FaceDetector
    from fer.recognition.litert_network import load_uncalibrated
    from fer.recognition.recognizer import Recognizer

    config = _with_prior(load_config(find_model(folder))[0], prior)
    sets = list_photo_sets(photos, config.labels)
    model = model or str(folder)
    if prior is None:
        recognizer = Recognizer.load(folder, model)
    else:
        network, _ = load_uncalibrated(folder)
        recognizer = Recognizer(network, config.labels, FaceDetector(), model, config.calibration)
    figures = measure_photos(recognizer, sets, progress, groups and compile_pattern(groups))
    return {"model": model, "prior_exponent": config.calibration.prior_exponent, **figures}


def _with_prior(config, exponent):
    if exponent is None:
        return config
    return replace(config, calibration=replace(config.calibration, prior_exponent=exponent))


def read_in_scenes(folder, faces):
    """Read pictures end to end, each pasted into a scene (see `fer.data.scenes`).

    Args:
        folder: model folder or `bundled`.
        faces: `fer.data.fer2013.Faces`.

    Returns:
        The `Faces` that were found, the network's probabilities for them, not calibrated, float `(found, classes)`, and
        the figures `pictures` and `loader_accuracy` of `evaluate_model`.

    Raises:
        UserError: if none is found.
    """
    # Here, since training measures what it trained, and runs where there is no LiteRT for the detector.
    from fer.detection.blazeface import FaceDetector
    from fer.recognition.litert_network import load_uncalibrated
    from fer.recognition.recognizer import Recognizer

    network, config = load_uncalibrated(folder)
    found, answers = find_pasted(Recognizer(network, config.labels, FaceDetector(), "served"), faces.images)
    if not answers:
        raise UserError(f"None of the {len(faces)} faces was found in its scene: nothing to measure.")
    rest = faces.take(found)
    before = restrict(classify(network, rest.images[..., 0]), config.labels, rest.classes)
    served = {"pictures": len(faces), "loader_accuracy": float((before.argmax(axis=1) == rest.labels).mean())}
    return rest, np.array([list(face.probabilities.values()) for face in answers]), served


def measure_without_duplicates(correct, faces, train):
    """Counts the pictures with a near-duplicate in training, and measures on the others.

    Args:
        correct: bool array `(n,)`, whether the answers for `faces` are right.
        faces, train: `fer.data.fer2013.Faces`.

    Returns:
        A dict: `max_distance` of the pixels that was looked for (see `fer.data.duplicates`), `found`, how many of these
        are `identical` and the names of the first such pair as `example` (None without one), and `n` and `accuracy` of
        the pictures without; the accuracy is None if there are none.
    """
    copied, copies = find_duplicates(faces.images, train.images), find_copies(faces, train)
    same = {"identical": len(copies), "example": list(copies[0]) if copies else None}
    return {"max_distance": MAX_DISTANCE, "found": int(copied.sum()), **same, **accuracy_where(correct, ~copied)}


def measure(probabilities, config, faces, split, model):
    """The figures of a model's answers.

    Args:
        probabilities: of the network as it is, not calibrated: float `(n, len(config.labels))`.
        config: the model's `fer.models.config.ModelConfig`.
        faces: the `fer.data.fer2013.Faces` that were answered; their classes are some of the model's labels.
        split: which pictures they are.
        model: what to call the model.

    Returns:
        The figures of `fer.evaluation.metrics.evaluate` on the calibrated probabilities, with `split`, `model`,
        `skipped`, `data_sha256`, `temperature`, and `confident`: `threshold`, `coverage` (the share of answers that are
        sure) and their `accuracy`, None if there are none.
    """
    calibrated = config.calibration.apply(probabilities)
    chosen = restrict(calibrated, config.labels, faces.classes)
    confident = config.calibration.confident(calibrated)
    correct = chosen.argmax(axis=1) == faces.labels
    return {
        **evaluate(chosen, faces.labels, faces.classes),
        "split": split,
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


def format_metrics(metrics):
    """The figures of `evaluate_model`, or of `fer.evaluation.report.save_report`, as a table for people."""
    low, high = metrics["accuracy_interval"]
    sure = metrics["confident"]
    served = metrics.get("served")
    lines = [f"{metrics['n']} pictures of the {metrics['split']} split, model {metrics['model']}"]
    if served:
        share = metrics["n"] / served["pictures"]
        lines.append(f"faces found in their scenes {share:7.2%}  (of {served['pictures']})")
    lines.append(f"accuracy                    {metrics['accuracy']:7.2%}  (95 % interval {low:.2%} to {high:.2%})")
    if served:
        lines.append(f"accuracy without the scenes {served['loader_accuracy']:7.2%}  (the same faces)")
    lines += [
        f"balanced accuracy           {metrics['balanced_accuracy']:7.2%}",
        f"macro F1                    {metrics['macro_f1']:7.2%}",
        f"expected calibration error  {metrics['ece']:7.2%}  (temperature {metrics['temperature']:g})",
        f"negative log-likelihood     {metrics['nll']:7.3f}",
        f"sure answers                {sure['coverage']:7.2%}  (top probability from {sure['threshold']:g} on)",
    ]
    if sure["accuracy"] is not None:
        lines.append(f"accuracy of sure answers    {sure['accuracy']:7.2%}")
    if path := metrics.get("served_path"):
        found = f"the {path['found']} of {path['pictures']} found; as they are {path['loader_accuracy']:.2%}"
        lines.append(f"by the served path          {path['accuracy']:7.2%}  ({found})")
    lines += _people(metrics["agreement"]) if metrics.get("agreement") else []
    if "duplicates" in metrics:
        row = metrics["duplicates"]
        nearness = f"pixel distance up to {row['max_distance']:g}"
        lines.append(
            f"accuracy without the {row['found']} near-duplicates of training pictures, {nearness}: {_percent(row)}"
        )
        if row.get("identical"):
            example = " is ".join(row["example"])
            lines.append(f"of these {row['identical']} are training pictures to the pixel, such as {example}")
    lines += ["", f"{'':10}{'precision':>10}{'recall':>10}{'F1':>10}{'pictures':>10}"]
    for name, row in metrics["per_class"].items():
        figures = "".join(f"{row[key]:10.1%}" for key in ("precision", "recall", "f1"))
        lines.append(f"{name:10}{figures}{row['support']:10}")
    lines += ["", "true \\ predicted  " + "".join(f"{name[:8]:>9}" for name in metrics["labels"])]
    for name, row in zip(metrics["labels"], metrics["confusion_matrix"], strict=True):
        lines.append(f"{name:18}" + "".join(f"{count:9}" for count in row))
    return "\n".join(lines)


def _people(agreement):
    """What `fer.evaluation.human_agreement.compare_with_votes` found, as lines for people."""
    majority, top = agreement["majority"], agreement["top_share"]
    top = "none" if top is None else f"{top:.2%}"
    return [
        f"people's most frequent vote {top:>7}  (its mean share, {agreement['n']} pictures)",
        f"accuracy where 80 % agree   {_percent(agreement['agreed'])}",
        f"accuracy where fewer do     {_percent(agreement['disputed'])}",
        f"agrees with the majority    {_percent(majority)}, {majority['left_out']} without one",
    ]


def _percent(row):
    accuracy = "none" if row["accuracy"] is None else f"{row['accuracy']:.2%}"
    return f"{accuracy:>7}  ({row['n']} pictures)"
