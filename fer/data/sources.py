"""Items of a data set in a folder, a zip or a CSV, listed before any picture is decoded."""

import csv
import hashlib
import io
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from fer.errors import UserError
from fer.images.archives import FAILURES, list_files, open_member, open_zip, read_member, read_member_head
from fer.images.formats import describe_left_out, pick_pictures, read_head
from fer.images.loading import MAX_PIXELS, grey_square, load_grey
from fer.labels import CSV_EMOTIONS, EMOTIONS

SPLITS = ("train", "validation", "test")
"""Names of the splits."""
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
"""Names of the CSV files in which FER2013 is distributed."""
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
"""Splits by their name in the column `Usage` of the CSV."""
FACE_SIZE = 48
"""Side of FER2013's pictures in pixels."""
MAX_MEMBER_BYTES = 6 * MAX_PIXELS
"""Largest size of a picture in a zip in bytes: `MAX_PIXELS` of 16 bits per channel, uncompressed."""
LAYOUT = (
    "Expected train/<emotion>/ beside test/<emotion>/ or validation/<emotion>/, "
    f"or a CSV with the columns emotion, pixels, Usage; emotions are {', '.join(EMOTIONS)}."
)


class DataError(UserError):
    """Error for a data set that cannot be used; the message names the file or row and what was expected."""


@dataclass(frozen=True)
class Item:
    """A picture that has not been opened.

    name: path below the data set, or number of the CSV row.
    emotion: label.
    split: one of `SPLITS`.
    content: what its source needs to read it.
    """

    name: str
    emotion: str
    split: str
    content: object


@contextmanager
def open_source(path, skip):
    """Open a data set.

    Args:
        path: folder, zip or CSV.
        skip: function that is called with the `DataError` of each broken row of a CSV.

    Yields:
        An iterator of the `Item`s; a function of an item and a size that reads the picture as a uint8 array `(size,
        size)`; a function of an item that returns the same value for items of the same content; and a sentence on the
        files that are left out, "" if there are none.

    Raises:
        DataError: if the path is missing or is none of these.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. {LAYOUT}")
    if path.is_dir():
        names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        csv_name = _find_csv(names)
        if csv_name is None:
            names, left_out = pick_pictures(names, lambda name: read_head(path / name))
            read = lambda item, size: load_grey(path / item.content, size)  # noqa: E731
            yield _folder_items(names, path), read, lambda item: _digest(path, item), _left_out(path, left_out)
            return
        path = path / csv_name
    if path.suffix.lower() == ".csv":
        with path.open("rb") as file:
            yield _csv_items(file, path, skip), _read_pixels, _pixels_of, ""
        return
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(open_zip(path))
        except UserError as error:
            reason = str(error).removeprefix(f"{path}: ")
            raise DataError(f"{path}: neither a folder, a zip nor a CSV that can be read: {reason} {LAYOUT}") from None
        members = {info.filename: info for info in list_files(archive)}
        csv_name = _find_csv(sorted(members))
        if csv_name is None:
            names, left_out = pick_pictures(sorted(members), lambda name: read_member_head(archive, members[name]))
            read = lambda item, size: _read_member(archive, members[item.content], size, path)  # noqa: E731
            yield _folder_items(names, path), read, lambda item: _sum(members[item.content]), _left_out(path, left_out)
            return
        name = f"{path}:{csv_name}"
        with open_member(archive, members[csv_name], name) as file:
            yield _csv_items(file, name, skip), _read_pixels, _pixels_of, ""


def _digest(path, item):
    """Return the sha256 of a file, or its name if it cannot be read."""
    try:
        return hashlib.sha256((path / item.content).read_bytes()).digest()
    except OSError:  # The error is reported when the picture is read.
        return item.name


def _sum(member):
    """Return the checksum and the size of a file in a zip."""
    return member.CRC, member.file_size


def _pixels_of(item):
    """Return the pixels of an item of a CSV as text."""
    return item.content[1].strip()


def _find_csv(names):
    """Return the name of a data set's CSV; None if it has none, or has a folder `train` as well."""
    if any("train" in PurePosixPath(name).parts[:-1] for name in names):
        return None
    return next((name for name in names if PurePosixPath(name).name in CSV_NAMES), None)


