"""Items of a data set in a folder, a zip or a table, listed before any picture is decoded."""

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from fer.data.fer2013 import CSV_NAMES
from fer.data.items import EXPECTED, DataError, Item
from fer.data.layouts import CODES, SPLIT_NAMES, is_label_file, list_folder_items, list_labelled_items
from fer.data.tables import list_rows, looks_like_table, read_pixels
from fer.errors import UserError, check
from fer.images import folders
from fer.images.archives import (
    MAX_MEMBER_BYTES,
    is_zip,
    list_members,
    open_member,
    open_zip,
    read_member,
    read_member_head,
)
from fer.images.formats import SUFFIXES, pick_pictures, read_head
from fer.images.loading import load_grey
from fer.labels import known_class, match_class

TABLE_SUFFIXES = (".csv", ".tsv")
"""Suffixes of tables, in lower case."""


@dataclass(frozen=True)
class Source:
    """An open data set.

    items: list of `Item`s.
    read: function of an item and a size that reads the picture as a uint8 array `(size, size)`.
    content_of: function of an item that returns the same value for items of the same content.
    left_out: numbers of files that are left out, by kind, as `fer.images.formats.pick_pictures` counts them.
    is_table: whether the items are rows of a table.
    """

    items: list[Item]
    read: Callable[[Item, int], np.ndarray]
    content_of: Callable[[Item], Hashable]
    left_out: Counter
    is_table: bool = False


@contextmanager
def open_source(
    path: Path, skip: Callable[[DataError], None], classes: Iterable[str], layout: str | None
) -> Iterator[Source]:
    """Open a data set, and yield its `Source`.

    Args:
        path: path of a folder, zip or table.
        skip: function that is called with the error of each broken row of a table.
        classes: names of classes, as `fer.labels.check_classes` returns them, with which the names of folders are
            matched (`fer.labels.match_class`).
        layout: key of `fer.data.layouts.CODES`; None for folders that are named after their class.

    Raises:
        DataError: if the path is missing or no data set, or if a picture does not lie in a class folder.
    """
    check(layout is None or layout in CODES, "layout", f"one of {', '.join(CODES)}", repr(layout))
    lister = _Lister(skip, classes, layout)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. {EXPECTED}")
    if path.is_dir():
        container = _open_folder(path, lister)
    else:
        start = _read_start(path)
        is_table = path.suffix.lower() in TABLE_SUFFIXES or not is_zip(start) and looks_like_table(start)
        container = _open_table(path, lister, Counter()) if is_table else _open_zip(path, lister)
    with container as source:
        yield source


@contextmanager
def _open_folder(path, lister):
    """Yield the `Source` of a folder of pictures, or of the table in a folder."""
    try:
        names = folders.list_files(path, _refuse_repeated)
    except UserError as error:
        raise DataError(str(error)) from None

    def head_of(name):
        return read_head(path / name)

    def read(item, size):
        return load_grey(path / item.content, size)

    if table := _find_table(names):
        with _open_table(path / table, lister, _count_beside(table, names, head_of)) as source:
            yield source
    else:
        items, left_out = lister.list_items(names, path, head_of, lambda name: (path / name).read_bytes())
        yield Source(items, read, lambda item: _digest(path, item), left_out)


@contextmanager
def _open_table(path, lister, left_out):
    """Yield the `Source` of a table; `left_out` counts the files beside it."""
    with path.open("rb", buffering=0) as file:
        yield lister.list_rows(file, path, left_out)


