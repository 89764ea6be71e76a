"""Zips, opened so that nothing in them costs more than it may: everything that can be wrong is one `UserError`."""

import io
import math
import struct
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from fer.errors import UserError
from fer.images.formats import HEAD_BYTES, describe_left_out, pick_pictures, read_head
from fer.images.loading import load_image

PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compressions that are unpacked. For the others `zipfile` ignores how much was asked for: 893 bytes become 2 GB."""
_ENCRYPTED = 0x1
FAILURES = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError, KeyError, ValueError,
    OverflowError, struct.error, MemoryError,
)  # fmt: skip
"""What `zipfile` raises: among others NotImplementedError for an unknown version, UnicodeDecodeError for a name."""


def is_zip(head):
    """Whether a file that begins with these bytes is a zip."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


@contextmanager
def open_zip(path, name=None, most_directory=math.inf):
    """Yield the `zipfile.ZipFile` of a path.

    Args:
        name: what to call it in an error; by default the path.
        most_directory: bytes that its directory may have, which is read and parsed as a whole.

    Raises:
        UserError: for a file that is no zip, is damaged or has a larger directory.
    """
    name = name or str(path)
    try:
        file = _BoundedFile(path)
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror}).") from None
    with file:
        file.most, file.refusal = (
            most_directory,
            f"{name}: a zip's list of files may have at most {most_directory / 1e6:g} MB.",
        )
        try:
            archive = zipfile.ZipFile(file)
        except UserError:
            raise
        except FAILURES as error:
            raise UserError(f"{name}: not a zip that can be read ({error}).") from None
        file.most = math.inf
        with archive:
            yield archive


def list_files(archive):
    """Return the `zipfile.ZipInfo` of an archive's files, in its order; folders are left out.

    `ZipInfo.is_dir` fails at an empty name.
    """
    return [member for member in archive.infolist() if not member.filename.endswith("/")]


def find_problem(member):
    """Return why a `zipfile.ZipInfo` cannot be unpacked, as the rest of a sentence; "" where nothing is known."""
    if member.flag_bits & _ENCRYPTED:
        return "encrypted; send it without a password"
    if member.compress_type not in PACKED:
        received = {zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "LZMA"}.get(member.compress_type)
        return f"files in a zip must be stored or deflated. Received: {received or member.compress_type}"
    return ""


def open_member(archive, member, name):
    """Open a member of a zip as a binary file object; what it raises while it is read is one of `FAILURES`.

    Args:
        member: `zipfile.ZipInfo`.
        name: what to call it in an error.

    Raises:
        UserError: for one that is encrypted, damaged, or packed in another way than those of `PACKED`.
    """
    if problem := find_problem(member):
        raise UserError(f"{name}: {problem}.")
    try:
        return archive.open(member)
    except FAILURES as error:
        raise _damaged(name, error) from None


def read_member(archive, member, name, most_bytes):
    """Return the bytes of a member, of which no more than `most_bytes` are unpacked.

    Raises:
        UserError: as `open_member`, and for a longer one.
    """
    with open_member(archive, member, name) as file:
        try:
            content = file.read(most_bytes + 1)
        except FAILURES as error:
            raise _damaged(name, error) from None
    if len(content) > most_bytes:
        raise UserError(f"{name}: pictures in a zip may have at most {most_bytes // 1_000_000} MB.")
    return content


def read_member_head(archive, member):
    """Return the first bytes of a member, as `fer.images.formats.find_formats` takes them; b"" where it cannot be
    read."""
    try:
        with open_member(archive, member, member.filename) as file:
            return file.read(HEAD_BYTES)
    except (UserError, *FAILURES):
        return b""


def _damaged(name, error):
    return UserError(f"{name}: damaged, or packed in an unknown way ({error}).")


class _BoundedFile(io.FileIO):
    """A file that refuses to be read by more than `most` bytes at once. `zipfile` reads a directory in one, as long as
    the file says that it is, and only then parses it."""

    most, refusal = math.inf, ""

    def read(self, size=-1):
        if size is not None and size > self.most:
            raise UserError(self.refusal)
        return super().read(size)