def _left_out(path, counts):
    """Return the sentence on files that are left out; "" if there are none."""
    return f"{path}: {describe_left_out(counts)}." if counts else ""


def _read_member(archive, member, size, path):
    """Read a picture in a zip as a uint8 array `(size, size)`."""
    name = f"{path}:{member.filename}"
    try:
        return load_grey(io.BytesIO(read_member(archive, member, name, MAX_MEMBER_BYTES)), size, name)
    except UserError as error:
        raise DataError(str(error)) from None


def _folder_items(names, path):
    """Yield the items of files in Kaggle's layout, which may lie in one folder around it (`fer2013/train/…`)."""
    places = {}
    for name in names:
        parts = PurePosixPath(name).parts
        if len(parts) < 3 or parts[-3] not in SPLITS:
            raise DataError(f"{path}: {name} stands in no split. {LAYOUT}")
        split, emotion = parts[-3:-1]
        if emotion not in EMOTIONS:
            raise DataError(f"{path}: unknown class folder {split}/{emotion}. {LAYOUT}")
        if split == "test" and parts[-1].startswith("PublicTest_"):
            split = "validation"
        item = Item("/".join(parts[-3:]), emotion, split, name)
        if (first := places.setdefault(item.name, name)) is not name:
            raise DataError(f"{path}: a data set must hold each picture once. Received: {first} and {name}")
        yield item


def _csv_rows(file, path):
    """Yield the rows of a CSV as lists of strings."""
    try:
        yield from csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
    except (csv.Error, *FAILURES) as error:
        raise DataError(f"{path}: not a CSV that can be read ({error}).") from None


def _csv_items(file, path, skip):
    """Yield the items of a CSV, and pass the errors of broken rows to `skip`."""
    rows = _csv_rows(file, path)
    header = [name.strip().lower() for name in next(rows, [])]
    missing = {"emotion", "pixels", "usage"} - set(header)
    if missing:
        raise DataError(f"{path}: the column {', '.join(sorted(missing))} is missing. Received: {', '.join(header)}")
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            item = _row_item(row, header, number, f"{path}, row {number}")
        except DataError as error:
            skip(error)
            continue
        yield item


def _row_item(row, header, number, where):
    """Return the item of a row of a CSV, or raise a `DataError`."""
    if len(row) != len(header):
        raise DataError(f"{where}: {len(header)} columns expected. Received: {len(row)}.")
    cells = dict(zip(header, row, strict=True))
    code, usage = cells["emotion"].strip(), cells["usage"].strip()
    if code not in map(str, range(len(CSV_EMOTIONS))):
        raise DataError(f"{where}: `emotion` must be 0 to {len(CSV_EMOTIONS) - 1}. Received: {code!r}.")
    if usage not in USAGES:
        raise DataError(f"{where}: `Usage` must be one of {', '.join(USAGES)}. Received: {usage!r}.")
    return Item(f"row {number:06d}", CSV_EMOTIONS[int(code)], USAGES[usage], (where, cells["pixels"]))


def _read_pixels(item, size):
    """Read the pixels of an item of a CSV as a uint8 array `(size, size)`."""
    where, text = item.content
    values = text.split()
    if len(values) != FACE_SIZE**2:
        raise DataError(f"{where}: `pixels` must be {FACE_SIZE**2} numbers. Received: {len(values)}.")
    try:
        face = np.array(values, dtype=np.uint8).reshape(FACE_SIZE, FACE_SIZE)
    except (ValueError, OverflowError):
        raise DataError(f"{where}: `pixels` must be whole numbers 0-255 between spaces.") from None
    return grey_square(Image.fromarray(face), size)
