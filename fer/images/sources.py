"""Pictures wherever a person has them: files, folders, zips, pipes and addresses of the web, found one at a time.

Nothing grows with their number: of a folder one level is listed at a time, of a zip its directory.
"""

import os
import shutil
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

from fer.errors import UserError
from fer.images.archives import find_problem, is_zip, list_files, open_zip, read_member, read_member_head
from fer.images.fetching import fetch_file, is_address
from fer.images.formats import describe_left_out, pick_pictures, read_head
from fer.images.loading import MAX_PIXELS, ImageError, decode, load_image, read_file

STANDARD_INPUT = "-"
"""Name of standard input, which is one picture or one zip."""
MAX_FETCHED_BYTES = 150 * 1024**2
"""Bytes of a picture or zip that is fetched, as the app fetches it."""
MAX_MEMBER_BYTES = 6 * MAX_PIXELS
"""Bytes of a picture in a zip: `MAX_PIXELS` of 16 bits per channel, uncompressed."""
MAX_PIPED_BYTES = 4_000_000_000
"""Bytes of what comes through a pipe, which is written to a temporary file."""


class Found(NamedTuple):
    """A picture that is still to be decoded.

    name: what to call it: its path, its place in a zip or its address.
    place: path of it below the folder or zip that it is of; of a single file, its name.
    content: its path, its bytes, or the `UserError` that says why it cannot be read.
    source: number of the argument that it is of, from 0.
    """

    name: str
    place: PurePosixPath
    content: str | bytes | UserError
    source: int

    def load(self) -> Image.Image:
        """Decode it as `fer.images.loading.load_image` does.

        Raises:
            UserError: where it cannot be read.
        """
        if isinstance(self.content, UserError):
            raise self.content
        if isinstance(self.content, bytes):
            return decode(self.content, self.name)
        return load_image(self.content, self.name)


def find_pictures(sources: Iterable[str], note: Callable[[str], object] = lambda message: None) -> Iterator[Found]:
    """Yield the pictures of files, folders, zips, pipes and addresses, in their order; in a folder sorted by name.

    A single file is always a picture, or one with an error. So is a zip or folder that cannot be read. Hidden files and
    folders are passed over, and so are zips in folders.

    Args:
        sources: paths, addresses that begin with http:// or https://, or `STANDARD_INPUT`.
        note: function that is called with a sentence on each folder or zip that has other files or no pictures, such as
            `photos: 12 files left out: 7 .mov, 5 .txt.`
    """
    for number, source in enumerate(sources):
        try:
            yield from _find(source, number, note)
        except UserError as error:
            yield Found(source, _place(source), error, number)
        except OSError as error:
            yield Found(source, _place(source), ImageError(f"{source}: cannot be read ({error.strerror})."), number)


def count_pictures(sources: Iterable[str]) -> int:
    """Return how many pictures `find_pictures` will yield, without reading from pipes or the web."""
    total = 0
    for source in sources:
        path = Path(source)
        try:
            if is_address(source) or not (path.is_dir() or path.is_file()):
                total += 1
            else:
                total += sum(1 for _ in _find(source, 0, lambda message: None, unpack=False))
        except UserError:
            total += 1
    return total


def _find(source, number, note, unpack=True):
    if is_address(source):
        with _temporary_file(lambda file: file.write(fetch_file(source, MAX_FETCHED_BYTES))) as path:
            yield from _of_file(path, source, number, note, temporary=True)
    elif source == STANDARD_INPUT:
        with _temporary_file(partial(_copy, sys.stdin.buffer, source)) as path:
            yield from _of_file(path, source, number, note, temporary=True)
    elif os.path.isdir(source):
        yield from _of_folder(source, number, note)
    elif _is_pipe(source):
        with open(source, "rb") as pipe, _temporary_file(partial(_copy, pipe, source)) as path:
            yield from _of_file(path, source, number, note, temporary=True)
    else:
        yield from _of_file(source, source, number, note, unpack)


def _of_file(path, name, number, note, unpack=True, temporary=False):
    if is_zip(read_head(path)):
        yield from _of_zip(path, name, number, note, unpack)
    else:
        content = read_file(path, name, MAX_MEMBER_BYTES) if temporary else path
        yield Found(name, _place(name), content, number)


def _of_folder(folder, number, note):
    left_out, found = Counter(), 0
    for here, problem, files in _walk(folder):
        if problem:
            yield Found(here, _place(here), ImageError(f"{here}: cannot be read ({problem})."), number)
        pictures, others = pick_pictures(files, lambda name, here=here: read_head(os.path.join(here, name)))
        left_out.update(others)
        found += len(pictures)
        for name in pictures:
            path = os.path.join(here, name)
            yield Found(path, PurePosixPath(Path(os.path.relpath(path, folder)).as_posix()), path, number)
    _tell(note, folder, "folder", found, left_out)


def _walk(folder):
    """Yield each folder from this one on, what is wrong with it ("" for nothing) and the names of its files, sorted."""
    waiting = [folder]
    while waiting:
        here, problem, files, folders = waiting.pop(), "", [], []
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    # A link to a folder may lead back to where it is.
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file():
                        files.append(entry.name)
        except OSError as error:
            problem = error.strerror
        yield here, problem, sorted(files)
        waiting += sorted(folders, reverse=True)


def _of_zip(path, name, number, note, unpack):
    with open_zip(path, name) as archive:
        members, left_out = pick_pictures(
            list_files(archive), partial(read_member_head, archive), lambda member: PurePosixPath(member.filename)
        )
        for member in members:
            full = f"{name}/{member.filename}"
            yield Found(full, PurePosixPath(member.filename), _unpack(archive, member, full) if unpack else b"", number)
    _tell(note, name, "zip", len(members), left_out)


def _unpack(archive, member, name):
    try:
        if problem := find_problem(member):
            raise UserError(f"{name}: {problem}.")
        return read_member(archive, member, name, MAX_MEMBER_BYTES)
    except UserError as error:
        return error


def _tell(note, name, kind, found, left_out):
    message = [] if found else [f"no pictures in this {kind}"]
    message += [describe_left_out(left_out)] if left_out else []
    if message:
        note(f"{name}: {'; '.join(message)}.")


def _place(name):
    return PurePosixPath(PurePosixPath(name.partition("?")[0] if is_address(name) else name).name or "picture")


def _is_pipe(path):
    """Whether a path is neither a regular file nor a folder, but there."""
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
    """Yield the path of a file that `write` fills and that is gone at the end of the block."""
    folder = tempfile.mkdtemp(prefix="fer-")
    try:
        path = os.path.join(folder, "picture")
        with open(path, "wb") as file:
            write(file)
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)
