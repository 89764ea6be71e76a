"""Facts of FER2013 (Goodfellow et al., 2013), whichever of its forms it is distributed in."""

from collections import Counter
from collections.abc import Iterable

from fer.labels import EMOTIONS

FACE_SIZE = 48
"""Side of FER2013's pictures in pixels."""
PICTURES = {
    "train": dict(zip(EMOTIONS, (3995, 436, 4097, 7215, 4965, 4830, 3171), strict=True)),
    "validation": dict(zip(EMOTIONS, (467, 56, 496, 895, 607, 653, 415), strict=True)),
}
"""Numbers of pictures of FER2013, by split and emotion."""
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
"""Names of the tables in which FER2013 is distributed."""
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
"""Splits by their name in the column `Usage` of these tables, with which the names of pictures in folders begin."""


def is_fer2013(counts: Counter[tuple[str, str]], classes: Iterable[str]) -> bool:
    """Return whether a data set is FER2013, told by its numbers of training and validation pictures.

    Args:
        counts: number of pictures by split and class.
        classes: names of the classes that are read, whose numbers are compared.
    """
    return all(counts[split, name] == known.get(name) for split, known in PICTURES.items() for name in classes)


def name_row(number: int) -> str:
    """Return the name of the picture in a row of a table; the header is row 1."""
    return f"row {number:06d}"


def find_split(split: str, name: str) -> str:
    """Return the split of a picture by the split of its folder and its file name.

    Kaggle's folder `test` holds the pictures of validation too; `PublicTest_` in their names tells them from those of
    test, `PrivateTest_`.
    """
    return "validation" if split == "test" and name.startswith("PublicTest_") else split
