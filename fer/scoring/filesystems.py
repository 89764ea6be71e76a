"""Files by path or URI, with pyarrow's file systems, and its errors as sentences."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pyarrow as pa
from pyarrow.fs import FileSystem

from fer.errors import UserError

FAILURES = (OSError, UnicodeError, pa.ArrowException)
"""Errors that pyarrow raises for files that are missing, unreadable or of another format."""


class UnopenedError(UserError):
    """A file that is missing or could not be opened or read; a later attempt may succeed."""

    @classmethod
    def from_error(cls, name: str, error: BaseException) -> "UnopenedError":
        """Return the error of a file that exists, with the reason that the file system gave."""
        return cls(f"{name}: cannot be read: {first_line(error)}")


def make_absolute(name: str) -> str:
    """Return the absolute path of a path; a URI is returned as it is."""
    return name.rstrip("/") if "://" in name else os.path.abspath(name)


def locate(name: str) -> tuple[FileSystem, str]:
    """Return the pyarrow file system of a path or URI, and the path in that file system."""
    scheme, separator, rest = name.partition("://")
    if not separator:
        return _open_filesystem("file:///")[0], os.path.abspath(name)
    authority, _, path = rest.partition("/")
    filesystem, start = _open_filesystem(f"{scheme}://{authority}/")
    return filesystem, f"{start.rstrip('/')}/{path}".rstrip("/")


@cache
def _open_filesystem(root):
    with explain_read_errors(root):
        return FileSystem.from_uri(root)


@contextmanager
def explain_read_errors(name: str) -> Iterator[None]:
    """Raise pyarrow's errors in the block as an `UnopenedError` that names the file."""
    try:
        yield
    except UserError:
        raise
    except FAILURES as error:
        raise UnopenedError.from_error(name, error) from None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class if there is no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