MAX_PICTURES = 200
MAX_BYTES = 20_000_000
"""Of a picture, in a zip unpacked: what the app accepts of a photo that comes alone."""
MAX_MEMBERS = 2_000
"""Files of all kinds in a zip, which is searched anew for each of its pictures."""
MAX_DIRECTORY = 1_000_000
"""Bytes of a zip's list of its files: 500 for each of `MAX_MEMBERS`."""
MAX_UNPACKED = 500_000_000
"""Bytes of a zip's pictures together, by its own account, beyond which none of them is unpacked."""


class Picture(NamedTuple):
    """A picture that is still to be read: a file, or with `member` a file of that zip.

    problem: why it cannot be read, where that is known before it is opened; or "".
    """

    name: str
    path: Path
    member: zipfile.ZipInfo | None = None
    problem: str = ""


class Listing(NamedTuple):
    """What there is among files and in zips.

    pictures: a list of `Picture`.
    left_out: the zips' other files, counted by kind, a `collections.Counter`.
    notes: the zips that have other files or no pictures: the name of each, and a message that says so.
    """

    pictures: list
    left_out: Counter
    notes: list


def list_pictures(paths):
    """Find the pictures among files and in zips, in their order.

    A file that comes alone is always a picture, or one with a `problem`. So is a zip that cannot be read or has more
    than `MAX_MEMBERS` files or `MAX_UNPACKED` bytes: the other files are read all the same.

    Args:
        paths: of files.

    Returns:
        A `Listing`.

    Raises:
        UserError: for more than `MAX_PICTURES`.
    """
    listing = Listing([], Counter(), [])
    for path in map(Path, paths):
        if path.suffix.lower() == ".zip" or is_zip(read_head(path)):
            try:
                _list_zip(path, listing)
            except UserError as error:
                listing.pictures.append(Picture(path.name, path, problem=str(error)))
        else:
            listing.pictures.append(Picture(path.name, path))
    if len(listing.pictures) > MAX_PICTURES:
        raise UserError(f"A batch may have at most {MAX_PICTURES} pictures. Received: {len(listing.pictures)}")
    return listing


def open_picture(picture, load_image=load_image):
    """Decode a `Picture`. Zips are unpacked in memory: none of their paths counts.

    Args:
        load_image: `fer.images.loading.load_image`, or `fer.images.decoding.DecodingPool.load_image`.

    Raises:
        UserError: with the reason, where it cannot be read.
    """
    if picture.problem:
        raise UserError(picture.problem)
    if picture.member is None:
        return load_image(picture.path, picture.name, MAX_BYTES)
    with open_zip(picture.path, picture.name, MAX_DIRECTORY) as archive:
        content = read_member(archive, picture.member, picture.name, MAX_BYTES)
    return load_image(io.BytesIO(content), picture.name)


def _list_zip(path, listing):
    """Adds what a zip holds to a `Listing`."""
    with open_zip(path, path.name, MAX_DIRECTORY) as archive:
        members = list_files(archive)
        if len(members) > MAX_MEMBERS:
            raise UserError(f"{path.name}: a zip may have at most {MAX_MEMBERS} files. Received: {len(members)}")
        members, left_out = pick_pictures(
            members, partial(read_member_head, archive), lambda member: PurePosixPath(member.filename)
        )
    if sum(member.file_size for member in members) > MAX_UNPACKED:
        raise UserError(f"{path.name}: a zip may have at most {MAX_UNPACKED // 1_000_000} MB of pictures, unpacked.")
    for member in members:
        name, problem = f"{path.name}/{member.filename}", find_problem(member)
        listing.pictures.append(Picture(name, path, member, problem and f"{name}: {problem}."))
    listing.left_out.update(left_out)
    message = [] if members else ["no pictures in this zip"]
    message += [describe_left_out(left_out)] if left_out else []
    if message:
        listing.notes.append((path.name, f"{path.name}: {'; '.join(message)}."))
