"""Data sets in a table: `fer2013.csv` under any name, with commas, semicolons or tabs, in UTF-8 or UTF-16.

The column of the splits is `Usage`, or one of `SPLIT_COLUMNS`; without it all rows are training pictures.
"""

import csv
import io
from collections.abc import Callable
from typing import IO

import numpy as np
from PIL import Image

from fer.data.fer2013 import FACE_SIZE, USAGES, name_row
from fer.data.items import DataError, Item, check_columns
from fer.data.layouts import SPLIT_NAMES
from fer.images.archives import FAILURES
from fer.images.loading import grey_square
from fer.labels import CSV_EMOTIONS
from fer.paths import StrPath

SEPARATORS = ",;\t"
"""Characters that may stand between the cells of a row."""
SPLIT_COLUMNS = ("usage", "split", "subset", "set", "partition")
"""Names that the column of the splits may have, in lower case; the first that a table has is read."""
NAMES = {"ckplus": (*CSV_EMOTIONS, "contempt")}
"""Classes by their number in the column `emotion`, for layouts that do not number them as FER2013 does."""


def looks_like_table(head: bytes) -> bool:
    """Return whether a file with these first bytes is a table with the columns emotion and pixels."""
    line = head.decode(_encoding(head), "ignore").splitlines()[:1]
    return bool(line) and {"emotion", "pixels"} <= set(_split_header(line[0], _separator(line[0])))


def list_rows(
    file: IO[bytes],
    path: StrPath,
    skip: Callable[[DataError], None],
    name_class: Callable[[str], str],
    layout: str | None = None,
) -> list[Item]:
    """Return the items of a table.

    Args:
        file: binary file object.
        path: name of the file in an error.
        skip: function that is called with the error of each broken row.
        name_class: function of the name of a class that returns the label of its items.
        layout: layout that numbers the classes in the column `emotion`: `fer2013`, the default, or `ckplus`.

    Raises:
        DataError: if the file is not such a table.
    """
    if layout not in (None, "fer2013", *NAMES):
        raise DataError(f"{path}: a table has the layout fer2013 or ckplus. Received: {layout}")
    names = NAMES.get(layout, CSV_EMOTIONS)
    rows = _read_rows(file, path)
    header = [name.strip().lower() for name in next(rows, [])]
    missing = {"emotion", "pixels"} - set(header)
    if missing:
        raise DataError(f"{path}: the column {', '.join(sorted(missing))} is missing. Received: {', '.join(header)}")
    check_columns(path, header, ("emotion", "pixels", *SPLIT_COLUMNS))
    column = next((name for name in SPLIT_COLUMNS if name in header), None)
    items = []
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            items.append(_row_item(row, header, column, names, number, f"{path}, row {number}", name_class))
        except DataError as error:
            skip(error)
    return items


def read_pixels(item: Item, size: int) -> np.ndarray:
    """Read the pixels of an item of a table as a uint8 array `(size, size)`."""
    where, text = item.content
    values = text.split()
    if len(values) != FACE_SIZE**2:
        raise DataError(f"{where}: `pixels` must be {FACE_SIZE**2} numbers. Received: {len(values)}.")
    try:
        face = np.array(values, dtype=np.uint8).reshape(FACE_SIZE, FACE_SIZE)
    except (ValueError, OverflowError):
        raise DataError(f"{where}: `pixels` must be whole numbers 0-255 between spaces.") from None
    return grey_square(Image.fromarray(face), size)


def _read_rows(file, path):
    """Yield the rows of a table as lists of strings."""
    file = io.BufferedReader(file)
    try:
        head = file.peek(4096)
        encoding = _encoding(head)
        line = head.decode(encoding, "ignore").splitlines()[:1]
        text = io.TextIOWrapper(file, encoding=encoding, newline="")
        yield from csv.reader(text, delimiter=_separator(line[0] if line else ""))
    except (csv.Error, *FAILURES) as error:
        raise DataError(f"{path}: not a CSV that can be read ({error}).") from None


def _encoding(head):
    """Return the encoding of a text by its first bytes: UTF-16 if there is its mark or a zero byte, else UTF-8."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in head[:4]:
        return "utf-16-be" if head.startswith(b"\0") else "utf-16-le"
    return "utf-8-sig"


def _separator(line):
    """Return the most frequent of the `SEPARATORS` in a line."""
    return max(SEPARATORS, key=line.count)


def _split_header(line, separator):
    return [name.strip().strip('"').lower() for name in line.split(separator)]


def _row_item(row, header, column, names, number, where, name_class):
    """Return the item of a row, or raise a `DataError`."""
    if len(row) != len(header):
        raise DataError(f"{where}: {len(header)} columns expected. Received: {len(row)}.")
    cells = dict(zip(header, row, strict=True))
    code, usage = cells["emotion"].strip(), cells.get(column, "Training").strip()
    if code not in map(str, range(len(names))):
        raise DataError(f"{where}: `emotion` must be 0 to {len(names) - 1}. Received: {code!r}.")
    split = USAGES.get(usage) or SPLIT_NAMES.get(usage.lower())
    if split is None:
        rule = f"`{column}` must be one of {', '.join(USAGES)}, or train, validation or test"
        raise DataError(f"{where}: {rule}. Received: {usage!r}.")
    return Item(name_row(number), name_class(names[int(code)]), split, (where, cells["pixels"]))
