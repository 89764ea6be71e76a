"""Files that commands write: refused before the work where they would replace what is read, and whole or not at all.

An output may also be a device or a pipe (`/dev/stdout`, `/dev/null`, a FIFO): it gets the bytes once all are there.
"""

import os
import shutil
import sys
import tempfile
import uuid
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

from fer.errors import UserError


class OutputError(UserError):
    """A file that could not be written, of work that is otherwise done."""


def check_outputs(outputs: dict, inputs=()) -> None:
    """Make sure, before any work is done, that files can be written and replace nothing that is read.

    Args:
        outputs: by the option that names it, the path of each file; None where the option is not given.
        inputs: paths of files and folders that are read. Of a folder, every file that is there counts.

    Raises:
        UserError: for an output that is an input, another output or a folder, or whose place cannot be written to.
    """
    named = {name: Path(path) for name, path in outputs.items() if path is not None and not _is_special(Path(path))}
    for name, path in named.items():
        if path.is_dir():
            raise UserError(f"{name} must be a file. Received the folder {path}")
        if not path.resolve().parent.is_dir():
            raise UserError(f"{name} must be in a folder that is there. Received: {path}")
        if not _is_writable(path if path.exists() else path.resolve().parent):
            raise UserError(f"{name} must be where files may be written. Received: {path}")
        if any(_holds(source, path) for source in map(Path, inputs)):
            raise UserError(f"{name} must be another file than those that are read. Received: {path}")
    for (name, path), (other, another) in combinations(named.items(), 2):
        if _same(path, another):
            raise UserError(f"{name} and {other} must be different files. Received: {path}")


def check_inputs(*paths) -> None:
    """Make sure, before any work is done, that files and folders are there; None is none.

    Raises:
        UserError: with the path of one that is not.
    """
    for path in paths:
        if path is not None and not Path(path).exists():
            raise UserError(f"{path}: no such file or folder.")


def check_folder(name: str, folder) -> None:
    """Make sure, before any work is done, that a folder can be written to, or made.

    Args:
        name: of the option, for the message.
        folder: path.

    Raises:
        UserError: if it cannot.
    """
    there = Path(folder).resolve()
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not _is_writable(there):
        raise UserError(f"{name} must be a folder where files may be written. Received: {folder}")


def check_suffix(name: str, path, suffix: str) -> None:
    """Make sure that a file is called after its format; a device or a pipe may have any name.

    Raises:
        UserError: if it is not.
    """
    if path is not None and Path(path).suffix.lower() != suffix and not _is_special(Path(path)):
        raise UserError(f"{name} must end in {suffix}. Received: {path}")


@contextmanager
def written_whole(path):
    """Yield the path of a temporary file that takes the place of `path` at the end of the block.

    Where the block ends otherwise, by an error or Ctrl+C, the temporary file is removed and `path` stays as it was.
    A link stays a link: the file that it names is written.

    Raises:
        OutputError: if the file cannot be written, such as on a full disk.
    """
    path = Path(path)
    is_special, target = _is_special(path), path.resolve()
    place = Path(tempfile.gettempdir()) if is_special else target.parent
    # The end of the name stays, by which libraries choose the format; no name may have more than 255 bytes.
    temporary = place / f".fer-{uuid.uuid4().hex[:8]}-{target.name[-60:]}"
    try:
        try:
            yield temporary
            if is_special:
                _copy(temporary, path)
            else:
                if target.exists():
                    shutil.copymode(target, temporary)
                temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.filename is not None and os.fspath(error.filename) not in map(str, (path, target, temporary)):
            raise  # Of what the block reads.
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None


@contextmanager
def written_until_interrupted(path):
    """Yield a text file, in UTF-8, that takes the place of `path` at the end of the block, and by Ctrl+C too: what is
    written by then is worth having. Where the block ends by an error, `path` stays as it was.

    Raises:
        OutputError: as `written_whole`.
    """
    interrupted = None
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        try:
            yield file
        except KeyboardInterrupt as interruption:
            interrupted = interruption
        file.flush()
    if interrupted:
        raise interrupted


def write_text(path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all.

    Raises:
        OutputError: as `written_whole`.
    """
    with written_whole(path) as file:
        # What a file name holds that is no UTF-8 would otherwise be no UTF-8 here either.
        file.write_text(text, encoding="utf-8", errors="backslashreplace")


@contextmanager
def kept(failures: list):
    """Keep the message of an output that cannot be written in a list, so that what comes after is still done."""
    try:
        yield
    except OutputError as error:
        failures.append(str(error))


def _is_special(path):
    """Whether a path is no regular file or folder, or where standard output or standard error already goes."""
    return path.exists() and (not (path.is_file() or path.is_dir()) or _stream_of(path) is not None)


def _stream_of(path):
    """Standard output or standard error, if a path names the same file: its end is theirs, so they must write there."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if os.path.samestat(os.fstat(number), path.stat()):
                return stream
        except OSError:
            continue
    return None


def _copy(file, special):
    stream = _stream_of(special)
    if stream is None:
        with file.open("rb") as source, special.open("wb") as target:
            shutil.copyfileobj(source, target)
        return
    stream.flush()
    stream.buffer.write(file.read_bytes())
    stream.buffer.flush()


def _is_writable(path):
    return os.access(path, os.W_OK | os.X_OK if path.is_dir() else os.W_OK)


def _holds(source, path):
    """Whether a path is a file that is read: the source itself, or one that is there in a source that is a folder."""
    if source.is_dir():
        return path.exists() and path.resolve().is_relative_to(source.resolve())
    return _same(source, path)


def _same(one, other):
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()
