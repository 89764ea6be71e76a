"""Overview of a data set: its splits, classes, numbers of pictures, copies, and pictures that cannot be read."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fer.data.fer2013 import FACE_SIZE
from fer.data.items import EXPECTED, SPLITS, DataError
from fer.data.sources import open_source
from fer.data.splits import select_items
from fer.data.whole_photos import describe_whole_photos
from fer.errors import ImageError, one_line
from fer.images.formats import describe_left_out
from fer.labels import KNOWN, check_classes
from fer.paths import StrPath

EXAMPLES = 5
"""Largest number of examples of each kind in the text."""
BATCH = 256
"""Number of pictures that a model classifies at once."""


class Classifier(NamedTuple):
    """A model that answers the pictures of a data set.

    answer: function of uint8 pictures `(n, size, size)` that returns probabilities, a float array `(n, labels)`.
    labels: names of the model's outputs, in order.
    size: side of the pictures in pixels.
    """

    answer: Callable[[np.ndarray], np.ndarray]
    labels: Sequence[str]
    size: int


@dataclass(eq=False)
class Overview:
    """Overview of a data set, the result of `survey`.

    path: path of the data set.
    classes: names of the classes that are read.
    counts: number of pictures by split and class.
    held_out: whether the validation split is cut from the training pictures.
    problem: sentence on why a split cannot be read; "" if all can.
    named: class by folder name, for folders that are not named by their class, such as "happy" by "joy".
    left_out: sentence on files that are left out; "" if there are none.
    others: number of pictures by class, for the classes that are left out.
    whole_photos: sentence that says so if the pictures are whole photos instead of face crops; "" otherwise.
    unreadable: error messages of pictures and rows that cannot be read.
    copies: groups of pictures with the same content, each a list of `(split, label, name)`.
    samples: some training pictures by class, uint8 arrays `(size, size)`, evenly spaced among all of them.
    known: labels of the model that answers; empty without one.
    answers: answers of the model, dicts with `name`, `split`, `label`, `answer`, `p_label` and `p_answer`.
    """

    path: str
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    held_out: bool = False
    problem: str = ""
    named: dict[str, str] = field(default_factory=dict)
    left_out: str = ""
    others: Counter[str] = field(default_factory=Counter)
    whole_photos: str = ""
    unreadable: list[str] = field(default_factory=list)
    copies: list[list[tuple[str, str, str]]] = field(default_factory=list)
    samples: dict[str, list[np.ndarray]] = field(default_factory=dict)
    known: Sequence[str] = ()
    answers: list[dict[str, Any]] = field(default_factory=list)

    def find_copies(self) -> dict[str, list]:
        """Return the groups of copies by kind: `across splits`, `across classes`, or else `within a split`."""
        kinds = {"across splits": [], "across classes": [], "within a split": []}
        for group in self.copies:
            splits, labels, _ = (set(values) for values in zip(*group, strict=True))
            kind = "across splits" if len(splits) > 1 else "across classes" if len(labels) > 1 else "within a split"
            kinds[kind].append(group)
        return kinds

    def rank_doubtful(self, most: int) -> list[dict[str, Any]]:
        """Return at most `most` answers that contradict their label, the largest difference of probability first."""
        wrong = [answer for answer in self.answers if answer["answer"] != answer["label"]]
        return sorted(wrong, key=lambda answer: (answer["p_label"] - answer["p_answer"], answer["name"]))[:most]

    def to_record(self, most: int) -> dict[str, Any]:
        """Return the overview as a JSON object, with at most `most` doubtful labels."""
        copies = {
            kind: [[{"split": split, "label": label, "name": name} for split, label, name in group] for group in groups]
            for kind, groups in self.find_copies().items()
        }
        return {
            "path": self.path,
            "classes": list(self.classes),
            "counts": self.counts,
            "validation_held_out": self.held_out,
            "problem": self.problem or None,
            "named": self.named,
            "left_out": self.left_out,
            "other_classes": dict(self.others),
            "whole_photos": self.whole_photos or None,
            "unreadable": self.unreadable,
            "copies": copies,
            "answered": len(self.answers),
            "doubtful": self.rank_doubtful(most),
        }


def survey(
    path: StrPath,
    classes: Iterable[str] | None = None,
    layout: str | None = None,
    model: Classifier | None = None,
    samples: int = 0,
    progress: Callable | None = None,
) -> Overview:
    """Read a data set as training and evaluation would, and return an `Overview`.

    Args:
        path, layout: as in `fer.data.faces.load_faces`.
        classes: as in `fer.data.faces.load_faces`, but None for all classes of the data set.
        model: model that answers the pictures; None for an overview without answers.
        samples: number of training pictures to keep per class.
        progress: function of the items and their number that returns an iterable, such as `tqdm`.

    Raises:
        UserError: if the data set cannot be opened, or a class name is not valid.
    """
    classes = None if classes is None else check_classes(classes)
    unreadable, meant = [], classes or (model.labels if model else ())
    with open_source(Path(path), lambda error: unreadable.append(str(error)), meant, layout) as source:
        found = Counter(item.label for item in source.items)
        shown = classes or (*(name for name in KNOWN if name in found), *sorted({*found} - {*KNOWN}))
        overview = Overview(
            str(path),
            shown,
            named=_find_names(source.items, shown),
            left_out=describe_left_out(source.left_out),
            others=Counter({name: count for name, count in found.items() if name not in shown}),
            whole_photos=describe_whole_photos(source, shown),
            unreadable=unreadable,
            known=model.labels if model else (),
        )
        chosen = _split(source, overview, path)
        overview.copies = _find_copies(source, chosen)
        _read(source, chosen, overview, model, samples, progress)
    return overview


def format_overview(overview: Overview, most: int) -> str:
    """Return an overview as a text of several lines, with at most `most` doubtful labels."""
    columns = list(overview.counts)
    width = max(12, *(len(name) + 2 for name in overview.classes)) if overview.classes else 12
    lines = [overview.path, f"{'':{width}}" + "".join(f"{name:>12}" for name in columns)]
    for label in overview.classes:
        lines.append(f"{label:{width}}" + "".join(f"{overview.counts[name].get(label, 0):12}" for name in columns))
    lines.append(f"{'all':{width}}" + "".join(f"{sum(overview.counts[name].values()):12}" for name in columns))
    if overview.held_out:
        lines.append("There is no validation split: a tenth of the training pictures is held out for it.")
    lines += [overview.problem] if overview.problem else []
    if overview.named:
        lines.append(f"Read as: {', '.join(f'{name} as {label}' for name, label in overview.named.items())}.")
    lines += [f"{overview.left_out}."] if overview.left_out else []
    if overview.others:
        others = ", ".join(f"{count} {name}" for name, count in overview.others.most_common(10))
        lines.append(f"{overview.others.total()} pictures of other classes left out: {others}.")
    lines += [overview.whole_photos] if overview.whole_photos else []
    lines += _list_some(f"Cannot be read: {len(overview.unreadable)}", overview.unreadable)
    for kind, groups in overview.find_copies().items():
        examples = [_show_copies(group) for group in groups]
        count = sum(len(group) - 1 for group in groups)
        lines += _list_some(f"Identical files {kind}: {count} (groups: {len(groups)})", examples)
    doubtful = overview.rank_doubtful(most)
    if overview.known and not overview.answers:
        lines.append(f"The model answers none of these pictures: its classes are {', '.join(overview.known)}.")
    if overview.answers:
        wrong = sum(answer["answer"] != answer["label"] for answer in overview.answers)
        lines.append(f"The model contradicts {wrong} of {len(overview.answers)} labels; the most doubtful ones:")
        lines += [
            f"  {row['name']}: {row['label']} {row['p_label']:.0%}, {row['answer']} {row['p_answer']:.0%}"
            for row in doubtful
        ]
    return "\n".join(map(one_line, lines))


def _show_copies(group):
    """Return two copies of a group as text, of two splits or classes if it has them."""
    (split, label, name), *others = group
    other = next((each for each in others if each[0] != split), None)
    other = other or next((each for each in others if each[1] != label), others[0])
    return f"{split}: {name} is {other[0]}: {other[2]}"


def _list_some(title, examples):
    """Return a title and lines with the first `EXAMPLES` examples; an empty list if there are none."""
    more = [f"  and {len(examples) - EXAMPLES} more"] if len(examples) > EXAMPLES else []
    return [f"{title}", *(f"  {example}" for example in examples[:EXAMPLES]), *more] if examples else []


def _find_names(items, classes):
    """Return the class of each folder that is not named by its class."""
    named = {item.folder: item.label for item in items if item.folder not in ("", item.label)}
    return {folder: label for folder, label in sorted(named.items()) if label in classes}


def _split(source, overview, path):
    """Return pairs of split and item, and set the counts of an overview."""
    chosen = []
    for split in SPLITS:
        if not any(item.split == split or (split == "validation" and item.split == "train") for item in source.items):
            continue
        try:
            items, held_out = select_items(source, split, overview.classes, path)
        except DataError as error:
            overview.problem = str(error)
            continue
        overview.held_out |= held_out
        overview.counts[split] = dict(Counter(item.label for item in items))
        chosen += [(split, item) for item in items]
    if not source.items:
        overview.problem = f"{path}: no pictures found. {EXPECTED}"
    return chosen


def _find_copies(source, chosen):
    groups = {}
    for split, item in chosen:
        groups.setdefault(source.content_of(item), []).append((split, item.label, item.name))
    return [group for group in groups.values() if len(group) > 1]


def _read(source, chosen, overview, model, samples, progress):
    """Read the pictures of all splits; add the unreadable ones, the samples and the model's answers to an overview."""
    labels, size = (model.labels, model.size) if model else ((), FACE_SIZE)
    numbers, seen, waiting = overview.counts.get("train", {}), Counter(), []
    for split, item in (progress or (lambda items, total: items))(chosen, len(chosen)):
        try:
            picture = source.read(item, size)
        except (ImageError, DataError) as error:
            overview.unreadable.append(str(error))
            continue
        if split == "train" and samples:
            rank = seen[item.label]
            seen[item.label] += 1
            # Evenly spaced: the n-th picture is kept if n * samples / number reaches the next whole number.
            number = max(numbers[item.label], samples)
            if (rank + 1) * samples // number > rank * samples // number:
                overview.samples.setdefault(item.label, []).append(picture)
        if item.label in labels:
            waiting.append((split, item, picture))
        if len(waiting) == BATCH:
            _ask(model, waiting, overview)
    if waiting:
        _ask(model, waiting, overview)


def _ask(model, waiting, overview):
    """Add the model's answers to the waiting pictures to an overview, and empty the list of waiting pictures."""
    answers = model.answer(np.stack([picture for _, _, picture in waiting]))
    for (split, item, _), row in zip(waiting, answers, strict=True):
        best, own = int(row.argmax()), float(row[model.labels.index(item.label)])
        found = {"name": item.name, "split": split, "label": item.label, "answer": model.labels[best]}
        overview.answers.append(found | {"p_label": round(own, 6), "p_answer": round(float(row[best]), 6)})
    waiting.clear()
