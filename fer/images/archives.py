"""Zips of pictures, read within limits of size and number; any defect of a zip is reported as a `UserError`."""

import io
import math
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from PIL import Image

from fer.errors import UserError
from fer.images.formats import HEAD_BYTES, describe_contents, pick_pictures, read_head
from fer.images.loading import MAX_PIXELS, load_image

PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compression methods that are unpacked. With any other, `zipfile` ignores the number of bytes asked for: a file of 893
bytes became 2 GB."""
MAX_PICTURES = 200
"""Largest number of pictures in a batch."""
MAX_PHOTO_BYTES = 20_000_000
"""Largest picture in bytes that the app takes, unpacked if it lies in a zip: the JPEG of a 50-megapixel camera is
smaller."""
MAX_MEMBER_BYTES = 6 * MAX_PIXELS
"""Largest picture in a zip in bytes, for commands: `MAX_PIXELS` of 16 bits per channel, uncompressed."""
MAX_MEMBERS = 2_000
"""Largest number of files in a zip. The zip's list of files is read again for each of its pictures."""
MAX_DIRECTORY = 1_000_000
"""Largest size of a zip's list of files in bytes: 500 for each of `MAX_MEMBERS`."""
MAX_UNPACKED = 500_000_000
"""Largest total size of a zip's pictures in bytes, as the zip declares it. No picture of a larger zip is unpacked."""
MAX_NAME = 200
"""Maximal length in characters of the path of a file in a zip, or of the reason why it is damaged, in answers and
messages. A zip allows paths of 65,535 bytes."""
_HIDDEN = re.compile(r"(^|/)\.[^/.][^/]*/")
"""Pattern of paths in a hidden folder."""
_ENCRYPTED = 0x1
"""Flag of an encrypted member."""
FAILURES = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError, KeyError, ValueError,
    OverflowError, struct.error, MemoryError,
)  # fmt: skip
"""Exceptions that `zipfile` raises for a damaged zip, such as NotImplementedError for an unknown version and
UnicodeDecodeError for a name."""


def is_zip(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is a zip."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


@contextmanager
def open_zip(path: str | Path, name: str | None = None, most_directory: float = math.inf) -> Iterator[zipfile.ZipFile]:
    """Yield the `zipfile.ZipFile` of a path.

    Args:
        path: path of the zip.
        name: name of the zip in an error; by default the path.
        most_directory: largest size in bytes of its list of files, which `zipfile` reads as a whole.

    Raises:
        UserError: if the file is no zip, is damaged or has a larger list of files.
    """
    name = name or str(path)
    try:
        file = _BoundedFile(path)
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror}).") from None
    with file:
        file.most = most_directory
        file.refusal = f"{name}: a zip's list of files may have at most {most_directory / 1e6:g} MB."
        try:
            archive = zipfile.ZipFile(file)
        except UserError:
            raise
        except FAILURES as error:
            raise UserError(f"{name}: not a zip that can be read ({error}).") from None
        file.most = math.inf
        with archive:
            yield archive


def list_files(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the `zipfile.ZipInfo` of each file of an archive that is in no hidden folder, in the archive's order."""
    # `ZipInfo.is_dir` raises IndexError for an empty name.
    files = (member for member in archive.infolist() if not member.filename.endswith("/"))
    return [member for member in files if not _HIDDEN.search(member.filename)]


def find_problem(member: zipfile.ZipInfo) -> str:
    """Return the reason why a member cannot be unpacked, as the end of a sentence; "" if none is known."""
    if member.flag_bits & _ENCRYPTED:
        return "encrypted; send it without a password"
    if member.compress_type not in PACKED:
        received = {zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "LZMA"}.get(member.compress_type)
        return f"files in a zip must be stored or deflated. Received: {received or member.compress_type}"
    return ""


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> IO[bytes]:
    """Open a member of a zip as a binary file object. Reading it may raise the exceptions in `FAILURES`.

    Args:
        archive: the zip.
        member: the member to open.
        name: name of the member in an error.

    Raises:
        UserError: if the member is encrypted, damaged, or compressed by a method that is not in `PACKED`.
    """
    if problem := find_problem(member):
        raise UserError(f"{name}: {problem}.")
    try:
        return archive.open(member)
    except FAILURES as error:
        raise _damaged(name, error) from None


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, most_bytes: int) -> bytes:
    """Return the content of a member, unpacking at most `most_bytes`.

    Raises:
        UserError: as in `open_member`, and if the member is larger.
    """
    with open_member(archive, member, name) as file:
        try:
            content = file.read(most_bytes + 1)
        except FAILURES as error:
            raise _damaged(name, error) from None
    if len(content) > most_bytes:
        raise UserError(f"{name}: pictures in a zip may have at most {most_bytes // 1_000_000} MB.")
    return content


