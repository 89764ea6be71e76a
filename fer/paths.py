"""Paths: what they lead to, and their names."""

import os
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeAlias

StrPath: TypeAlias = str | os.PathLike[str]
"""Type of a path."""


def last_part(path: object) -> str:
    """Return the last part of a POSIX or Windows path; a text without separators is returned as it is."""
    text = str(path)
    name = PureWindowsPath(text).name if "\\" in text else PurePosixPath(text).name
    return name or text


def name_of(path: StrPath) -> str:
    """Return the name of a file or folder; `.` and `..` are called as the folders that they lead to."""
    return last_part(os.path.abspath(path))


def real_path(path: StrPath) -> Path:
    """Return the path that a path leads to, by whatever links; for a link to itself, the path is that of a link.

    `Path.resolve` raises an error for a link to itself.
    """
    return Path(os.path.realpath(path))


def is_inside(path: StrPath, folder: StrPath) -> bool:
    """Return whether a path, of which nothing needs to exist, is within an existing folder."""
    return Path(folder).is_dir() and real_path(path).is_relative_to(real_path(folder))
