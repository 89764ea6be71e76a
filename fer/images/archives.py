"""Zips, read within limits of size; any defect of a zip is reported as a `UserError`."""

import io
import math
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from fer.errors import UserError
from fer.images.formats import HEAD_BYTES, find_formats, pick_pictures
from fer.images.loading import MAX_PIXELS

PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compression methods that are unpacked. With any other, `zipfile` ignores the number of bytes asked for: a file of 893
bytes became 2 GB."""
MAX_MEMBER_BYTES = 6 * MAX_PIXELS
"""Largest picture in a zip in bytes, for commands: `MAX_PIXELS` of 16 bits per channel, uncompressed."""
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


def is_zip(head: bytes, name: str = "") -> bool:
    """Return whether a file is a zip, by its content.

    A file named .zip whose content is neither a zip nor a picture is a broken zip: opening it gives the fitting error.

    Args:
        head: first `fer.images.formats.HEAD_BYTES` bytes of the file; b"" if it cannot be read.
        name: name of the file; "" to tell by the content alone.
    """
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return True
    return bool(head) and name.lower().endswith(".zip") and not find_formats(head)


@contextmanager
def open_zip(
    path: str | Path | int, name: str | None = None, most_directory: float = math.inf
) -> Iterator[zipfile.ZipFile]:
    """Yield the `zipfile.ZipFile` of a path.

    Args:
        path: path of the zip, or the descriptor of the open file, which is closed.
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


def list_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the `zipfile.ZipInfo` of each file of an archive that is in no hidden folder, in the archive's order."""
    # `ZipInfo.is_dir` raises IndexError for an empty name.
    files = (member for member in archive.infolist() if not member.filename.endswith("/"))
    return [member for member in files if not _HIDDEN.search(member.filename)]


def pick_members(
    archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]
) -> tuple[list[zipfile.ZipInfo], Counter[str]]:
    """Return the pictures among members of an archive, and the numbers of the others by kind (`pick_pictures`)."""
    return pick_pictures(members, partial(read_member_head, archive), lambda member: PurePosixPath(member.filename))


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
