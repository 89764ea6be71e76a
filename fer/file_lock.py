"""Locks between processes, on files and folders. The system releases them when a process ends, even if it is killed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from fer.paths import StrPath

try:
    import fcntl
except ImportError:  # Windows has no such locks.
    fcntl = None  # type: ignore[assignment]


def lock(file: IO | int, wait: bool = True) -> bool:
    """Lock an open file or folder until it is closed.

    Args:
        file: file object or descriptor.
        wait: whether to wait until another process releases its lock.

    Returns:
        Whether it is locked: some systems and file systems have no locks.

    Raises:
        BlockingIOError: if another process has the lock and `wait` is false.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


@contextmanager
def locked_folder(folder: StrPath) -> Iterator[None]:
    """Lock a folder for the block, without a file in it; do nothing where folders cannot be locked (Windows, NFS).

    Raises:
        BlockingIOError: if another process has locked the folder, or has removed it.
    """
    if fcntl is None:
        yield
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # A folder may be writable and not readable.
        yield
        return
    except FileNotFoundError as error:
        raise BlockingIOError(str(error)) from None
    try:
        lock(descriptor, wait=False)
        if not os.path.exists(folder) or not os.path.samestat(os.fstat(descriptor), os.stat(folder)):
            raise BlockingIOError(f"{folder}: removed by another process")
        yield
    finally:
        os.close(descriptor)
