"""Sizes and modification times of the files that pictures are in; they tell a later run which files were replaced."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.fs import FileInfo

from fer.errors import UserError
from fer.scoring.filesystems import FAILURES, locate

FILE_STATE = pa.schema([("file_size", pa.int64()), ("file_modified", pa.timestamp("us", "UTC"))])
"""Columns of a file's state: bytes, or `UNKNOWN` and null where it could not be looked up. In the output they are null
in rows that were written before fer recorded them."""
UNKNOWN = -1
"""Value of `file_size` for what is missing, is no file, or could not be looked up."""
LOOKUPS_AT_ONCE = 32
"""Number of files that are looked up concurrently, because each takes a request to object storage."""
PART = 128
"""Number of files that one thread looks up before it returns them."""


def look_up_files(names: Sequence[str], known: Mapping[str, FileInfo] | None = None) -> pa.Table:
    """Look up the states of files.

    Args:
        names: paths or URIs of the files.
        known: what a listing told of files by name; these are not looked up again.

    Returns:
        A table of the columns `FILE_STATE`, one row per name.
    """
    parts = (names[start : start + PART] for start in range(0, len(names), PART))
    with ThreadPoolExecutor(LOOKUPS_AT_ONCE) as pool:
        return pa.Table.from_batches(pool.map(partial(_look_up, known or {}), parts), FILE_STATE).combine_chunks()


def _look_up(known, names):
    sizes, times = [], []
    for name in names:
        info = known.get(name) or _get_info(name)
        is_known = info is not None and info.size is not None  # Folders and pipes have no size.
        sizes.append(info.size if is_known else UNKNOWN)
        times.append(info.mtime_ns // 1000 if is_known and info.mtime_ns is not None else None)
    columns = [pa.array(values, kind) for values, kind in zip((sizes, times), FILE_STATE.types, strict=True)]
    return pa.record_batch(columns, FILE_STATE)


def _get_info(name):
    """Return pyarrow's `FileInfo` of a path or URI, or None if the file system does not tell."""
    try:
        filesystem, path = locate(name)
        return filesystem.get_file_info(path)
    except (UserError, *FAILURES):
        return None


def find_changed(now: pa.Table, before: pa.Table) -> pa.ChunkedArray:
    """Return for each row of two tables of `FILE_STATE` whether the file is known to have changed.

    A file that is `UNKNOWN` now has not: it may be missing for a moment. One that was `UNKNOWN`, but is there now, has.
    """
    resized = pc.not_equal(now["file_size"], before["file_size"])
    modified = pc.not_equal(now["file_modified"], before["file_modified"])
    is_known = pc.not_equal(now["file_size"], UNKNOWN)
    return pc.fill_null(pc.and_(is_known, pc.or_kleene(resized, pc.fill_null(modified, False))), False)
