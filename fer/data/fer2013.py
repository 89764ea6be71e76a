"""Facts of FER2013 (Goodfellow et al., 2013), whichever of its forms it is distributed in."""

from collections.abc import Mapping

from fer.labels import EMOTIONS

FACE_SIZE = 48
"""Side of FER2013's pictures in pixels."""
PICTURES = dict(zip(EMOTIONS, (3995, 436, 4097, 7215, 4965, 4830, 3171), strict=True))
"""Numbers of training pictures of FER2013, by emotion."""
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
"""Names of the tables in which FER2013 is distributed."""
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
"""Splits by their name in the column `Usage` of these tables, with which the names of pictures in folders begin."""


def is_fer2013(counts: Mapping[str, int]) -> bool:
    """Return whether a data set is FER2013, told by its numbers of training pictures of each class that is read."""
    return all(count == PICTURES.get(name) for name, count in counts.items())


def name_row(number: int) -> str:
    """Return the name of the picture in a row of a table; the header is row 1."""
    return f"row {number:06d}"


def find_split(split: str, name: str) -> str:
    """Return the split of a picture by the split of its folder and its file name.

    Kaggle's folder `test` holds the pictures of validation too; `PublicTest_` in their names tells them from those of
    test, `PrivateTest_`.
    """
    return "validation" if split == "test" and name.startswith("PublicTest_") else split
