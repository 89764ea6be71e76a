"""The pictures to score: find their names and the states of their files, and read their bytes."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import PurePath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileType, LocalFileSystem

from fer.data.sources import TABLE_SUFFIXES
from fer.errors import UserError
from fer.images import folders
from fer.images.archives import MAX_MEMBER_BYTES
from fer.images.formats import HEAD_BYTES, describe_left_out, pick_pictures
from fer.scoring.file_states import look_up_files
from fer.scoring.filesystems import FAILURES, UnopenedError, explain_read_errors, locate, make_absolute

READ_AT_ONCE = 8
"""Number of pictures that an actor fetches concurrently, because object storage is slower than the networks."""
BLOCK = 2**20
"""Number of bytes that are read from a file at once."""
LOOKED_FOR = 64
"""Number of files of a list that are looked for before the next ones are."""
SHOWN = 80
"""Largest number of characters of a line that an error shows."""
RETRY_PAUSES = (1, 4)
"""Seconds to wait before each further attempt at a failed read; storage may have been busy."""
PICTURE_COLUMNS = ("image", "bytes")
"""Names that a Parquet column of pictures may have: that of the Hub's data sets, and Ray's."""


def list_pictures(source: str) -> tuple[pa.Table, bool, str]:
    """List the pictures of a source.

    Args:
        source: as in `fer.scoring.job.plan_scoring`.

    Returns:
        The pictures, each once, as an Arrow table of `path` and the columns `fer.scoring.file_states.FILE_STATE` of
        the file, for a row of Parquet those of the Parquet file; whether they are rows of Parquet; and a sentence on
        the files that are left out, "" if there are none.

    Raises:
        UserError: if the source is missing, unreadable, or holds no pictures.
    """
    filesystem, path = locate(source)
    left_out, known = Counter(), {}
    with explain_read_errors(source):
        info = filesystem.get_file_info(path)
        if info.type == FileType.NotFound:
            raise UserError(f"{source}: no such file or folder.")
        if info.type == FileType.Directory:
            names, infos = _list_folder(filesystem, path)
            start = make_absolute(source).rstrip("/")
            files = [f"{start}/{name}" for name in names if name is not None]
            known = {f"{start}/{name}": file for name, file in infos.items()}
            with ThreadPoolExecutor(READ_AT_ONCE) as pool:
                pictures, left_out = pick_pictures(files, _read_head, map=pool.map)
            tables = [] if pictures else [file for file in files if file.lower().endswith(".parquet")]
            left_out -= Counter({".parquet": len(tables)})
            left_out += Counter({"whose name is no UTF-8": names.count(None)})
        elif path.lower().endswith(".parquet"):
            pictures, tables = [], [make_absolute(source)]
        else:
            pictures, tables = _read_list(source, filesystem, path), []
    if pictures or not tables:
        found = _add_states(pa.array(pictures, pa.large_string()), look_up_files(pictures, known))
    else:
        with ThreadPoolExecutor() as pool:
            found = pa.concat_tables(pool.map(partial(_list_rows, known), sorted(tables))).combine_chunks()
    if not len(found):
        raise UserError(f"{source}: holds no pictures{left_out and f'; {describe_left_out(left_out)}' or ''}.")
    return found, not pictures, f"{source}: {describe_left_out(left_out)}." if left_out else ""


def _add_states(names, states):
    return pa.table({"path": names, **dict(zip(states.column_names, states.columns, strict=True))})


def _list_folder(filesystem, folder):
    """Return the paths of the files below a folder, relative to it, and pyarrow's `FileInfo` by path if it is at hand.

    The path is None for each file whose name is not UTF-8.
    """
    if isinstance(filesystem, LocalFileSystem):
        return [name if _is_utf8(name) else None for name in folders.list_files(folder)], {}
    inside = [file for file in filesystem.get_file_info(FileSelector(folder, recursive=True)) if file.is_file]
    names = [_path_of(file) for file in inside]
    names = [name and name.removeprefix(folder).strip("/") for name in names]
    shown = [(name, file) for name, file in zip(names, inside, strict=True) if name is None or "/." not in f"/{name}"]
    return [name for name, _ in shown], {name: file for name, file in shown if name is not None}


def _is_utf8(name):
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def _read_head(name):
    """Return the first bytes of a file, by which pictures are recognized; b"" if it cannot be read."""
    try:
        filesystem, path = locate(name)
        with filesystem.open_input_stream(path, compression=None) as stream:
            return stream.read(HEAD_BYTES)
    except (UserError, *FAILURES):
        return b""


def _path_of(file):
    """Return the path of a pyarrow file; None if the name is not UTF-8, because no table can hold it."""
    try:
        return file.path
    except UnicodeDecodeError:
        return None


def _read_list(source, filesystem, path):
    """Return the names that a text file lists, one per line, each once.

    Raises:
        UserError: if the file is no such list: in another encoding, a table with a header, or without the name of any
            file that exists. One missing picture is a row of the output, but if all are missing, the file is no list,
            or the disk of the pictures is not mounted.
    """
    rule = "The pictures must be a folder, Parquet, or a text file in UTF-8 with one path per line"
    with filesystem.open_input_stream(path, compression=None) as stream:
        content = stream.read()
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise UserError(f"{rule}. Received: {source}") from None
    lines = [line for line in (line.rstrip("\r") for line in lines) if line.strip()]
    names = list(dict.fromkeys(make_absolute(line) for line in lines))
    # The paths of a table with one column exist, but for its header.
    if path.lower().endswith(TABLE_SUFFIXES) and lines and not PurePath(lines[0]).suffix and not _exists(names[0]):
        raise UserError(f"{rule}, without a header. Received: {source}, which begins with {lines[0][:SHOWN]}")
    if names and not _any_exists(names):
        raise UserError(f"{rule}. Received: {source}, which names no file that exists, such as {names[0][:SHOWN]}")
    return names


def _any_exists(names):
    """Return whether a file of one of these names exists; those after the first are not looked for."""
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        parts = (names[start : start + LOOKED_FOR] for start in range(0, len(names), LOOKED_FOR))
        return any(any(pool.map(_exists, part)) for part in parts)


def _exists(name):
    """Return whether a file exists, or may: where nobody can tell, it is read."""
    try:
        filesystem, path = locate(name)
    except UserError:  # Of an unknown scheme.
        return False
    try:
        if not isinstance(filesystem, LocalFileSystem):
            return filesystem.get_file_info(path).type != FileType.NotFound
        os.stat(path)
    except (PermissionError, pa.ArrowException):
        return True
    except (OSError, ValueError):  # The latter of a zero byte in the path.
        return not isinstance(filesystem, LocalFileSystem)
    return True


def _list_rows(known, file):
    """Return the rows of a Parquet file, `FILE#ROW`, as a table of `list_pictures`; `known` as in `look_up_files`."""
    filesystem, path = locate(file)
    state = look_up_files([file], known)  # Before the rows, so that a change in between is noticed by the next run.
    with explain_read_errors(file), pq.ParquetFile(path, filesystem=filesystem) as table:
        _find_column(file, table.schema_arrow)
        rows = pa.array(range(table.metadata.num_rows), pa.int64()).cast(pa.large_string())
    names = pc.binary_join_element_wise(pa.scalar(file, pa.large_string()), rows, pa.scalar("#", pa.large_string()))
    return _add_states(names, state.take(pa.repeat(0, len(names))))


def _find_column(file, schema):
    """Return pyarrow's name of the column of pictures, bytes, or the field `bytes` of a struct.

    Raises:
        UserError: if there is none.
    """
    for name in PICTURE_COLUMNS:
        kind = schema.field(name).type if name in schema.names else None
        if kind in (pa.binary(), pa.large_binary()):
            return name
        if kind and pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return f"{name}.bytes"
    rule = f"{file}: Parquet must have a column {' or '.join(PICTURE_COLUMNS)} with pictures as bytes"
    raise UserError(f"{rule}. Received: {', '.join(schema.names) or 'no columns'}")


def read_files(names: Sequence[str]) -> Iterator[tuple[str, bytes | UserError]]:
    """Yield each name with the bytes of the file, or with the `UserError` that says why it cannot be read."""
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        for start in range(0, len(names), READ_AT_ONCE):
            part = names[start : start + READ_AT_ONCE]
            yield from zip(part, pool.map(_read_file, part), strict=True)


def _read_file(name):
    """Return the bytes of a file, or a `UserError`; try again if the storage may have been busy."""
    for pause in (*RETRY_PAUSES, None):
        try:
            filesystem, path = locate(name)
            is_local = isinstance(filesystem, LocalFileSystem)
            if is_local and filesystem.get_file_info(path).type in (FileType.Directory, FileType.Unknown):
                return UnopenedError(f"{name}: a folder, pipe or device, not a picture.")
            with filesystem.open_input_stream(path, compression=None) as stream:
                content = _read_bytes(stream)
            break
        except UserError as error:
            return error
        except FileNotFoundError:
            return UnopenedError(f"{name}: no such file.")
        except FAILURES as error:
            if pause is None or isinstance(filesystem, LocalFileSystem):
                return UnopenedError.from_error(name, error)
            time.sleep(pause)
    return _check_bytes(name, content)


def _read_bytes(stream):
    """Return the bytes of a stream, at most `MAX_MEMBER_BYTES` and one block.

    pyarrow allocates as many bytes as are asked for, so the blocks are small.
    """
    content = bytearray()
    while len(content) <= MAX_MEMBER_BYTES and (block := stream.read(BLOCK)):
        content += block
    return bytes(content)


def _check_bytes(name, content):
    """Return the bytes of a picture, or a `UserError` if there are too many."""
    if len(content) > MAX_MEMBER_BYTES:
        return UserError(f"{name}: pictures may have at most {MAX_MEMBER_BYTES / 1e6:g} MB.")
    return content


def read_rows(names: Sequence[str]) -> Iterator[tuple[str, bytes | UserError]]:
    """Yield each name of a Parquet row as `read_files` yields those of files; the rows of a file must ascend."""
    for file, same in groupby(names, lambda name: name.rpartition("#")[0]):
        wanted = {int(name.rpartition("#")[2]): name for name in same}
        try:
            for row, content in _open_rows(file, min(wanted), max(wanted)):
                if row in wanted:
                    name = wanted.pop(row)
                    yield name, UserError(f"{name}: the cell is empty.") if not content else _check_bytes(name, content)
                if not wanted:  # Not the rest of a large row group.
                    break
            unread = [UnopenedError(f"{name}: no such row.") for name in wanted.values()]
        except (UserError, *FAILURES) as error:
            unread = [UnopenedError.from_error(name, error) for name in wanted.values()]
        yield from zip(wanted.values(), unread, strict=True)


def _open_rows(file, first, last):
    """Yield the number and the content of each row of the row groups between a first and a last row."""
    filesystem, path = locate(file)
    # With a buffer a column is read piece by piece, otherwise as a whole.
    with pq.ParquetFile(path, filesystem=filesystem, buffer_size=1 << 20) as table:
        column = _find_column(file, table.schema_arrow)
        end = 0
        for group in range(table.num_row_groups):
            start, end = end, end + table.metadata.row_group(group).num_rows
            if end <= first or start > last:
                continue
            for batch in table.iter_batches(READ_AT_ONCE, row_groups=[group], columns=[column]):
                cells = batch.column(0)
                for cell in pc.struct_field(cells, "bytes") if pa.types.is_struct(cells.type) else cells:
                    yield start, cell.as_py()
                    start += 1
