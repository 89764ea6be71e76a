"""Find pictures in files, folders, zips, pipes and web addresses, one at a time.

Memory does not grow with the number of pictures: a folder is listed one level at a time, and only a zip's list of files
is held.
"""

import os
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from PIL import Image

from fer.errors import ImageError, UserError
from fer.images.archives import (
    MAX_MEMBER_BYTES,
    is_zip,
    list_members,
    open_zip,
    pick_members,
    read_member,
)
from fer.images.fetching import fetch_file, is_address
from fer.images.folders import walk_folder
from fer.images.formats import describe_contents, pick_pictures, read_head
from fer.images.loading import decode, load_image, read_file

STANDARD_INPUT = "-"
"""Name of standard input, which may be one picture or one zip."""
MAX_FETCHED_BYTES = 150 * 1024**2
"""Largest size in bytes of a picture or zip that is fetched from the web, and of an upload to the app."""
MAX_PIPED_BYTES = 4_000_000_000
"""Largest number of bytes that are read from a pipe. They are written to a temporary file."""


class Found(NamedTuple):
    """A picture that was found and has not been decoded yet.

    name: its path, its path in a zip after the path of the zip, or its web address.
    place: its path below the folder or zip that contains it; for a single file, its name.
    content: its path, its bytes, or the `UserError` that says why it cannot be read.
    container: name of the folder or zip that was given and contains it; "" for a single file.
    """

    name: str
    place: PurePosixPath
    content: str | bytes | UserError
    container: str = ""

    def load(self) -> Image.Image:
        """Decode the picture as `fer.images.loading.load_image` does.

        Raises:
            UserError: if it cannot be read.
        """
        if isinstance(self.content, UserError):
            raise self.content
        if isinstance(self.content, bytes):
            return decode(self.content, self.name)
        return load_image(self.content, self.name, MAX_MEMBER_BYTES)


def find_pictures(
    sources: Iterable[str], note: Callable[[str, str], object] = lambda source, message: None
) -> Iterator[Found]:
    """Yield the pictures of files, folders, zips, pipes and web addresses, in their order; in folders sorted by name.

    Each single file counts as a picture, whatever it contains. A zip or folder that cannot be read yields one picture
    with an error. Hidden files, hidden folders, and zips in folders are skipped.

    Args:
        sources: paths, addresses that begin with http:// or https://, or `STANDARD_INPUT`.
        note: function that is called with the name of each folder or zip that has other files or no pictures, and with
            a sentence on it, such as `photos: 12 files left out: 7 .mov, 5 .txt.`
    """
    for source in sources:
        try:
            yield from _find(source, note)
        except UserError as error:
            yield Found(source, _place(source), error)
        except OSError as error:
            yield Found(source, _place(source), ImageError(f"{source}: cannot be read ({error.strerror})."))


def count_pictures(sources: Iterable[str]) -> int:
    """Return the number of pictures that `find_pictures` will yield; a pipe or web address counts as one, unread."""
    total = 0
    for source in sources:
        try:
            # Not methods of `Path`, which raise errors for a name that is too long or must not be looked up.
            if is_address(source) or not (os.path.isdir(source) or os.path.isfile(source)):
                total += 1
            else:
                total += sum(1 for _ in _find(source, lambda source, message: None, unpack=False))
        except UserError:
            total += 1
    return total


def _find(source, note, unpack=True):
    if is_address(source):
        with _temporary_file(lambda file: file.write(fetch_file(source, MAX_FETCHED_BYTES))) as path:
            yield from _of_file(path, source, note, temporary=True)
    elif source == STANDARD_INPUT:
        if sys.stdin is None:
            raise UserError("Standard input (`-`) must be open. Received: none")
        with _temporary_file(partial(_copy, sys.stdin.buffer, source)) as path:
            yield from _of_file(path, source, note, temporary=True)
    elif os.path.isdir(source):
        yield from _of_folder(source, note)
    elif _is_pipe(source):
        with open(source, "rb") as pipe, _temporary_file(partial(_copy, pipe, source)) as path:
            yield from _of_file(path, source, note, temporary=True)
    else:
        yield from _of_file(source, source, note, unpack)


def _of_file(path, name, note, unpack=True, temporary=False):
    if is_zip(read_head(path), _place(name).name):
        yield from _of_zip(path, name, note, unpack)
    else:
        content = read_file(path, name, MAX_MEMBER_BYTES) if temporary else path
        yield Found(name, _place(name), content)


def _of_folder(folder, note):
    container, left_out, found = Path(folder).resolve().name, Counter(), 0
    for here, problem, files in walk_folder(folder):
        if problem:
            yield Found(here, _place(here), ImageError(f"{here}: cannot be read ({problem})."), container)
        pictures, others = pick_pictures(files, lambda name, here=here: read_head(os.path.join(here, name)))
        left_out.update(others)
        found += len(pictures)
        for name in pictures:
            path = os.path.join(here, name)
            yield Found(path, PurePosixPath(Path(os.path.relpath(path, folder)).as_posix()), path, container)
    if message := describe_contents(folder, "folder", found, left_out):
        note(folder, message)


def _of_zip(path, name, note, unpack):
    with open_zip(path, name) as archive:
        members, left_out = pick_members(archive, list_members(archive))
        for member in members:
            full = f"{name}/{member.filename}"
            content = _unpack(archive, member, full) if unpack else b""
            yield Found(full, PurePosixPath(member.filename), content, _place(name).name)
    if message := describe_contents(name, "zip", len(members), left_out):
        note(name, message)


def _unpack(archive, member, name):
    try:
        return read_member(archive, member, name, MAX_MEMBER_BYTES)
    except UserError as error:
        return error


def _place(name):
    return PurePosixPath(PurePosixPath(name.partition("?")[0] if is_address(name) else name).name or "picture")


def _is_pipe(path):
    """Return whether a path exists and is not a regular file. Folders are handled before this is called."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _copy(stream, name, file):
    left = MAX_PIPED_BYTES
    while chunk := stream.read(min(1 << 20, left + 1)):
        left -= len(chunk)
        if left < 0:
            raise UserError(f"{name}: at most {MAX_PIPED_BYTES / 1e9:g} GB are read from a pipe.")
        file.write(chunk)


@contextmanager
def _temporary_file(write):
    """Yield the path of a temporary file that `write` fills, and remove it at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="fer-", ignore_cleanup_errors=True) as folder:
        path = os.path.join(folder, "picture")
        with open(path, "wb") as file:
            write(file)
        yield path
