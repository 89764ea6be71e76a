"""The picture formats that are read, told by content and not by name; and which files of a list are pictures."""

import re
from collections import Counter
from pathlib import PurePosixPath

HEAD_BYTES = 32
"""Bytes at a file's beginning that `find_formats` looks at."""
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".heic", ".heif", ".hif", ".avif", ".gif", ".bmp",
    ".dib", ".tif", ".tiff",
)  # fmt: skip
"""Suffixes whose files are meant as pictures, in lower case. A file with another one is a picture by its content."""
CLIP_SUFFIXES = (".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts")
"""Usual suffixes of clips, for file dialogs; `fer.images.clips` opens a clip whatever its name is."""
READABLE = "JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF"
"""Formats that are decoded, for messages. Pillow knows more, among them EPS, for which it starts Ghostscript on the
stranger's program."""
_SIGNATURES = (
    (re.compile(rb"\xff\xd8\xff"), ("JPEG",)),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), ("PNG",)),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), ("WEBP",)),
    (re.compile(rb"....ftyp(?:avif|avis|hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL), ("AVIF", "HEIF")),
    (re.compile(rb"GIF8[79]a"), ("GIF",)),
    # "BM" alone begins a text as well: the second number is the size of one of the format's headers.
    (re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL), ("BMP",)),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), ("TIFF",)),
)


def find_formats(head):
    """Return the formats, by Pillow's names, that a file may have which begins with `head`; () where it is no picture.

    Args:
        head: the first `HEAD_BYTES` bytes.
    """
    return next((formats for signature, formats in _SIGNATURES if signature.match(head)), ())


def pick_pictures(files, read_head, path_of=PurePosixPath, map=map):
    """Sort the files of a folder or archive into pictures and others.

    A file is a picture by its content, and where its name says that it is meant as one (`SUFFIXES`), so that a damaged
    one is reported instead of left out. Hidden files, and those that macOS puts beside each file of a zip
    (`__MACOSX`), are neither.

    Args:
        files: a list, of names by default.
        read_head: function of a file that returns its first `HEAD_BYTES` bytes, b"" where it cannot be read; called
            for files without one of the `SUFFIXES` alone.
        path_of: function of a file that returns its `pathlib.PurePath`.
        map: as the built-in one, such as that of a thread pool.

    Returns:
        The pictures, in their order, and a `collections.Counter` of the others by kind (their suffix), for
        `describe_left_out`.
    """
    files = [(file, path_of(file)) for file in files]
    files = [(file, path) for file, path in files if not path.name.startswith(".") and "__MACOSX" not in path.parts]
    meant = [path.name.lower().endswith(SUFFIXES) for _, path in files]
    heads = iter(map(read_head, [file for (file, _), is_meant in zip(files, meant, strict=True) if not is_meant]))
    pictures, left_out = [], Counter()
    for (file, path), is_meant in zip(files, meant, strict=True):
        if is_meant or find_formats(next(heads)):
            pictures.append(file)
        else:
            left_out[_kind(path)] += 1
    return pictures, left_out


def describe_left_out(counts):
    """Return what `pick_pictures` counted as a text, such as "12 files left out: 7 .mov, 5 .txt"; "" for nothing."""
    if not counts:
        return ""
    return f"{counts.total()} file{'' if counts.total() == 1 else 's'} left out: {list_kinds(counts)}"


def list_kinds(counts, others="others", unnamed="without a suffix"):
    """Return the kinds of `pick_pictures` with their counts, the most frequent first, such as "7 .mov, 5 .txt".

    Args:
        counts: by kind.
        others: word for those beyond the ten most frequent.
        unnamed: words for those without a suffix.
    """
    frequent = counts.most_common(10)
    rest = counts.total() - sum(count for _, count in frequent)
    parts = [f"{count} {kind or unnamed}" for kind, count in frequent]
    return ", ".join([*parts, *([f"{rest} {others}"] if rest else [])])


def read_head(path):
    """Return the first `HEAD_BYTES` bytes of a file, b"" where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""


def _kind(path):
    suffix = path.suffix.lower()
    return suffix if len(suffix) <= 12 else ""
