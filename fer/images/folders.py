"""List the files of a folder and of the folders in it, as every command does that reads pictures from folders.

Hidden files and folders are skipped. A link to a folder is followed, unless the folder is listed anyway, because it is
in the listed folder or behind another link, or contains the link. So no folder is listed twice, however folders link to
each other.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from fer.errors import UserError
from fer.paths import StrPath


def walk_folder(
    folder: StrPath, on_repeat: Callable[[str], None] | None = None
) -> Iterator[tuple[str, str, list[str]]]:
    """Yield, for a folder and each folder below it: its path, why it cannot be read or "", and its files by name.

    A link that leads nowhere counts as a file, so that it is reported as unreadable. Pipes, devices and links to them
    are left out. Of several links to the same folder, the first one in the order of the listing is followed.

    Args:
        folder: path of the folder.
        on_repeat: function of the path of each link that is not followed because of another link; or None.
    """
    root = Path(folder).resolve()
    # The second has the folder and the targets of the links that are followed.
    waiting, roots = [(os.fspath(folder), root)], {root}
    while waiting:
        here, real = waiting.pop()
        problem, files, folders, links = "", [], [], []
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    kind = _kind(entry)
                    if kind == "folder" and entry.is_symlink():
                        links.append(entry.path)
                    elif kind == "folder":
                        if real / entry.name not in roots:
                            folders.append((entry.path, real / entry.name))
                    elif kind == "file":
                        files.append(entry.name)
        except OSError as error:
            problem = error.strerror
        for path in sorted(links):
            target = Path(path).resolve()
            if not _is_listed_anyway(target, roots, real):
                folders.append((path, target))
                roots.add(target)
            elif on_repeat and not _is_listed_anyway(target, {root}, real):
                on_repeat(path)
        yield here, problem, sorted(files)
        waiting += sorted(folders, reverse=True)


def list_files(folder: StrPath, on_repeat: Callable[[str], None] | None = None) -> list[str]:
    """Return the paths of all files in a folder and below, relative to it and with `/`, sorted.

    Args:
        folder: path of the folder.
        on_repeat: as `walk_folder` takes it.

    Raises:
        UserError: if the folder or one below it cannot be read.
    """
    paths = []
    for here, problem, files in walk_folder(folder, on_repeat):
        if problem:
            raise UserError(f"{here}: cannot be read ({problem}).")
        place = Path(os.path.relpath(here, folder)).as_posix()
        paths += [name if place == "." else f"{place}/{name}" for name in files]
    return sorted(paths)


def _kind(entry):
    """Return whether a directory entry is a `folder`, a `file` or something `else`."""
    try:
        if entry.is_dir():
            return "folder"
        leads_nowhere = entry.is_symlink() and not os.path.exists(entry.path)
        return "file" if entry.is_file() or leads_nowhere else "else"
    except OSError:  # A link to itself, or to where nothing may be read.
        return "file"


def _is_listed_anyway(target, roots, here):
    """Return whether the target of a link in the folder `here` is a folder above it, or is listed without the link.

    `roots` are the folders that are listed with all folders below them, except hidden ones.
    """
    if here.is_relative_to(target):
        return True
    for place in (target, *target.parents):
        if place in roots:
            return True
        if place.name.startswith("."):
            return False
    return False
