"""Pictures of each split of a data set; a part of the training pictures is held out if there is no validation split."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from itertools import chain

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import train_test_split

from fer.data.items import EXPECTED, SPLIT_SEED, DataError, Item
from fer.data.sources import Source
from fer.labels import fold, known_class
from fer.paths import StrPath

VALIDATION_SHARE = 0.1
"""Share of the training pictures that becomes the validation split where there is none."""


def select_items(source: Source, split: str, classes: Iterable[str], path: StrPath) -> tuple[list[Item], bool]:
    """Return the items of one split and some classes, sorted by name; cut a validation split if there is none.

    Args:
        source: `fer.data.sources.Source` of the data set.
        split, classes: as in `fer.data.faces.load_faces`.
        path: path of the data set, for messages.

    Returns:
        The items, and whether the split was cut from the training pictures.
    """
    if not source.items:
        raise DataError(f"{path}: no pictures found. {EXPECTED}")
    held_out = split != "test" and not any(item.split == "validation" for item in source.items)
    if held_out:
        train = sorted((item for item in source.items if item.split == "train"), key=lambda item: item.name)
        if not train:
            raise DataError(f"{path}: no training pictures found. {EXPECTED}")
        items = split_training(train, classes, path, source.content_of)[split == "validation"]
    else:
        items = [item for item in source.items if item.split == split]
        if not items:
            found = ", ".join(sorted({item.split for item in source.items}))
            raise DataError(f"{path}: no pictures of the {split} split. Found: {found}. {EXPECTED}")
    items = sorted((item for item in items if item.label in classes), key=lambda item: item.name)
    if not items:
        rule = f"{path}: no pictures of the {split} split with the classes {', '.join(classes)}."
        raise DataError(f"{rule}{list_found(source.items)} {EXPECTED}")
    return items, held_out


def split_training(
    items: Sequence[Item], classes: Iterable[str], path: StrPath, content_of: Callable[[Item], Hashable]
) -> list[list[Item]]:
    """Split training pictures into two stratified lists, the second one for validation.

    The lists depend on the items alone, and not on the requested classes. Items that belong together stay together and
    count once for the share, except where groups such as people's pictures have several classes: there a tenth of each
    class's pictures is held out.

    Args:
        items: training pictures of all classes, sorted by name.
        classes: requested classes, of which each must have a picture in both lists.
        path: path of the data set, for messages.
        content_of: function of an item that returns the same value for items of the same content.

    Raises:
        DataError: if a requested class cannot be in both lists.
    """
    groups = _join(items, content_of)
    labels = [_canonical(group[0].label) for group in groups]
    parts = None
    if not any(item.group for item in items):
        with suppress(ValueError):  # A class has one picture, or a tenth has fewer pictures than there are classes.
            parts = train_test_split(groups, test_size=VALIDATION_SHARE, stratify=labels, random_state=SPLIT_SEED)
    if parts is None or {*labels} - {_canonical(group[0].label) for group in parts[1]}:
        parts = _hold_out(groups, classes, path)
    return [list(chain.from_iterable(part)) for part in parts]


def list_found(items: Iterable[Item]) -> str:
    """Return a sentence on the classes of a data set's items, with a space before it."""
    names = sorted({item.label for item in items})
    numbers = " Numbers need --layout." if names and all(name.isdecimal() for name in names) else ""
    return f" Found: {', '.join(names[:20])}{', …' if len(names) > 20 else ''}.{numbers}"


def _join(items, content_of):
    """Return lists of the items that must stay together: copies, and those of one `Item.group`."""
    keys, links = {}, []
    for index, item in enumerate(items):
        for key in [("content", content_of(item)), *([("group", item.group)] if item.group else [])]:
            links.append((index, len(items) + keys.setdefault(key, len(keys))))
    size = len(items) + len(keys)
    graph = coo_array((np.ones(len(links)), tuple(np.transpose(links))), (size, size))
    _, numbers = connected_components(graph, directed=False)
    groups = {}
    for item, number in zip(items, numbers[: len(items)].tolist(), strict=True):
        groups.setdefault(number, []).append(item)
    return list(groups.values())


def _hold_out(groups, classes, path):
    """Split groups into two lists: of each class, a tenth of the pictures is held out, but at least one and not all."""
    counts = [Counter(_canonical(item.label) for item in group) for group in groups]
    left, held, chosen = sum(counts, Counter()), Counter(), set()
    wanted = {label: max(1, round(VALIDATION_SHARE * count)) for label, count in left.items()}
    order = np.random.default_rng(SPLIT_SEED).permutation(len(groups)).tolist()

    def excess(index):
        """Return how many pictures too many are held out with a group."""
        return sum(max(0, held[label] + count - wanted[label]) for label, count in counts[index].items())

    def choose(index):
        chosen.add(index)
        held.update(counts[index])
        left.subtract(counts[index])

    for label, count in sorted(left.items(), key=lambda item: (item[1], item[0])):
        own = [index for index in order if label in counts[index]]
        for index in own:
            if (
                index not in chosen
                and held[label] < wanted[label]
                and not excess(index)
                and _leaves(left, counts[index])
            ):
                choose(index)
        # Now each further group exceeds the tenth of some class; the one that does so least is taken.
        while held[label] < wanted[label]:
            rest = [index for index in own if index not in chosen and _leaves(left, counts[index])]
            if not rest:
                break
            choose(min(rest, key=excess))
        if not held[label] and label in map(_canonical, classes):
            reason = f"class {label} has {count} picture{'s that stay together' if count > 1 else ''}"
            rule = f"{path}: there is no validation split, and a stratified tenth of training cannot be taken"
            raise DataError(f"{rule} ({reason})")
    parts = [], []
    for index, group in enumerate(groups):
        parts[index in chosen].append(group)
    return parts


def _leaves(left, own):
    """Return whether each class keeps a picture if a group with these numbers of pictures goes."""
    return all(left[label] > count for label, count in own.items())


def _canonical(label):
    """Return the same text for all spellings of a class."""
    return known_class(label) or fold(label)
