"""Zips, opened so that nothing in them costs more than it may: everything that can be wrong is one `UserError`."""

import io
import math
import struct
import zipfile
import zlib
from contextlib import contextmanager

from fer.errors import UserError
from fer.images import HEAD_BYTES

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
    """Return the first bytes of a member, as `fer.images.find_formats` takes them; b"" where it cannot be read."""
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
