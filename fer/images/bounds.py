"""Bounds on the decoding work that a file may ask for, judged from its bytes before anything is decoded."""

from collections.abc import Iterator
from itertools import islice

from fer.errors import ImageError
from fer.images.jpeg import MAX_SEGMENTS, outline_jpeg

MAX_SCAN_PIXELS = 600_000_000
"""Largest product of a JPEG's pixels and scans: 12 scans of 50 megapixels; a progressive JPEG usually has 10 scans. A
scan is a pass over the whole picture and takes 2 to 4 ms per megapixel, however few bytes it has."""
MAX_RUN_BYTES = 2_000_000
"""Largest run-length encoded BMP in bytes. Pillow reads its bytes one by one, and takes half a second for this many.
Other BMPs are bounded by their pixels."""
MAX_BLOCKS = {"GIF": 4_000, "PNG": 20_000}
"""Largest number of blocks before a GIF's first frame, since Pillow may append each to the blocks before it; and of
chunks in a PNG, which libpng writes with 8 kB each."""


def check_work(content: bytes, formats: tuple[str, ...], name: str) -> None:
    """Raise an error if decoding a picture would take too much work.

    Args:
        content: bytes of the file.
        formats: its possible formats, of `fer.images.formats.find_formats`.
        name: name of the picture in an error.

    Raises:
        ImageError: if a JPEG exceeds `MAX_SCAN_PIXELS` or `fer.images.jpeg.MAX_SEGMENTS`, a GIF or PNG exceeds
            `MAX_BLOCKS`, or a BMP exceeds `MAX_RUN_BYTES`.
    """
    if "JPEG" in formats:
        _check_jpeg(outline_jpeg(content), name)
    if "BMP" in formats and content[30:34] in (b"\1\0\0\0", b"\2\0\0\0") and len(content) > MAX_RUN_BYTES:
        rule = f"{name}: a run-length encoded BMP may have at most {MAX_RUN_BYTES / 1e6:g} MB"
        raise ImageError(f"{rule}. Received: {len(content) / 1e6:.1f} MB")
    if formats[0] in MAX_BLOCKS:
        _check_blocks(content, formats[0], name)


def _check_jpeg(outline, name):
    if outline.scans * outline.pixels > MAX_SCAN_PIXELS:
        most = MAX_SCAN_PIXELS // outline.pixels
        received = f"{outline.scans} scans in the first {outline.segments} segments"
        raise ImageError(f"{name}: a JPEG of this size may have at most {most} scans. Received: {received}.")
    if outline.segments > MAX_SEGMENTS:
        raise ImageError(f"{name}: a JPEG may have at most {MAX_SEGMENTS} segments. Received: more.")


def _check_blocks(content, kind, name):
    blocks = _png_chunks(content) if kind == "PNG" else _gif_blocks(content)
    if sum(1 for _ in islice(blocks, MAX_BLOCKS[kind] + 1)) > MAX_BLOCKS[kind]:
        raise ImageError(f"{name}: a {kind} may have at most {MAX_BLOCKS[kind]} blocks. Received: more.")


def _png_chunks(content: bytes) -> Iterator[int]:
    """Yield the offset of each chunk."""
    position = 8
    while position < len(content):
        yield position
        position += 12 + int.from_bytes(content[position : position + 4], "big")


def _gif_blocks(content: bytes) -> Iterator[int]:
    """Yield the offset of each block before the first frame: the parts of extensions, and the bytes between them."""
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
