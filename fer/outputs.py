"""Output files of commands: checked before the work begins, and written completely or not at all.

An output that would replace an input is refused. An output may also be a device or a pipe (`/dev/stdout`, `/dev/null`,
a FIFO), to which the complete content is copied at the end.
"""

import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import TextIO

from fer.documents import to_json
from fer.errors import UserError
from fer.paths import StrPath, is_inside, real_path


class OutputError(UserError):
    """A file that could not be written, after the work itself succeeded."""


def check_outputs(outputs: dict[str, StrPath | None], inputs: Iterable[StrPath] = ()) -> None:
    """Raise an error, before any work is done, unless all outputs can be written without replacing an input.

    Args:
        outputs: path of each output file by the name of its option; None if the option is not given.
        inputs: paths of the files and folders that are read. A folder stands for every file in it.

    Raises:
        UserError: if an output is named `-`, is an input, another output, a folder or a link to itself, if its folder
            is missing or not writable, or if it is a picture in a folder of inputs, of which it would be one the next
            time.
    """
    named = {name: Path(path) for name, path in outputs.items() if path is not None and not is_special(Path(path))}
    for name, path in named.items():
        if str(path) == "-":
            raise UserError(f"{name} must be a file; that of standard output is /dev/stdout. Received: -")
        if path.is_dir():
            raise UserError(f"{name} must be a file. Received the folder {path}")
        target = real_path(path)
        if target.is_symlink():
            raise UserError(f"{name} must not be a link to itself. Received: {path}")
        if not target.parent.is_dir():
            raise UserError(f"{name} must be in an existing folder. Received: {path}")
        # A complete file takes the place of an existing one, which needs a writable folder too.
        if not _is_writable(target.parent) or (path.exists() and not _is_writable(path)):
            raise UserError(f"{name} must be a writable path. Received: {path}")
        if any(_holds(source, path) for source in map(Path, inputs)):
            raise UserError(f"{name} must be a file that is not read. Received: {path}")
        if path.suffix.lower() == ".png" and any(is_inside(path, source) for source in map(Path, inputs)):
            raise UserError(f"{name} must be outside the folders that are read, as it is a picture. Received: {path}")
    given = {name: Path(path) for name, path in outputs.items() if path is not None}
    # A device such as /dev/null takes several outputs.
    given = {name: path for name, path in given.items() if is_stdout(path) or not path.is_char_device()}
    for (name, path), (other, second) in combinations(given.items(), 2):
        if _same(path, second):
            raise UserError(f"{name} and {other} must be different files. Received: {path}")


def check_inputs(*paths: StrPath | None) -> None:
    """Raise an error, before any work is done, unless all of these files and folders exist; None is ignored.

    Raises:
        UserError: if one is missing; the message gives its path.
    """
    for path in paths:
        if path is not None and not Path(path).exists():
            raise UserError(f"{path}: no such file or folder.")


def check_folder(name: str, folder: StrPath) -> None:
    """Raise an error, before any work is done, unless files can be written to a folder, which may have to be created.

    Args:
        name: name of the option, for the message.
        folder: path of the folder.

    Raises:
        UserError: if the folder, or the nearest parent that exists, is not a writable folder, or if one of them is a
            link that leads nowhere.
    """
    existing = Path(folder)
    while not existing.exists():
        if existing.is_symlink():
            raise UserError(f"{name} must be a folder, or a link to one that exists. Received: {folder}")
        existing = existing.parent
    if not existing.is_dir() or not _is_writable(existing):
        raise UserError(f"{name} must be a writable folder. Received: {folder}")


