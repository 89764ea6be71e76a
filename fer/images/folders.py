"""List the files of a folder and of the folders in it, as every command does that reads pictures from folders.

Hidden files and folders are skipped. Links are followed, but not a link that leads back to a folder above it.
"""

import os
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from fer.errors import UserError


def walk_folder(folder: str | PathLike[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield, for a folder and each folder below it: its path, why it cannot be read or "", and its files by name.

    A link to nothing counts as a file, so that it is reported as unreadable. Pipes and devices are left out.
    """
    waiting = [(os.fspath(folder), ())]
    while waiting:
        here, above = waiting.pop()
        problem, files, folders = "", [], []
        try:
            above = (*above, _identity(here))
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        if not entry.is_symlink() or _identity(entry.path) not in above:
                            folders.append((entry.path, above))
                    elif entry.is_file() or entry.is_symlink():
                        files.append(entry.name)
        except OSError as error:
            problem = error.strerror
        yield here, problem, sorted(files)
        waiting += sorted(folders, reverse=True)


def list_files(folder: str | PathLike[str]) -> list[str]:
    """Return the paths of all files in a folder and below, relative to it and with `/`, sorted.

    Raises:
        UserError: if the folder or one below it cannot be read.
    """
    paths = []
    for here, problem, files in walk_folder(folder):
        if problem:
            raise UserError(f"{here}: cannot be read ({problem}).")
        paths += [Path(os.path.relpath(os.path.join(here, name), folder)).as_posix() for name in files]
    return sorted(paths)


def _identity(path):
    """Return what two paths of the same folder have in common."""
    status = os.stat(path)
    return status.st_dev, status.st_ino
