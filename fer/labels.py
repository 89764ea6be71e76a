"""Names of the classes: their spelling, their order and their colours.

The seven emotions are in alphabetical order, as Kaggle's folder layout of FER2013 sorts and as the networks number
their outputs. The original CSV numbers them otherwise (Goodfellow et al., 2013, "Challenges in Representation
Learning"). Other classes follow in the order in which they are given.
"""

import re
import unicodedata
from collections.abc import Iterable

from fer.errors import UserError

EMOTIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""The emotions of FER2013, in the order of a network's outputs."""
KNOWN = (*EMOTIONS, "contempt")
"""Class names with aliases and a fixed place in the order: the emotions, and `contempt` of AffectNet and CK+."""
CSV_EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Emotions by their number in the column `emotion` of `fer2013.csv`."""
ALIASES = {
    "angry": "anger",
    "contempt": "contemptuous",
    "disgust": "disgusted",
    "fear": "fearful afraid scared",
    "happy": "happiness joy joyful",
    "neutral": "neutrality calm normal",
    "sad": "sadness",
    "surprise": "surprised",
}
"""Other names of the known classes, in lower case, separated by spaces."""
EMOTION_COLORS = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "neutral": "#8C8C8C",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
}
"""Colours of the emotions, everywhere: the palette of Okabe and Ito (2008), which colour-blind people distinguish."""
COLORS = (
    *("#D55E00", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"),
    *("#882255", "#999933", "#332288", "#44AA99", "#CC6677", "#117733", "#AA4499", "#DDCC77", "#88CCEE"),
)
"""Colours of classes that are no emotions, in this order: those of Okabe and Ito, then Paul Tol's muted palette (2021),
which colour-blind people distinguish as well."""
MOST_CLASSES = 50
"""Largest number of classes."""
NAME = re.compile(r"[^\W_](?:[\w .+-]{0,48}[\w.+-])?")
"""Pattern of a class name, which needs no escaping in HTML, Markdown, CSV and file names."""
BOX_COLUMNS = ("left", "top", "right", "bottom")
"""Columns of a box in tables."""
PHOTO_COLUMNS = (("file", "face", "label"), ("confident", "message", *BOX_COLUMNS, "detection_score"))
"""Columns before and after those of the classes in a table of photos."""
CLIP_COLUMNS = (("seconds", "face", "label"), ("confident", *BOX_COLUMNS))
"""Columns before and after those of the classes in a table of a clip."""
NOT_SURE = "not sure"
"""Key of the answers that are not confident, among those of the classes."""
RESERVED = {NOT_SURE}.union(*PHOTO_COLUMNS, *CLIP_COLUMNS)
"""Names that a class must not have, because tables and counts have a column or key of this name."""
_NAMES = {alias: name for name, others in ALIASES.items() for alias in [name, *others.split()]}
"""Names of the known classes, by each of their names and aliases."""


def known_class(name: str) -> str | None:
    """Return the class of `KNOWN` that a name or one of its `ALIASES` means, in any case; None if there is none."""
    return _NAMES.get(fold(name))


def match_class(name: str, classes: Iterable[str]) -> str | None:
    """Return the class that a name in a data set means, in any case or by an alias; None if there is none.

    Args:
        name: text from a data set.
        classes: names as `check_classes` returns them.
    """
    by_name = {fold(each): each for each in classes}
    return by_name.get(fold(name)) or by_name.get(known_class(name) or "")


def check_classes(classes: Iterable[str]) -> tuple[str, ...]:
    """Return class names in their order: those of `KNOWN` first, then all others as they are given.

    Args:
        classes: names; aliases of `KNOWN`, in any case, are replaced by the name they stand for.

    Raises:
        UserError: for a name that breaks the rules, a name given twice, or fewer than 2 or more than `MOST_CLASSES`.
    """
    given = tuple(classes)
    if len(given) > MOST_CLASSES:
        raise UserError(f"At most {MOST_CLASSES} classes can be told apart. Received: {len(given)}")
    for name in given:
        if not isinstance(name, str) or not NAME.fullmatch(unicodedata.normalize("NFC", name)):
            rule = "A class name must be 1 to 50 letters, digits, spaces and . + - _, beginning with a letter or digit"
            raise UserError(f"{rule}. Received: {name!r}")
        if fold(name) in RESERVED:
            raise UserError(f"A class must not be named like a column or value of results. Received: {name}")
    names = [known_class(name) or unicodedata.normalize("NFC", name) for name in given]
    for place, name in enumerate(names):
        same = next((other for other in range(place) if fold(names[other]) == fold(name)), None)
        if same is not None:
            raise UserError(f"Each class must be given once. Received: {given[same]} and {given[place]}, which are one")
    if len(names) < 2:
        raise UserError(f"At least two different classes are needed. Received: {' '.join(given) or 'none'}")
    return (*(name for name in KNOWN if name in names), *(name for name in names if name not in KNOWN))


def class_colors(classes: Iterable[str]) -> dict[str, str]:
    """Return a colour for each class: an emotion's own, or else the next unused one of `COLORS`, which may repeat."""
    classes = tuple(classes)
    taken = [EMOTION_COLORS[name] for name in classes if name in EMOTION_COLORS]
    free = [color for color in COLORS if color not in taken] or list(COLORS)
    others = [name for name in classes if name not in EMOTION_COLORS]
    chosen = {name: free[index % len(free)] for index, name in enumerate(others)}
    return {name: EMOTION_COLORS.get(name) or chosen[name] for name in classes}


def fold(name: str) -> str:
    """Return the form of a name by which names are compared."""
    return unicodedata.normalize("NFC", name).strip().casefold()