def is_new_or_empty(folder: Path) -> bool:
    """Return whether a path is that of an empty folder, or of nothing yet."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def check_suffix(name: str, path: StrPath | None, suffix: str) -> None:
    """Raise an error unless a file has the suffix of its format; None, a device and a pipe pass.

    Args:
        name: name of the option, for the message.
        path: path of the file; None if the option is not given.
        suffix: suffix with its dot, such as `.png`.

    Raises:
        UserError: if the suffix is another.
    """
    if path is not None and Path(path).suffix.lower() != suffix and not is_special(Path(path)):
        raise UserError(f"{name} must end in {suffix}. Received: {path}")


@contextmanager
def written_whole(path: StrPath) -> Iterator[Path]:
    """Yield the path of a temporary file that replaces `path` at the end of the block.

    If the block ends by an error or Ctrl+C, the temporary file is removed and `path` stays as it was. If `path` is a
    symbolic link, the file that it points to is replaced, and the link stays.

    Raises:
        OutputError: if the file cannot be written, for example because the disk is full.
    """
    path = Path(path)
    special, target = is_special(path), real_path(path)
    if target.is_symlink():
        raise OutputError(f"{path}: cannot be written: it is a link to itself")
    folder = Path(tempfile.gettempdir()) if special else target.parent
    # Keep the suffix, by which libraries choose the format, and stay below the limit of 255 bytes for a name.
    temporary = folder / f".fer-{uuid.uuid4().hex[:8]}-{target.name[-60:]}"
    try:
        try:
            yield temporary
            if special:
                _copy(temporary, path)
            else:
                if target.exists():
                    shutil.copymode(target, temporary)
                temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.filename is not None and os.fspath(error.filename) not in map(str, (path, target, temporary)):
            raise  # A file that the block reads.
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None


@contextmanager
def written_until_interrupted(path: StrPath) -> Iterator[TextIO]:
    """Yield a UTF-8 text file that replaces `path` at the end of the block, or when Ctrl+C interrupts the block.

    What was written before an interruption is kept. If the block ends by an error, `path` stays as it was.

    Raises:
        OutputError: as in `written_whole`.
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


def write_text(path: StrPath, text: str) -> None:
    """Write a text as UTF-8, completely or not at all.

    Raises:
        OutputError: as in `written_whole`.
    """
    with written_whole(path) as file:
        # A file name in the text may hold bytes that are not UTF-8; they are written as escapes.
        # Line ends are written as they are in the text, on every system.
        file.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def write_json(path: StrPath, document: object) -> None:
    """Write a document as JSON (`fer.documents.to_json`) on several lines, completely or not at all.

    Raises:
        OutputError: as in `written_whole`.
    """
    write_text(path, to_json(document, indent=2) + "\n")


@contextmanager
def kept(failures: list[str]) -> Iterator[None]:
    """Append the message of an `OutputError` to a list instead of raising it, so that the other outputs are written."""
    try:
        yield
    except OutputError as error:
        failures.append(str(error))


def is_special(path: Path) -> bool:
    """Return whether a path is a device, a pipe, or the file that stdout or stderr is redirected to."""
    return path.exists() and (not (path.is_file() or path.is_dir()) or _stream_of(path) is not None)


def is_stdin(path: StrPath) -> bool:
    """Return whether a path is the file that standard input is redirected from."""
    try:
        return Path(path).is_file() and os.path.samestat(os.fstat(0), os.stat(path))
    except OSError:  # Standard input is closed.
        return False


def is_stdout(path: StrPath | None) -> bool:
    """Return whether a path is the file behind standard output, such as `/dev/stdout`; None is not."""
    return path is not None and sys.stdout is not None and Path(path).exists() and _stream_of(Path(path)) is sys.stdout


def _stream_of(path):
    """Return `sys.stdout` or `sys.stderr` if a path is its file, whose write position they hold; otherwise None."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if os.path.samestat(os.fstat(number), path.stat()):
                return stream
        except OSError:
            continue
    return None


def _copy(file, special):
    """Copy a file to a device or a pipe; through `sys.stdout` or `sys.stderr` if these write to it too."""
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
    """Return whether a path is an input: the source itself, or an existing file within a source that is a folder."""
    if source.is_dir():
        return path.exists() and is_inside(path, source)
    return _same(source, path)


def _same(one, other):
    """Return whether two paths name the same file, which may not exist yet."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return real_path(one) == real_path(other)
