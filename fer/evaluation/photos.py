"""End-to-end evaluation on folders of whole photos with known expressions.

A folder is one set, `<label>/*.jpg`, or several sets, `<set>/<label>/*.jpg`. Each photo is answered as in the app:
detection, alignment, classification. If a photo has several faces, the largest counts. A photo that cannot be read, or
in which no face is found, counts as a wrong answer.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from sklearn.metrics import confusion_matrix

from fer.data.photos import PhotoSet
from fer.errors import ImageError, UserError, one_line
from fer.evaluation.fairness import count_without_group, measure_fairness
from fer.evaluation.metrics import expected_calibration_error, restrict, wilson_interval
from fer.images.loading import load_image, note_of
from fer.models.calibration import Calibration

if TYPE_CHECKING:
    from fer.recognition.recognizer import Face, Recognizer

BATCH_SIZE = 32
"""Number of photos whose faces are classified together."""
NO_CHOICE = dict.fromkeys(("accuracy", "accuracy_interval", "balanced_accuracy"))
"""Accuracies of a model that would choose among a single label."""


class PhotoAnswer(NamedTuple):
    """Answer to a photo's largest face.

    probabilities: probabilities, a float array `(classes,)`.
    detection_score: detection score of the face, from 0 to 1; None if there is none, as for a cropped face.
    """

    probabilities: np.ndarray
    detection_score: float | None


Answer: TypeAlias = PhotoAnswer | ImageError | None
"""Type of what is known of a photo: the answer, why the photo cannot be read, or None if no face is found."""


def read_photo_set(recognizer: "Recognizer", photos: PhotoSet, notes: list[str]) -> Iterator[Answer]:
    """Yield the `Answer` to each photo, and add a note on each that was read in part to `notes`."""
    for start in range(0, len(photos.paths), BATCH_SIZE):
        paths, errors = photos.paths[start : start + BATCH_SIZE], {}
        answers = iter(recognizer.recognize_batch(_open_each(paths, errors, notes)))
        for path in paths:
            if path in errors:
                yield errors[path]
            else:
                faces = next(answers)
                yield to_answer(faces[0]) if faces else None


def read_photo_sets(
    recognizer: "Recognizer",
    sets: list[PhotoSet],
    progress: Callable[[Iterator, int], Iterable] | None = None,
    note: Callable[[str], object] | None = None,
) -> list[list[Answer]]:
    """Return the answers of `read_photo_set` for several sets.

    Args:
        recognizer: recognizer of the model.
        sets: the sets of photos.
        progress: function of an iterator and its length that returns an iterable, such as `tqdm`.
        note: function that gets a text if photos cannot be read, or only in part; or None. The text has a line for each
            set with such photos: how many, and what is wrong with the first.
    """
    notes = [[] for _ in sets]
    answers = (
        answer for photos, own in zip(sets, notes, strict=True) for answer in read_photo_set(recognizer, photos, own)
    )
    if progress:
        answers = progress(answers, sum(len(photos.paths) for photos in sets))
    answers = iter(answers)
    read = [list(islice(answers, len(photos.paths))) for photos in sets]
    lines = [line for each in zip(sets, read, notes, strict=True) for line in _describe_losses(*each)]
    if note and lines:
        note("\n".join(lines))
    return read


def measure_photos(
    recognizer: "Recognizer",
    sets: list[PhotoSet],
    progress: Callable[[Iterator, int], Iterable] | None = None,
    groups: re.Pattern | None = None,
    note: Callable[[str], object] | None = None,
) -> dict:
    """Measure a model end to end on sets of photos; arguments as in `read_photo_sets` and `measure_answers`.

    Returns:
        The metrics of `measure_answers`.
    """
    answers = read_photo_sets(recognizer, sets, progress, note)
    return measure_answers(answers, sets, recognizer.labels, recognizer.calibration, groups)


def measure_answers(
    answers: list[list[Answer]],
    sets: list[PhotoSet],
    labels: tuple[str, ...],
    calibration: Calibration,
    groups: re.Pattern | None = None,
) -> dict:
    """Measure the answers to sets of photos.

    Args:
        answers: answers as `read_photo_sets` returns them.
        sets: the sets of photos.
        labels: names of the model's outputs, in order.
        calibration: calibration of the model; its threshold and the detection scores decide which answers are
            confident, as in the app.
        groups: pattern of `fer.evaluation.fairness.compile_pattern`; None for no groups.

    Returns:
        A JSON object: `labels`, those of the model; `sets`, the result of `measure_set` by name of the set; `all`, the
        same for the photos of all sets together; and `mean`, the unweighted mean over the sets. The mean has
        `balanced_accuracy` among the labels of the set, over the sets with several labels; `balanced_accuracy_all`
        among all labels of the model; `ece`; `coverage` and `accuracy` of confident answers; and `recall` by label over
        the sets that have the label. With `groups` there is also `fairness`, as
        `fer.evaluation.fairness.measure_fairness` returns it.

    Raises:
        UserError: if two sets have the same name.
    """
    names = Counter(photos.name for photos in sets)
    if len(names) < len(sets):
        raise UserError(f"Sets of photos must have different names. Received: {names.most_common(1)[0][0]} twice")
    measured = {
        photos.name: measure_set(read, photos, labels, calibration) for read, photos in zip(answers, sets, strict=True)
    }
    together = measure_set(list(chain(*answers)), _join(sets), labels, calibration)
    metrics = {"labels": list(labels), "sets": measured, "all": together, "mean": _average(measured, labels)}
    if groups:
        metrics["fairness"] = measure_fairness(answers, sets, labels, groups)
        metrics["neutral_without_group"] = count_without_group(sets, groups)
    return metrics


def measure_set(answers: list[Answer], photos: PhotoSet, labels: tuple[str, ...], calibration: Calibration) -> dict:
    """Measure the answers to one set of photos.

    Args:
        answers: answers as `read_photo_set` yields them, one per photo.
        photos: the set of photos.
        labels: names of the model's outputs, in order.
        calibration: calibration of the model, as in `measure_answers`.

    Returns:
        A dict. `n`: number of photos. `found`: number of photos in which a face was found. `unreadable`: number of
        photos that cannot be read. `left_out`: as in `photos`. `labels`: labels that occur. `accuracy`,
        `accuracy_interval`, `balanced_accuracy`: those of the model if it chooses among the labels of the set, or None
        if that is a single one, which leaves no choice.
        `all_labels`: the same three if it chooses among all of its labels. `recall`: `recall`, `n` and `interval` by
        label, among all labels. `confident`: `coverage`, `n`, `accuracy` and `interval` of the confident answers.
        `ece`: expected calibration error on the faces found. `confusion_matrix`: counts among all labels, rows true and
        columns predicted, with a last column for photos without a face. Intervals are Wilson's at 95%.
    """
    # Imported here: training uses this module, and also runs where LiteRT is not installed.
    from fer.detection.blazeface import allows_confident_answer

    true = np.array([labels.index(label) for label in photos.labels])
    faces = [answer for answer in answers if isinstance(answer, PhotoAnswer)]
    found = np.array([isinstance(answer, PhotoAnswer) for answer in answers])
    probabilities, allowed = np.zeros((len(true), len(labels))), np.zeros(len(true), bool)
    if faces:
        probabilities[found] = np.stack([face.probabilities for face in faces])
        allowed[found] = [allows_confident_answer(face.detection_score) for face in faces]
    own = tuple(label for label in labels if label in photos.labels)
    among_own = np.array([labels.index(label) for label in own])[restrict(probabilities, labels, own).argmax(axis=1)]
    predicted = np.where(found, probabilities.argmax(axis=1), len(labels))
    confident = allowed & calibration.confident(probabilities)
    right, total = int((predicted == true)[confident].sum()), int(confident.sum())
    return {
        "n": len(true),
        "found": int(found.sum()),
        "unreadable": sum(isinstance(answer, ImageError) for answer in answers),
        "left_out": photos.left_out,
        "labels": list(own),
        **(_accuracy(found & (among_own == true), true) if len(own) > 1 else NO_CHOICE),
        "all_labels": _accuracy(predicted == true, true),
        "recall": {label: _recall(predicted, true, labels.index(label)) for label in own},
        "confident": {
            "coverage": float(confident.mean()),
            "n": total,
            "accuracy": right / total if total else None,
            "interval": wilson_interval(right, total) if total else None,
        },
        "ece": expected_calibration_error(probabilities[found], true[found]) if found.any() else None,
        "confusion_matrix": confusion_matrix(true, predicted, labels=range(len(labels) + 1))[:-1].tolist(),
    }


def calibrate_answers(calibration: Calibration, answers: list[list[Answer]]) -> list[list[Answer]]:
    """Return answers of `read_photo_sets` with calibrated probabilities."""

    def apply(answer):
        if not isinstance(answer, PhotoAnswer):
            return answer
        return answer._replace(probabilities=calibration.apply(answer.probabilities[None])[0])

    return [[apply(answer) for answer in rows] for rows in answers]


def _join(sets):
    """Return the photos of all sets as one `PhotoSet`."""
    paths, labels = ([item for photos in sets for item in getattr(photos, name)] for name in ("paths", "labels"))
    return PhotoSet("all", tuple(paths), tuple(labels), {})


def to_answer(face: "Face") -> PhotoAnswer:
    """Return the `PhotoAnswer` of a face."""
    return PhotoAnswer(np.array(list(face.probabilities.values())), face.detection_score)


def _open_each(paths, errors, notes):
    """Yield one photo after the other; put the error of one that cannot be read into `errors`, by its path, instead."""
    for path in paths:
        try:
            yield _open(path, notes)
        except ImageError as error:
            errors[path] = error


def _open(path, notes):
    """Return a photo; add a note to `notes` if it is read in part."""
    image = load_image(path)
    if note := note_of(image):
        notes.append(f"{path.name}: {note}")
    return image


def _describe_losses(photos, read, notes):
    """Return a line if photos of a set cannot be read, and one if photos were read in part."""
    errors = [answer for answer in read if isinstance(answer, ImageError)]
    losses = {"cannot be read and count as wrong answers": errors, "were read in part": notes}
    return [
        one_line(f"{photos.name}: {len(found)} of {len(read)} photos {what}, such as {found[0]}")
        for what, found in losses.items()
        if found
    ]


def _accuracy(correct, true):
    """Return accuracy, its interval and balanced accuracy."""
    return {
        "accuracy": float(correct.mean()),
        "accuracy_interval": wilson_interval(int(correct.sum()), len(correct)),
        "balanced_accuracy": float(np.mean([correct[true == index].mean() for index in np.unique(true)])),
    }


def _recall(predicted, true, index):
    """Return the recall of one label, with its interval."""
    correct = (predicted == index)[true == index]
    interval = wilson_interval(int(correct.sum()), len(correct))
    return {"recall": float(correct.mean()), "n": len(correct), "interval": interval}


def _average(measured, labels):
    """Return the unweighted means over the sets."""
    rows = measured.values()

    def mean(values):
        values = [value for value in values if value is not None]
        return float(np.mean(values)) if values else None

    recalls = {
        label: mean(row["recall"][label]["recall"] for row in rows if label in row["recall"]) for label in labels
    }
    return {
        "balanced_accuracy": mean(row["balanced_accuracy"] for row in rows),
        "balanced_accuracy_all": mean(row["all_labels"]["balanced_accuracy"] for row in rows),
        "ece": mean(row["ece"] for row in rows),
        "coverage": mean(row["confident"]["coverage"] for row in rows),
        "accuracy": mean(row["confident"]["accuracy"] for row in rows),
        "recall": {label: value for label, value in recalls.items() if value is not None},
    }
