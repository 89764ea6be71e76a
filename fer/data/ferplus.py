"""The votes of FER+ (Barsoum et al., 2016): labels that ten people gave to each picture of FER2013."""

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fer.data.faces import Faces
from fer.data.fer2013 import USAGES, name_row
from fer.data.items import DataError, check_columns
from fer.paths import StrPath

FERPLUS_COLUMNS = ["Usage", "Image name"]
"""Columns before the counts in the file of FER+ itself, `fer2013new.csv`."""


def load_votes(path: StrPath, faces: Faces) -> np.ndarray:
    """Load the votes of FER+ (Barsoum et al., 2016, arXiv:1608.01041).

    Args:
        path: CSV with the column `file`, the path of a picture below the data set, and one column of counts per
            category; or the file of FER+ itself, `fer2013new.csv`, whose rows are in the order of `fer2013.csv`.
        faces: pictures of a split.

    Returns:
        A float64 array `(n, categories)` of shares; rows sum to 1, and the row of a picture without votes is NaN.

    Raises:
        DataError: if the file does not fit, if a picture has two rows, if its rows are not those of the table that the
            pictures come from, or if it has votes for none of the pictures.
    """
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file. Expected a CSV of votes with the column file.")
    header, rows = _read_rows(path)
    first = _first_category(header)
    if not first or len(header) <= first:
        raise DataError(f"{path}: the first column must be file, the others categories. Received: {header}")
    check_columns(path, header, header)
    # The last column before the counts names the picture. FER+ gives no name to the pictures that it removed.
    pictures = Counter(row[first - 1].strip() for row in rows if len(row) >= first)
    if repeated := next((name for name, count in pictures.items() if name and count > 1), None):
        raise DataError(f"{path}: each picture must have one row. Received: {repeated} twice")
    try:
        votes = {
            row[0] if first == 1 else name_row(number): np.array(row[first:], float)
            for number, row in enumerate(rows, start=2)
            if row
        }
    except ValueError as error:
        raise DataError(f"{path}: votes must be numbers ({error}).") from None
    if any(len(counts) != len(header) - first for counts in votes.values()):
        raise DataError(f"{path}: each row must have {len(header)} columns.")
    wrong = next((name for name, counts in votes.items() if not (np.isfinite(counts) & (counts >= 0)).all()), None)
    if wrong is not None:
        raise DataError(f"{path}: votes must be counts, 0 or more. Received: {votes[wrong].tolist()} for {wrong}")
    if first > 1 and faces.rows:
        _check_rows(path, {name_row(number): row[0] for number, row in enumerate(rows, start=2) if row}, faces)
    nothing = np.full(len(header) - first, np.nan)
    counts = np.stack([votes.get(name, nothing) for name in faces.names])
    total = counts.sum(axis=1, keepdims=True)
    if not (total > 0).any():
        rule = (
            f"Expected names like {faces.names[0]}"
            if first == 1
            else "It belongs to fer2013.csv, whose rows it follows"
        )
        raise DataError(f"{path}: no votes for any picture. {rule}.")
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def _check_rows(path: StrPath, usages: Mapping[str, str], faces: Faces) -> None:
    """Raise a `DataError` if the rows of FER+'s own file are not those of a table.

    A table may lack splits at its end. If it has no splits, it must have as many rows as the file.

    Args:
        path: path of the file of FER+, for the message.
        usages: value of the column `Usage` by name of the row.
        faces: pictures of the table.
    """
    splits, rows = {name: USAGES.get(usage) for name, usage in usages.items()}, faces.rows

    def ends_as(there, here):
        # Broken rows that were skipped may have been the last ones.
        return 0 <= _last(there) - _last(here) <= len(faces.skipped)

    if {*rows.values()} == {"train"} and ends_as(splits, rows):
        return
    if any(splits.get(name) != split for name, split in rows.items()) or not all(
        ends_as(*({name for name, each in one.items() if each == split} for one in (splits, rows)))
        for split in {*rows.values()}
    ):
        rule = f"{path}: its rows must be those of the complete fer2013.csv, in the same order"
        raise DataError(f"{rule}. Received: a table whose rows or splits are others")


def _last(names):
    """Return the number of the last of some rows, given by their names; 0 without any."""
    return max((int(name.split()[1]) for name in names), default=0)


def load_categories(path: StrPath) -> list[str]:
    """Return the names of the categories, the columns of `load_votes`, from the same CSV."""
    header, _ = _read_rows(path)
    return header[_first_category(header) :]


def _read_rows(path):
    """Return the header of a CSV, and a list of its other rows."""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            header, *rows = csv.reader(file)
    except (csv.Error, ValueError):  # Of the header, the rows or their encoding.
        raise DataError(f"{path}: votes must be a CSV in UTF-8, with a header.") from None
    return header, rows


def _first_category(header):
    """Return the index of the first column of counts; 0 if the header is neither of the two that are known."""
    if header[: len(FERPLUS_COLUMNS)] == FERPLUS_COLUMNS:
        return len(FERPLUS_COLUMNS)
    return 1 if header[:1] == ["file"] else 0