def read_member_head(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return the first `fer.images.formats.HEAD_BYTES` bytes of a member; b"" if it cannot be read."""
    try:
        with open_member(archive, member, member.filename) as file:
            return file.read(HEAD_BYTES)
    except (UserError, *FAILURES):
        return b""


def _damaged(name, error):
    reason = str(error)  # May repeat the member's whole path.
    reason = reason if len(reason) <= MAX_NAME else f"{reason[: MAX_NAME - 1]}…"
    return UserError(f"{name}: damaged, or packed in an unknown way ({reason}).")


class _BoundedFile(io.FileIO):
    """A file that raises a `UserError` when more than `most` bytes are read at once.

    `zipfile` reads a zip's list of files in one call, with the length that the file declares, before it checks it.
    """

    most, refusal = math.inf, ""

    def read(self, size=-1):
        if size is not None and size > self.most:
            raise UserError(self.refusal)
        return super().read(size)


class Picture(NamedTuple):
    """A picture that has not been decoded yet.

    name: name of the picture in answers and errors; a long path in a zip is cut to its last `MAX_NAME` characters.
    path: path of the file, or of the zip that contains it.
    member: member of that zip; None for a file of its own.
    problem: why the picture cannot be read, if that is known before it is opened; else "".
    """

    name: str
    path: Path
    member: zipfile.ZipInfo | None = None
    problem: str = ""


class Listing(NamedTuple):
    """The pictures found among files and in zips.

    pictures: the pictures, in their order.
    left_out: number of other files in the zips, by kind.
    notes: name of each zip that has other files or no pictures, with a message that says so.
    """

    pictures: list[Picture]
    left_out: Counter
    notes: list[tuple[str, str]]


def list_pictures(paths: Iterable[str | Path], names: Sequence[str] | None = None) -> Listing:
    """Return the pictures among files and in zips, in their order.

    Each file that is not a zip counts as a picture, whatever it contains. A zip that cannot be read, or that has more
    than `MAX_MEMBERS` files or `MAX_UNPACKED` bytes, counts as one picture with a `problem`; the other files are still
    read.

    Args:
        paths: paths of the files.
        names: names of the files, if they are not those of the paths.

    Raises:
        UserError: if there are more than `MAX_PICTURES`.
    """
    listing = Listing([], Counter(), [])
    paths = [Path(path) for path in paths]
    for path, name in zip(paths, names or [path.name for path in paths], strict=True):
        if path.suffix.lower() == ".zip" or is_zip(read_head(path)):
            try:
                _list_zip(path, name, listing)
            except UserError as error:
                listing.pictures.append(Picture(name, path, problem=str(error)))
        else:
            listing.pictures.append(Picture(name, path))
    if len(listing.pictures) > MAX_PICTURES:
        raise UserError(f"A batch may have at most {MAX_PICTURES} pictures. Received: {len(listing.pictures)}")
    return listing


def open_picture(picture: Picture, load_image: Callable[..., Image.Image] = load_image) -> Image.Image:
    """Decode a `Picture`, and return it as a PIL image of mode RGB.

    A zip is unpacked in memory, so that the paths in it are never used as paths.

    Args:
        picture: picture that `list_pictures` found.
        load_image: `fer.images.loading.load_image`, or `fer.images.decoding.DecodingPool.load_image`.

    Raises:
        UserError: if the picture cannot be read, with the reason.
    """
    if picture.problem:
        raise UserError(picture.problem)
    if picture.member is None:
        return load_image(picture.path, picture.name, MAX_PHOTO_BYTES)
    with open_zip(picture.path, picture.name, MAX_DIRECTORY) as archive:
        content = read_member(archive, picture.member, picture.name, MAX_PHOTO_BYTES)
    return load_image(io.BytesIO(content), picture.name)


def _list_zip(path, name, listing):
    """Add the pictures of a zip to a `Listing`."""
    with open_zip(path, name, MAX_DIRECTORY) as archive:
        members = list_files(archive)
        if len(members) > MAX_MEMBERS:
            raise UserError(f"{name}: a zip may have at most {MAX_MEMBERS} files. Received: {len(members)}")
        members, left_out = pick_pictures(
            members, partial(read_member_head, archive), lambda member: PurePosixPath(member.filename)
        )
    if sum(member.file_size for member in members) > MAX_UNPACKED:
        raise UserError(f"{name}: a zip may have at most {MAX_UNPACKED // 1_000_000} MB of pictures, unpacked.")
    for member in members:
        path_there = member.filename
        if len(path_there) > MAX_NAME:  # The end, which has the file's own name and its suffix, is kept.
            path_there = f"…{path_there[1 - MAX_NAME :]}"
        full, problem = f"{name}/{path_there}", find_problem(member)
        listing.pictures.append(Picture(full, path, member, problem and f"{full}: {problem}."))
    listing.left_out.update(left_out)
    if note := describe_contents(name, "zip", len(members), left_out):
        listing.notes.append((name, note))
