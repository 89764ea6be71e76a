"""Bounds on the work that a picture may be to its decoder, from its bytes: nothing is decoded."""

import re
import struct
from itertools import islice
from typing import NamedTuple

from fer.errors import UserError

MAX_SCAN_PIXELS = 600_000_000
"""Pixels of a JPEG times its scans: 12 scans of 50 megapixels, where a progressive one has 10. Each scan is a pass over
the whole picture, 2 to 4 ms a megapixel, however few bytes it has."""
MAX_PADDING = 65_536
"""Bytes between the segments of a JPEG's header, which Pillow passes over one by one."""
MAX_RUN_BYTES = 2_000_000
"""Bytes of a BMP in runs, which Pillow reads one by one: half a second. Others are bounded by their pixels."""
MAX_BLOCKS = {"GIF": 4_000, "PNG": 20_000}
"""Blocks before a GIF's first frame, each of which Pillow may append to those before, and chunks of a PNG: libpng's
have 8 kB."""
MAX_SEGMENTS = 2_000
"""Segments of a JPEG; a camera's has some 20, with 64 kB of a colour profile or of metadata each."""
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
"""What begins a segment. Within a scan's data 0xFF is followed by 0, or by a restart marker."""


class ImageError(UserError):
    """A picture that cannot be read. Its message is one sentence for the person who sent it."""


def check_work(content: bytes, formats: tuple[str, ...], name: str) -> None:
    """Make sure that a picture is no more work than it may be.

    Args:
        content: of the file.
        formats: of `fer.images.formats.find_formats`.
        name: what to call it in an error.

    Raises:
        ImageError: for a JPEG above `MAX_SCAN_PIXELS`, `MAX_SEGMENTS` or `MAX_PADDING`, a GIF or PNG above
            `MAX_BLOCKS`, or a BMP above `MAX_RUN_BYTES`.
    """
    if "JPEG" in formats:
        _check_jpeg(outline_jpeg(content), name)
    if "BMP" in formats and content[30:34] in (b"\1\0\0\0", b"\2\0\0\0") and len(content) > MAX_RUN_BYTES:
        rule = f"{name}: a run-length encoded BMP may have at most {MAX_RUN_BYTES / 1e6:g} MB"
        raise ImageError(f"{rule}. Received: {len(content) / 1e6:.1f} MB")
    if formats[0] in MAX_BLOCKS:
        _check_blocks(content, formats[0], name)


class JpegOutline(NamedTuple):
    """What a JPEG's markers tell of the work that it is.

    pixels: its width times its height.
    scans: passes over all of them.
    segments: between its markers; counting ends above `MAX_SEGMENTS`.
    padding: bytes between the segments of its header.
    """

    pixels: int
    scans: int
    segments: int
    padding: int


def outline_jpeg(content):
    """Return the `JpegOutline` of a JPEG, from its bytes; decodes nothing."""
    pixels, scans, segments, padding, position = 0, 0, 0, 0, 2
    while segments <= MAX_SEGMENTS and (marker := _JPEG_MARKER.search(content, position)):
        kind, segments = marker[1][0], segments + 1
        if kind == 0xD9:
            break
        padding += 0 if scans else marker.start() - position
        if kind in (0xC0, 0xC1, 0xC2, 0xC3):
            height, width = struct.unpack(">HH", content[marker.end() + 3 : marker.end() + 7].ljust(4, b"\0"))
            pixels = max(pixels, width * height)
        scans += kind == 0xDA
        position = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2], "big")
    return JpegOutline(pixels, scans, segments, padding)


def _check_jpeg(outline, name):
    if outline.segments > MAX_SEGMENTS or outline.scans * outline.pixels > MAX_SCAN_PIXELS:
        most = min(MAX_SEGMENTS, MAX_SCAN_PIXELS // max(outline.pixels, 1))
        received = f"{outline.scans} scans in the first {outline.segments} segments"
        raise ImageError(f"{name}: a JPEG of this size may have at most {most} scans. Received: {received}.")
    if outline.padding > MAX_PADDING:
        received = f"{outline.padding} of them"
        raise ImageError(f"{name}: a JPEG may have at most {MAX_PADDING} bytes of padding. Received: {received}.")


def _check_blocks(content, kind, name):
    blocks = _png_chunks(content) if kind == "PNG" else _gif_blocks(content)
    if sum(1 for _ in islice(blocks, MAX_BLOCKS[kind] + 1)) > MAX_BLOCKS[kind]:
        raise ImageError(f"{name}: a {kind} may have at most {MAX_BLOCKS[kind]} blocks. Received: more.")


def _png_chunks(content):
    """Yields the place of each chunk."""
    position = 8
    while position < len(content):
        yield position
        position += 12 + int.from_bytes(content[position : position + 4], "big")


def _gif_blocks(content):
    """Yields the place of each block before the first frame: of extensions, and what stands between those."""
    packed = content[10] if len(content) > 10 else 0
    position, inside = 13 + (3 << (packed % 8 + 1) if packed & 0x80 else 0), False
    while position < len(content) and (inside or content[position] not in b",;"):
        yield position
        if inside:
            inside = content[position] > 0
            position += 1 + content[position]
        else:
            inside = content[position : position + 1] == b"!"
            position += 2 if inside else 1