@contextmanager
def _open_zip(path, lister):
    """Yield the `Source` of a zip of pictures, or of the table in a zip."""
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(open_zip(path))
        except UserError as error:
            reason = str(error).removeprefix(f"{path}: ")
            rule = f"{path}: neither a folder, a zip nor a CSV that can be read"
            raise DataError(f"{rule}: {reason} {EXPECTED}") from None
        listed = list_members(archive)
        members = {info.filename: info for info in listed}
        if repeated := next((info.filename for info in listed if members[info.filename] is not info), None):
            raise DataError(f"{path}: a data set must hold each picture once. Received: {repeated} twice")
        names = sorted(members)

        def head_of(name):
            return read_member_head(archive, members[name])

        def content_of(name):
            return read_member(archive, members[name], f"{path}:{name}", MAX_MEMBER_BYTES)

        def read(item, size):
            try:
                return load_grey(io.BytesIO(content_of(item.content)), size, f"{path}:{item.content}")
            except UserError as error:
                raise DataError(str(error)) from None

        if table := _find_table(names):
            name = f"{path}:{table}"
            file = stack.enter_context(open_member(archive, members[table], name))
            yield lister.list_rows(file, name, _count_beside(table, names, head_of))
        else:
            items, left_out = lister.list_items(names, path, head_of, content_of)
            yield Source(items, read, lambda item: _checksum(members[item.content]), left_out)


@dataclass(frozen=True)
class _Lister:
    """Lister of the items of a data set, whatever contains them; the fields are arguments of `open_source`."""

    skip: Callable[[DataError], None]
    classes: Iterable[str]
    layout: str | None

    def list_rows(self, file, name, left_out):
        """Return the `Source` of an open table."""
        items = list_rows(file, name, self.skip, self._name_class, self.layout)
        return Source(items, read_pixels, lambda item: item.content[1].strip(), left_out, is_table=True)

    def list_items(self, names, path, head_of, content_of):
        """Return the items of the files of a folder or zip, and the counts of the files that are left out.

        `head_of` and `content_of` are functions of a file's name that return its first bytes and all of its bytes.
        """
        label_files = [name for name in names if is_label_file(name, self.layout)]
        pictures, left_out = pick_pictures(sorted({*names} - {*label_files}), head_of)
        if label_files:
            items, others = list_labelled_items(pictures, label_files, path, self._name_class, self.layout, content_of)
            left_out += others
        else:
            items = list_folder_items(pictures, path, self._name_class, self.layout)
        places = {}
        for item in items:
            if (first := places.setdefault(item.name, item.content)) is not item.content:
                raise DataError(f"{path}: a data set must hold each picture once. Received: {first} and {item.content}")
        return items, left_out

    def _name_class(self, name):
        """Return the class that a folder or a number of a table names; the name itself if it is none."""
        return match_class(name, self.classes) or known_class(name) or name


def _refuse_repeated(link):
    """Refuse a link to a folder that another link leads to: its pictures would be left out without a word."""
    raise UserError(f"A data set must hold each folder once. Received: {link}, a link to a folder that it has")


def _count_beside(table, names, head_of):
    """Return the counts of the files beside a table, which are left out."""
    pictures, left_out = pick_pictures([name for name in names if name != table], head_of)
    left_out["pictures beside the table"] += len(pictures)
    return +left_out  # Without a kind that numbers 0.


def _digest(path, item):
    """Return the sha256 of a file, or its name if it cannot be read."""
    try:
        return hashlib.sha256((path / item.content).read_bytes()).digest()
    except OSError:  # The error is reported when the picture is read.
        return item.name


def _checksum(member):
    """Return the checksum and the size of a file in a zip."""
    return member.CRC, member.file_size


def _read_start(path):
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError:  # The error is reported when the file is opened as a zip.
        return b""


def _find_table(names):
    """Return the name of a data set's table; None if it has none, or has folders of splits as well.

    A table that is not one of `CSV_NAMES` must be the only one, and there must be no pictures beside it.
    """
    files = [PurePosixPath(name) for name in names]
    if any(part.lower() in SPLIT_NAMES for file in files for part in file.parts[:-1]):
        return None
    if known := next((name for name, file in zip(names, files, strict=True) if file.name in CSV_NAMES), None):
        return known
    tables = [name for name in names if name.lower().endswith(TABLE_SUFFIXES) and "/." not in f"/{name}"]
    return tables[0] if len(tables) == 1 and not any(name.lower().endswith(SUFFIXES) for name in names) else None
