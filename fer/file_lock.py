"""Locks between processes, on files and folders. The system releases them when a process ends, even if it is killed."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from fer.paths import StrPath


def lock(file: IO | int, wait: bool = True) -> bool:
    """Lock an open file or folder until it is closed.

    Args:
        file: file object or descriptor.
        wait: whether to wait until another process releases its lock.

    Returns:
        Whether it is locked: some file systems have no locks.

    Raises:
        BlockingIOError: if another process has the lock and `wait` is false.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


@contextmanager
def locked_folder(folder: StrPath) -> Iterator[None]:
    """Lock a folder for the block, without a file in it; do nothing where folders cannot be locked, as on NFS.

    Raises:
        BlockingIOError: if another process has locked the folder, or has removed it.
    """
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


def is_locked(path: StrPath) -> bool:
    """Return whether another process has locked a file.

    Raises:
        OSError: if there is no such file.
    """
    with open(path) as file:
        try:
            lock(file, wait=False)
        except BlockingIOError:
            return True
    return False


def remove_dead_folder(folder: StrPath, name: str, is_owner: Callable[[str], bool] = lambda content: True) -> bool:
    """Remove a folder if the process that locked a file in it has ended, and return whether it was removed.

    Args:
        folder: path of the folder.
        name: name of the file, which the process keeps locked for as long as it lives.
        is_owner: function of the content of the file that returns whether the folder may be removed.

    Raises:
        OSError: if there is no such file, or if the folder cannot be removed.
    """
    with open(os.path.join(folder, name)) as file:
        try:
            ended = lock(file, wait=False)
        except BlockingIOError:
            return False
        if not ended or not is_owner(file.read()):
            return False
        shutil.rmtree(folder)
    return True
