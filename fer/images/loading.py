"""Decode pictures to upright RGB images, within limits; the error for an unreadable picture is one sentence."""

import io
import math
import os
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from fer.errors import ImageError, UserError
from fer.images.bounds import check_work
from fer.images.formats import HEAD_BYTES, READABLE, find_formats
from fer.images.jpeg import outline_jpeg, strip_jpeg
from fer.images.modes import to_rgb
from fer.images.orientation import exif_of, find_orientation, turn_upright
from fer.paths import StrPath

MAX_PIXELS = 50_000_000
"""Largest number of pixels of a picture, checked before decoding: 50 megapixels take 150 MB in memory."""
KIND = 254
"""Tag of a TIFF with a bit (1) that says that a picture is a small preview of another one."""
MASK = 4
"""Bit of this tag that says that a picture is the mask of another one."""
NOTE = "fer note"
"""Key under which a picture's `info` keeps the note that `note_of` returns."""
INCOMPLETE = "The file lacks its last bytes"
"""Beginning of the note on an incomplete file; a comma and the share follow if a part of the picture is missing."""
FIRST_PAGE = "Only the first page was read."
"""Note on a TIFF that has several pages."""
END_OF_JPEG = b"\xff\xd9"
"""Marker that ends a JPEG. Appended to an incomplete file, it makes the decoder fill the missing rows."""
MAX_MISSING = 0.5
"""Largest share of a JPEG's rows that may be missing at its end."""
Photo: TypeAlias = StrPath | bytes | BinaryIO | Image.Image | np.ndarray
"""Type of the pictures that the public functions accept: a path, the bytes of a file, a binary file object, a PIL image
of any mode, or an RGB array, uint8 `(height, width, 3)`."""


# Pillow warns of large pictures, which `_check_size` refuses, and of unusual metadata. The filter is set once and not
# around each decoding, because `warnings.catch_warnings` changes the filters of all threads.
warnings.filterwarnings("ignore", module="PIL")


def load_image(source: StrPath | BinaryIO, name: str | None = None, most_bytes: float = math.inf) -> Image.Image:
    """Decode a picture: first frame or page, upright by EXIF, transparency on white, 16-bit grey scaled to 8 bits.

    Args:
        source: path or binary file object.
        name: name of the picture in an error; by default the path.
        most_bytes: largest size of the file in bytes.

    Returns:
        A PIL image of mode RGB. If the end of a JPEG is missing, but no more than `MAX_MISSING` of its rows, the rest
        is returned, with a note for `note_of`; so is the first page of a TIFF that has several.

    Raises:
        ImageError: if the picture is missing, empty, in no known format, truncated, larger than `MAX_PIXELS` or
            `most_bytes`, or takes more work than `fer.images.bounds.check_work` allows.
    """
    name = name or str(source)
    return decode(read_file(source, name, most_bytes), name)


def to_image(photo: Photo) -> Image.Image:
    """Return a `Photo` as a PIL image of mode RGB.

    Files are decoded as by `load_image`. A PIL image or an array is used as it is: an EXIF orientation that the image
    carries is not applied, so that the boxes of faces fit the caller's pixels.

    Raises:
        UserError: if `photo` is of another type; an `ImageError` if the picture cannot be read.
    """
    if isinstance(photo, Image.Image):
        if not photo.width * photo.height:
            raise UserError(f"A picture must have pixels. Received: {photo.width}x{photo.height}")
        try:
            photo.load()  # `Image.open` decodes when pixels are first needed.
            return to_rgb(photo)
        except MemoryError:
            raise ImageError("picture: it takes too much memory to be decoded.") from None
        except Exception as error:  # As in `decode`.
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


def read_file(source: StrPath | BinaryIO, name: str, most_bytes: float) -> bytes:
    """Return the content of a file, for `decode`. Arguments and errors are those of `load_image`."""
    try:
        if not isinstance(source, str | os.PathLike):
            return _read_object(source, name, most_bytes)
        check_file(Path(source), name, most_bytes)
        with open(source, "rb") as file:
            head = file.read(HEAD_BYTES)
            # Before the rest, which may be a clip of many gigabytes.
            if not find_formats(head):
                raise ImageError(_unknown(name))
            return head + file.read()
    except UnicodeDecodeError:
        raise ImageError(f"{name}: a file must be opened in binary mode. Received: text") from None
    except OSError as error:
        raise ImageError(f"{name}: cannot be read ({error.strerror or error}).") from None


def _read_object(file, name, most_bytes):
    """Return the content of a binary file object."""
    content = bytearray()
    # A file without a buffer may return less than it is asked for.
    while part := file.read() if most_bytes == math.inf else file.read(int(most_bytes) + 1 - len(content)):
        if not isinstance(part, bytes | bytearray | memoryview):
            raise ImageError(f"{name}: a file must be opened in binary mode. Received: {type(file).__name__}")
        content += part
        if len(content) > most_bytes:
            raise ImageError(f"{name}: pictures may have at most {most_bytes / 1e6:g} MB. Received: more")
    return bytes(content)


