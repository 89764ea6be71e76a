"""Folders into which a command writes a picture for each that it reads, in the same subfolders."""

import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fer.errors import UserError
from fer.outputs import OutputError, check_folder, is_new_or_empty, is_special, written_whole
from fer.paths import StrPath, is_inside, real_path

if TYPE_CHECKING:
    from fer.images.sources import Found

MAX_STEM = 240
"""Largest number of bytes of a picture's name, without suffix and number; file systems allow 255 in all."""


class PictureFolder:
    """Folder of pictures that are written, each named after the picture that it was made from.

    Args:
        folder: path of the folder.
        suffix: suffix of the pictures, such as `.jpg`; a picture of another format keeps its own before it.
        several: whether pictures come from several sources; those of a folder or zip then have a subfolder of its name.

    Attributes:
        written: number of pictures so far.
    """

    def __init__(self, folder: StrPath, suffix: str, several: bool):
        self.written = 0
        self._folder, self._suffix, self._several, self._taken = folder, suffix, several, set()

    def write(self, found: "Found", save: Callable[[Path], object]) -> None:
        """Write the picture that was made from one that was found.

        Args:
            found: the picture that was found.
            save: function that writes the picture to a path.

        Raises:
            OutputError: if it cannot be written.
        """
        path = self._name(found)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
        with written_whole(path) as file:
            save(file)
        self.written += 1

    def _name(self, found):
        # The names of zips' addresses, and of files in a zip, must not lead out of the folder.
        parts = [part for part in (found.container if self._several else "", *found.place.parts) if part.strip("./\\")]
        *parents, name = parts or ["picture"]
        folder, length = Path(self._folder, *parents), len(self._suffix)
        has_suffix = name.lower().endswith(self._suffix)
        stem, suffix = (name[:-length], name[-length:]) if has_suffix else (name, self._suffix)
        stem = _shorten(stem)
        number, path = 1, folder / f"{stem}{suffix}"
        while _key(path) in self._taken:
            number += 1
            path = folder / f"{stem}-{number}{suffix}"
        self._taken.add(_key(path))
        return path


def _key(path):
    """Return what two paths share that are the same file where letter case or Unicode form does not count, as on macOS.

    It is a hash, because the paths of many pictures would take much memory.
    """
    return hash(unicodedata.normalize("NFC", str(path)).casefold())


def _shorten(stem):
    """Return a name without its suffix, cut after `MAX_STEM` bytes."""
    content = os.fsencode(stem)
    return stem if len(content) <= MAX_STEM else content[:MAX_STEM].decode("utf-8", "ignore")


def check_picture_folders(folders: Mapping[str, str | None], sources: Sequence[str], table: str | None) -> None:
    """Raise an error unless pictures can be written into folders without replacing an input or another output.

    Args:
        folders: paths of the folders by the name of their option; None for options that are not given.
        sources: what is read.
        table: path of the CSV file, or None.
    """
    given = {option: folder for option, folder in folders.items() if folder is not None}
    read = [source for source in sources if os.path.isdir(source)]
    for option, folder in given.items():
        check_folder(f"`{option}`", folder)
        _check_apart(table, option, folder)
        if not _is_free(Path(folder)) or any(is_inside(folder, other) for other in read):
            rule = f"`{option}` must be a new or empty folder, outside the folders that are read"
            raise UserError(f"{rule}. Received: {folder}")
    for option, folder in given.items():
        for other in given.keys() - {option}:
            if real_path(folder).is_relative_to(real_path(given[other])):
                raise UserError(f"`{option}` must be outside the folder of `{other}`. Received: {folder}")


def _check_apart(table, option, folder):
    """Raise an error unless the CSV and a folder of pictures, which holds pictures and folders, can both be written."""
    if table is None or is_special(Path(table)):
        return
    file, place = real_path(table), real_path(folder)
    if place.is_relative_to(file):
        rule = f"`--csv` must be a file that is neither the folder of `{option}` nor above it"
        raise UserError(f"{rule}. Received: {table} and {folder}")
    if file.is_relative_to(place) and file.suffix.lower() != ".csv":
        raise UserError(f"`--csv` in the folder of `{option}` must end in .csv. Received: {table}")


def _is_free(folder):
    """Return whether a folder is new, or holds hidden files alone, such as those of a file manager."""
    return is_new_or_empty(folder) or (folder.is_dir() and all(path.name.startswith(".") for path in folder.iterdir()))
