"""The picture formats that are read, recognised by content and not by name; and which files of a list are pictures."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePath, PurePosixPath
from typing import TypeVar

from fer.paths import StrPath

File = TypeVar("File")
"""Type that represents a file: a name, or a member of an archive."""
HEAD_BYTES = 32
"""Number of bytes at the beginning of a file that `find_formats` examines."""
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".heic", ".heif", ".hif", ".avif", ".gif", ".bmp",
    ".dib", ".tif", ".tiff",
)  # fmt: skip
"""Suffixes of pictures, in lower case. A file with another suffix counts as a picture if its content is one."""
CLIP_SUFFIXES = (".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts")
"""Usual suffixes of clips, for file dialogs; `fer.images.clips` opens a clip whatever its name is."""
READABLE = "JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF"
"""Formats that are decoded, for messages. Pillow knows more, such as EPS, which it would run as a program in
Ghostscript."""
_SIGNATURES = (
    (re.compile(rb"\xff\xd8\xff"), ("JPEG",)),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), ("PNG",)),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), ("WEBP",)),
    (re.compile(rb"....ftyp(?:avif|avis|hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL), ("AVIF", "HEIF")),
    (re.compile(rb"GIF8[79]a"), ("GIF",)),
    # A text may begin with "BM" too, so the size of the format's second header must be one of those that exist.
    (re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL), ("BMP",)),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), ("TIFF",)),
)
"""Patterns of the first bytes of a file, each with the formats that the file may have."""


def find_formats(head: bytes) -> tuple[str, ...]:
    """Return the possible formats of a file, by Pillow's names; () if it is no picture.

    Args:
        head: first `HEAD_BYTES` bytes of the file.
    """
    return next((formats for signature, formats in _SIGNATURES if signature.match(head)), ())


def is_hidden(path: PurePath) -> bool:
    """Return whether a file is hidden, or one of the files in `__MACOSX` that macOS adds to zips."""
    return path.name.startswith(".") or "__MACOSX" in path.parts


def pick_pictures(
    files: Sequence[File],
    read_head: Callable[[File], bytes],
    path_of: Callable[[File], PurePath] = PurePosixPath,
    map: Callable = map,
) -> tuple[list[File], Counter]:
    """Sort the files of a folder or archive into pictures and others.

    A file is a picture if it has one of the `SUFFIXES`, so that a damaged picture is reported instead of left out, or
    else if its content is a picture. Hidden files, and the files in `__MACOSX`, which macOS adds to zips, are neither.

    Args:
        files: the files, by default as names.
        read_head: function of a file that returns its first `HEAD_BYTES` bytes, or b"" if it cannot be read. It is
            called only for files without one of the `SUFFIXES`.
        path_of: function of a file that returns its path.
        map: function like the built-in `map`, such as that of a thread pool.

    Returns:
        The pictures, in their order, and the number of other files by kind (their suffix), for `describe_left_out`.
    """
    files = [(file, path_of(file)) for file in files]
    files = [(file, path) for file, path in files if not is_hidden(path)]
    meant = [path.name.lower().endswith(SUFFIXES) for _, path in files]
    heads = iter(map(read_head, [file for (file, _), is_meant in zip(files, meant, strict=True) if not is_meant]))
    pictures, left_out = [], Counter()
    for (file, path), is_meant in zip(files, meant, strict=True):
        if is_meant or find_formats(next(heads)):
            pictures.append(file)
        else:
            left_out[_kind(path)] += 1
    return pictures, left_out


def describe_left_out(counts: Counter) -> str:
    """Return the counts of `pick_pictures` as a text, such as "12 files left out: 7 .mov, 5 .txt"; "" if empty."""
    if not counts:
        return ""
    return f"{counts.total()} file{'' if counts.total() == 1 else 's'} left out: {list_kinds(counts)}"


def describe_contents(name: str, kind: str, found: int, left_out: Counter) -> str:
    """Return a sentence on a folder or zip that has other files or no pictures; "" for any other.

    Args:
        name: name of the folder or zip, such as `photos`; the sentence is then `photos: 1 file left out: 1 .txt.`
        kind: `folder` or `zip`.
        found: number of its pictures.
        left_out: counts of `pick_pictures`.
    """
    parts = [] if found else [f"no pictures in this {kind}"]
    parts += [describe_left_out(left_out)] if left_out else []
    return f"{name}: {'; '.join(parts)}." if parts else ""


def list_kinds(counts: Counter, others: str = "others", unnamed: str = "without a suffix") -> str:
    """Return the kinds of files with their counts, the most frequent first, such as "7 .mov, 5 .txt".

    Args:
        counts: number of files by kind, of `pick_pictures`.
        others: word for the kinds after the ten most frequent.
        unnamed: words for the files without a suffix.
    """
    frequent = counts.most_common(10)
    rest = counts.total() - sum(count for _, count in frequent)
    parts = [f"{count} {kind or unnamed}" for kind, count in frequent]
    return ", ".join([*parts, *([f"{rest} {others}"] if rest else [])])


def read_head(path: StrPath) -> bytes:
    """Return the first `HEAD_BYTES` bytes of a file; b"" if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""


def _kind(path):
    suffix = path.suffix.lower()
    return suffix if len(suffix) <= 12 else ""