def decode(content: bytes, name: str, before: Callable[[int], object] | None = None) -> Image.Image:
    """Decode a picture that is in memory. Return value and errors are those of `load_image`.

    Args:
        content: bytes of the file.
        name: name of the picture in an error.
        before: function that is called with the number of pixels before they are decoded.
    """
    formats = find_formats(content[:HEAD_BYTES])
    if not content:
        raise ImageError(f"{name}: the file is empty.")
    if not formats:
        raise ImageError(_unknown(name))
    if "HEIF" in formats:
        _register_heif()
    check_work(content, formats, name)
    orientation = None
    if "JPEG" in formats:
        content, orientation = strip_jpeg(content)
    try:
        try:
            return _decode(content, formats, name, before, orientation)
        except (OSError, SyntaxError) as error:
            if "JPEG" not in formats or isinstance(error, UnidentifiedImageError):
                raise
            image = _decode(content + END_OF_JPEG, formats, name, None, orientation, cut=True)
            if image is None:
                raise
            return image
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: pictures may have at most {MAX_PIXELS // 1_000_000} megapixels.") from None
    except UnidentifiedImageError:
        if "JPEG" in formats and not outline_jpeg(content).scans:
            raise ImageError(f"{name}: the picture is damaged or incomplete (it ends before its pixels).") from None
        raise ImageError(_unknown(name, f" (damaged, or an unusual {' or '.join(formats)})")) from None
    except MemoryError:
        raise ImageError(f"{name}: the picture takes too much memory to be decoded.") from None
    except Exception as error:  # Decoders raise errors of any kind for damaged files.
        raise ImageError(f"{name}: the picture is damaged or incomplete ({str(error).strip()}).") from None


def _decode(content, formats, name, before, orientation, cut=False):
    """Decode a picture in one of the formats.

    Args:
        orientation: EXIF orientation, 1 to 8; None for that of the opened picture.
        cut: whether `END_OF_JPEG` was appended to an incomplete JPEG.

    Returns:
        A PIL image of mode RGB; None if more than `MAX_MISSING` of an incomplete JPEG is missing.
    """
    with Image.open(io.BytesIO(content), formats=formats) as image:
        _check_size(image, name)
        if getattr(image, "tag_v2", {}).get(KIND, 0) & 1:
            raise ImageError(
                f"{name}: a camera's raw file, of which only a small preview can be read; send a JPEG of it."
            )
        if image.mode in ("I", "F"):  # A TIFF of measurements; nothing says which values are black and white.
            raise ImageError(f"{name}: grey pictures may have 8 or 16 bits per pixel. Received: 32")
        if before:
            before(image.width * image.height)
        image.load()
        missing = _share_missing(image) if cut else 0
        if missing > MAX_MISSING:
            return None
        orientation = orientation or find_orientation(exif_of(image.info))
        image.info.pop("exif", None)
        rgb = to_rgb(image)
        if rgb is not image:
            image.close()  # So that no more than two copies of a large picture are in memory.
        note = FIRST_PAGE if _has_pages(image, content) else ""
        if cut:
            part = f", and with them {missing:.0%} of the picture" if missing >= 0.005 else ""
            note = f"{INCOMPLETE}{part}."
        return set_note(turn_upright(rgb, orientation), note)


def _share_missing(image):
    """Return the share of rows, 0-1, that the decoder filled at the end of a JPEG with the last colour it had read."""
    last, rows = image.getpixel((image.width - 1, image.height - 1)), image.height
    for top in range(8 * ((image.height - 1) // 8), -1, -8):  # Blocks have eight rows.
        strip = image.crop((0, top, image.width, min(top + 8, image.height)))
        if strip.getcolors(1) is None or strip.getpixel((0, 0)) != last:
            break
        rows = top
    return 1 - rows / image.height


def _has_pages(image, content):
    """Return whether a TIFF has a second page that is neither a small preview nor a mask of the first one."""
    if not getattr(getattr(image, "tag_v2", None), "next", 0):
        return False
    try:
        with Image.open(io.BytesIO(content), formats=["TIFF"]) as pages:
            pages.seek(1)
            return not getattr(pages, "tag_v2", {}).get(KIND, 0) & (1 | MASK)
    except Exception:  # The second page is damaged.
        return False


def note_of(image: Image.Image) -> str:
    """Return the note on a picture of which only a part was read, such as of an incomplete file; "" for any other."""
    return image.info.get(NOTE, "")


def set_note(image: Image.Image, note: str) -> Image.Image:
    """Set the note that `note_of` returns, and return the picture."""
    image.info.pop(NOTE, None)
    if note:
        image.info[NOTE] = note
    return image


def load_grey(source: StrPath | BinaryIO, size: int, name: str | None = None) -> np.ndarray:
    """Decode a picture of a data set to a grey square: uint8 array `(size, size)`, values 0-255.

    Raises:
        UserError: if the picture cannot be read, or lacks a part because its file is incomplete.
    """
    image = load_image(source, name)
    if (note := note_of(image)).startswith(f"{INCOMPLETE},"):
        raise ImageError(f"{name or source}: a picture of a data set must be whole. {note}")
    return grey_square(image, size)


def grey_square(image: Image.Image, size: int) -> np.ndarray:
    """Scale a PIL image to a grey square: uint8 array `(size, size)`, values 0-255."""
    image = image.convert("L")
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(image)


def check_file(path: Path, name: str, most_bytes: float) -> None:
    """Raise an `ImageError`, which begins with `name`, if a file is missing, a folder, empty or too large."""
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


@cache
def _register_heif():
    # Imported for the first HEIF picture only, because the import takes longer than decoding a small picture.
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)


def _check_size(image, name):
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name}: pictures may have at most {MAX_PIXELS // 1_000_000} megapixels. Received: {width}x{height}."
        )
