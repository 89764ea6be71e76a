"""Segments of a JPEG: the work that its decoding takes, and a copy without metadata."""

import re
import struct
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from fer.images.orientation import EXIF, find_orientation

MAX_SEGMENTS = 2_000
"""Largest number of segments of a JPEG. A camera's JPEG has about 20; a colour profile or metadata take one for every
64 kB."""
_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
"""Pattern of the marker that begins a segment. Within a scan's data, 0xFF is followed by 0 or by a restart marker;
libjpeg discards other numbers below 0xC0."""
_LAST = (0xC8, 0xD9, *range(0xF0, 0xFE))
"""Markers at which libjpeg stops: the end of the picture, and extensions that it does not know (ITU-T T.81, B.1)."""
_NO_FRAMES = (0xC4, 0xCC)
"""Markers from 0xC0 to 0xCF that begin no frame: Huffman tables and arithmetic conditioning."""
_SCAN, _EXIF = 0xDA, 0xE1
_METADATA = (*range(0xE0, 0xF0), 0xFE)
"""Markers of applications' data and of comments."""
_NEEDED = {0xE0: b"JFIF", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
"""Beginnings of the applications' data that tell how colours are meant, by marker."""


class JpegOutline(NamedTuple):
    """The quantities in a JPEG's markers that determine how long its decoding takes.

    pixels: width times height of the largest frame that the file declares.
    scans: number of passes over all pixels.
    segments: number of segments; counting ends above `MAX_SEGMENTS`.
    tables: number of bytes of the segments before the first scan, without metadata.
    frames: kinds of the declared frames: 0xC0 to 0xCF except `_NO_FRAMES` (ITU-T T.81, table B.1).
    """

    pixels: int
    scans: int
    segments: int
    tables: int
    frames: tuple[int, ...]


def outline_jpeg(content: bytes) -> JpegOutline:
    """Return the `JpegOutline` of a JPEG's bytes, without decoding it."""
    pixels, scans, segments, tables, frames = 0, 0, 0, 0, ()
    for kind, start, end in islice(_segments(content), MAX_SEGMENTS + 1):
        segments += 1
        if 0xC0 <= kind <= 0xCF and kind not in _NO_FRAMES:
            frames += (kind,)
            height, width = struct.unpack(">HH", content[start + 5 : start + 9].ljust(4, b"\0"))
            pixels = max(pixels, width * height)
        scans += kind == _SCAN
        tables += 0 if scans or kind in _METADATA else end - start
    return JpegOutline(pixels, scans, segments, tables, frames)


def strip_jpeg(content: bytes) -> tuple[bytes, int]:
    """Return a JPEG without metadata before its first scan, and the EXIF orientation that they held.

    The pixels and the colour profile stay the same. Pillow parses metadata when it opens a file, which can take minutes
    and gigabytes: it joins segments, keeps a copy of the data of each tag, and skips bytes between segments one by one.

    Args:
        content: bytes of a file that `fer.images.bounds.check_work` accepts.

    Returns:
        The bytes, and the first orientation, 2 to 8, in an EXIF segment; 1 without one.
    """
    parts, orientation = [content[:2]], 1
    for kind, start, end in _segments(content):
        if kind == _SCAN:
            parts.append(content[start:])
            break
        needed = _NEEDED.get(kind)
        if kind not in _METADATA or (needed and content.startswith(needed, start + 4)):
            parts.append(content[start:end])
        elif kind == _EXIF and orientation == 1 and content.startswith(EXIF, start + 4):
            orientation = find_orientation(content[start + 4 : end])
    return b"".join(parts), orientation


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment, up to the end of the picture; scans' data lie between segments."""
    position = 2
    while (marker := _MARKER.search(content, position)) and (kind := marker[1][0]) not in _LAST:
        length = int.from_bytes(content[marker.end() : marker.end() + 2], "big")
        position = marker.end() + max(2, length)
        yield kind, marker.start(), position
