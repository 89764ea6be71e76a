"""Decode pictures from anywhere: guarded, upright, in RGB, one sentence for what cannot be read."""

import io
import math
import os
import re
import struct
import warnings
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fer.errors import UserError
from fer.images.formats import HEAD_BYTES, READABLE, find_formats

MAX_PIXELS = 50_000_000
"""Pictures above this are refused before they are decoded: 50 megapixels are 150 MB in memory."""
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

Photo: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray
"""A picture as callers have it: a path, a file's bytes, a binary file object, a PIL image of any mode, or an RGB array
of uint8, `(height, width, 3)`."""


# Pillow warns of sizes, which `_check_size` judges, and of odd metadata. Not around the decoding: a filter that is set
# and taken back is that of all threads in the meantime.
warnings.filterwarnings("ignore", module="PIL")


class ImageError(UserError):
    """A picture that cannot be read. Its message is one sentence for the person who sent it."""


def load_image(
    source: str | os.PathLike[str] | BinaryIO, name: str | None = None, most_bytes: float = math.inf
) -> Image.Image:
    """Decode a picture: first frame, EXIF orientation applied, transparency on white, 16-bit grey scaled to 8.

    Args:
        source: path or binary file object.
        name: what to call the picture in an error; by default the path.
        most_bytes: that a file may have.

    Returns:
        A PIL image of mode RGB.

    Raises:
        ImageError: if it is missing, empty, no picture, truncated, above `MAX_PIXELS`, above `most_bytes`, or a JPEG
            above `MAX_SCAN_PIXELS`, `MAX_SEGMENTS` or `MAX_PADDING`, a GIF or PNG above `MAX_BLOCKS`, or a
            BMP above `MAX_RUN_BYTES`.
    """
    name = name or str(source)
    return decode(read_file(source, name, most_bytes), name)


def to_image(photo: Photo) -> Image.Image:
    """Return a `Photo` as a PIL image of mode RGB.

    Files are decoded as `load_image` does. A PIL image or an array is taken as it lies: the EXIF orientation that an
    image may carry is not applied, so that boxes fit the pixels that the caller has.

    Raises:
        UserError: for what is no `Photo`, and an `ImageError` for a picture that cannot be read.
    """
    if isinstance(photo, Image.Image):
        try:
            photo.load()  # `Image.open` decodes when pixels are first needed.
            return _to_rgb(photo)
        except (OSError, SyntaxError, ValueError) as error:
            raise ImageError(f"picture: damaged or incomplete ({str(error).strip()}).") from None
    if isinstance(photo, np.ndarray):
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
            received = f"{photo.dtype} {photo.shape}"
            raise UserError(f"An array must be an RGB picture, uint8 `(height, width, 3)`. Received: {received}")
        return Image.fromarray(photo)
    if isinstance(photo, bytes | bytearray | memoryview):
        return decode(bytes(photo), "picture")
    if isinstance(photo, str | os.PathLike):
        return load_image(photo)
    if hasattr(photo, "read"):
        return load_image(photo, "picture")
    rule = "A photo must be a path, bytes, a binary file, a PIL image or an RGB array"
    raise UserError(f"{rule}. Received: {type(photo).__name__}")


def read_file(source: str | os.PathLike[str] | BinaryIO, name: str, most_bytes: float = math.inf) -> bytes:
    """Read a file that `decode` takes; arguments and errors are those of `load_image`.

    Returns:
        bytes.
    """
    try:
        if not isinstance(source, str | os.PathLike):
            return source.read()
        _check_file(Path(source), name, most_bytes)
        with open(source, "rb") as file:
            return file.read()
    except OSError as error:
        raise ImageError(f"{name}: cannot be read ({error.strerror or error}).") from None


def decode(content: bytes, name: str, before: Callable[[int], object] | None = None) -> Image.Image:
    """Decode a picture that is in memory; name, answer and errors are those of `load_image`.

    Args:
        content: bytes.
        before: function of the number of its pixels that is called before they are decoded.
    """
    formats = find_formats(content[:HEAD_BYTES])
    if not content:
        raise ImageError(f"{name}: the file is empty.")
    if not formats:
        raise ImageError(_unknown(name))
    if "HEIF" in formats:
        _register_heif()
    if "JPEG" in formats:
        _check_jpeg(outline_jpeg(content), name)
    if "BMP" in formats and content[30:34] in (b"\1\0\0\0", b"\2\0\0\0") and len(content) > MAX_RUN_BYTES:
        rule = f"{name}: a run-length encoded BMP may have at most {MAX_RUN_BYTES / 1e6:g} MB"
        raise ImageError(f"{rule}. Received: {len(content) / 1e6:.1f} MB")
    if formats[0] in MAX_BLOCKS:
        _check_blocks(content, formats[0], name)
    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            _check_size(image, name)
            if before:
                before(image.width * image.height)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: pictures may have at most {MAX_PIXELS // 1_000_000} megapixels.") from None
    except UnidentifiedImageError:
        raise ImageError(_unknown(name, f" (damaged, or an unusual {' or '.join(formats)})")) from None
    except MemoryError:
        raise ImageError(f"{name}: the picture takes too much memory to be decoded.") from None
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError, struct.error) as error:
        raise ImageError(f"{name}: the picture is damaged or incomplete ({str(error).strip()}).") from None


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


def load_grey(source, size, name=None):
    """Decodes a picture to a grey square of `size` pixels: uint8 array `(size, size)`, values 0-255."""
    return grey_square(load_image(source, name), size)


def grey_square(image, size):
    """Scales a PIL image to a grey square of `size` pixels: uint8 array `(size, size)`, values 0-255."""
    image = image.convert("L")
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _check_file(path, name, most_bytes):
    if not path.exists():
        raise ImageError(f"{name}: no such file.")
    if path.is_dir():
        raise ImageError(f"{name}: a folder, not a picture.")
    size = path.stat().st_size
    if size == 0:
        raise ImageError(f"{name}: the file is empty.")
    if size > most_bytes:
        raise ImageError(f"{name}: pictures may have at most {most_bytes / 1e6:g} MB. Received: {size / 1e6:.1f} MB")


def _unknown(name, reason=""):
    return f"{name}: not a picture that can be read here{reason}; send {READABLE}."


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


@cache
def _register_heif():
    # Imported for the first such picture: it takes longer than decoding a small one.
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)


def _check_size(image, name):
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name}: pictures may have at most {MAX_PIXELS // 1_000_000} megapixels. Received: {width}x{height}."
        )


def _to_rgb(image):
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        # The format decides the scale, never the content: a dark 16-bit picture stays dark.
        top = 255.0 if image.mode == "F" else 65535.0
        grey = np.empty((image.height, image.width), np.uint8)
        for start in range(0, image.height, 256):  # Of a large picture the floats alone would be 200 MB.
            rows = np.asarray(image.crop((0, start, image.width, min(start + 256, image.height))), dtype=np.float32)
            grey[start : start + 256] = np.clip(np.nan_to_num(rows) * (255.0 / top), 0, 255)
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")
