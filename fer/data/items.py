"""Items of a data set: its pictures before they are decoded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fer.errors import UserError
from fer.labels import EMOTIONS

SPLITS = ("train", "validation", "test")
"""Names of the splits."""
SPLIT_SEED = 2013
"""Seed of a validation split that is cut from the training pictures, and of a sample unless another is given. It is not
the training seed, because a split must not change from run to run."""
EXPECTED = (
    "Expected train/<class>/ with or without validation/<class>/ and test/<class>/, folders <class>/ alone, or a CSV "
    f"with the columns emotion, pixels and, for splits, Usage; classes are {', '.join(EMOTIONS)}, or those that "
    "--classes names."
)
"""Sentence on what a data set must look like, for messages."""


class DataError(UserError):
    """Error for a data set that cannot be used; the message names the file or row and what was expected."""


@dataclass(frozen=True)
class Item:
    """A picture that has not been opened.

    name: path below the data set, or number of the CSV row.
    label: class, as `fer.labels.match_class` finds it; if it is none of the requested classes, the name of the folder.
    split: one of `SPLITS`.
    content: value by which its source reads the picture.
    group: name of a group of pictures that must stay in the same split, such as those of a person; "" for none. Copies
        stay in the same split in any case.
    folder: name of the folder whose name gave the label; "" for pictures whose label stands in a file or table.
    """

    name: str
    label: str
    split: str
    content: object
    group: str = ""
    folder: str = ""


def check_columns(path: object, header: Sequence[str], columns: Iterable[str]) -> None:
    """Raise an error if a table has a column several times, of which a reader would take the last without a word.

    Args:
        path: name of the table in the error.
        header: names of all columns.
        columns: names of the columns that are read.

    Raises:
        DataError: if one of `columns` occurs more than once in `header`.
    """
    if repeated := next((name for name in columns if header.count(name) > 1), None):
        raise DataError(f"{path}: the column {repeated} must occur once. Received: {', '.join(header)}")
