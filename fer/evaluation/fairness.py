"""Fairness: how often neutral faces are classified as angry, sad or disgusted, by groups of people.

A photo's group is found in its file name.
"""

import re
from collections.abc import Sequence

import numpy as np

from fer.data.photos import PhotoSet
from fer.errors import ImageError, UserError
from fer.evaluation.metrics import wilson_interval

NEUTRAL, HARMFUL = "neutral", ("angry", "disgust", "sad")
"""Label of the photos that are counted, and wrong answers that may harm the person in the photo."""


def compile_pattern(text: str, labels: Sequence[str] = HARMFUL) -> re.Pattern:
    r"""Compile the pattern of a group's name in a file name, such as `[AB]([FM])\d\d` for KDEF's `AF01NES.jpg`.

    Args:
        text: the pattern.
        labels: names of the model's outputs.

    Raises:
        UserError: unless it is a regular expression with exactly one group in parentheses, and the model knows a label
            of `HARMFUL`.
    """
    if not {*labels} & {*HARMFUL}:
        known = f"Received: a model of {', '.join(labels)}"
        raise UserError(f"`groups` goes with models that can answer {', '.join(HARMFUL)}. {known}")
    rule = "`groups` must be a regular expression with one group in parentheses"
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UserError(f"{rule}. Received: {text!r} ({error})") from None
    if pattern.groups != 1:
        raise UserError(f"{rule}. Received: {text!r}, which has {pattern.groups}")
    return pattern


def check_groups(pattern: re.Pattern, sets: Sequence[PhotoSet]) -> None:
    """Raise an error, before any photo is answered, unless a pattern finds a group.

    Args:
        pattern: pattern of `compile_pattern`.
        sets: the sets of photos.

    Raises:
        UserError: if no neutral photo belongs to a group.
    """
    if all(group is None for photos in sets for group in _find_groups(photos, pattern)):
        rule = f"`groups` must match names of {NEUTRAL} photos"
        raise UserError(f"{rule}. Received: {pattern.pattern!r}, which matches none")


def measure_fairness(answers, sets: list[PhotoSet], labels: tuple[str, ...], pattern: re.Pattern) -> dict:
    """Count the harmful answers to the neutral photos of each group.

    Args:
        answers: answers as `fer.evaluation.photos.read_photo_sets` returns them.
        sets: the sets of photos.
        labels: names of the model's outputs, in order.
        pattern: pattern of `compile_pattern`; photos whose file name does not match belong to no group.

    Returns:
        A dict by group, sorted by name, of those with a neutral photo in which a face was found. `n`: number of these
        photos. For each label of `HARMFUL` that the model knows, and for `any` of them: `count`, `share` and Wilson's
        `interval` at 95%.
    """
    groups = {}
    for read, photos in zip(answers, sets, strict=True):
        for answer, group in zip(read, _find_groups(photos, pattern), strict=True):
            if group is not None and answer is not None and not isinstance(answer, ImageError):
                groups.setdefault(group, []).append(labels[int(np.argmax(answer.probabilities))])
    return {name: _count(groups[name], labels) for name in sorted(groups)}


def count_without_group(sets: Sequence[PhotoSet], pattern: re.Pattern) -> int:
    """Return the number of neutral photos that belong to no group; arguments as in `measure_fairness`."""
    neutral = sum(label == NEUTRAL for photos in sets for label in photos.labels)
    return neutral - sum(group is not None for photos in sets for group in _find_groups(photos, pattern))


def _find_groups(photos, pattern):
    """Return the group of each photo of a set; None if the photo is not neutral or its name does not match."""
    matches = [pattern.search(path.name) for path in photos.paths]
    pairs = zip(matches, photos.labels, strict=True)
    return [(match[1] or "") if match and label == NEUTRAL else None for match, label in pairs]


def _count(predicted, labels):
    """Return the row of a group, given the labels that were predicted for its photos."""
    total = len(predicted)
    counts = {label: predicted.count(label) for label in HARMFUL if label in labels}
    counts["any"] = sum(counts.values())
    rows = {
        key: {"count": count, "share": count / total, "interval": wilson_interval(count, total)}
        for key, count in counts.items()
    }
    return {"n": total, **rows}
