"""Decode pictures from anywhere: guarded, upright, in RGB, one sentence for what cannot be read."""

import math
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fer.errors import UserError

MAX_PIXELS = 50_000_000
"""Pictures above this are refused before they are decoded: 50 megapixels are 150 MB in memory."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
"""What is decoded. Pillow knows more, among them EPS, for which it starts Ghostscript on the stranger's program."""

# Pillow warns of sizes, which `_check_size` judges, and of odd metadata. Not around the decoding: a filter that is set
# and taken back is that of all threads in the meantime.
warnings.filterwarnings("ignore", module="PIL")


class ImageError(UserError):
    """A picture that cannot be read. Its message is one sentence for the person who sent it."""


def is_picture(path, suffixes):
    """Whether a path in a folder or zip names a picture by its suffix. Hidden files are none, nor are those that macOS
    puts, with the picture's suffix, beside each picture of a zip.

    Args:
        path: `pathlib.PurePath`.
        suffixes: of pictures, in lower case, such as `.jpg`.
    """
    return path.name.lower().endswith(suffixes) and not path.name.startswith(".") and "__MACOSX" not in path.parts


def load_image(source, name=None, most_bytes=math.inf):
    """Decodes a picture: first frame, EXIF orientation applied, transparency on white, 16-bit grey scaled to 8.

    Args:
        source: path or binary file object.
        name: what to call the picture in an error; by default the path.
        most_bytes: that a file may have.

    Returns:
        A PIL image of mode RGB.

    Raises:
        ImageError: if it is missing, empty, no picture, truncated, above `MAX_PIXELS` or above `most_bytes`.
    """
    name = name or str(source)
    if isinstance(source, (str, Path)):
        _check_file(Path(source), name, most_bytes)
    try:
        with Image.open(source, formats=FORMATS) as image:
            _check_size(image, name)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _to_rgb(image)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: pictures may have at most {MAX_PIXELS // 1_000_000} megapixels.") from None
    except UnidentifiedImageError:
        raise ImageError(
            f"{name}: not a picture that can be read here; send JPEG, PNG, WebP, GIF, BMP or TIFF."
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError, MemoryError, struct.error) as error:
        raise ImageError(f"{name}: the picture is damaged or incomplete ({error}).") from None


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
        grey = np.nan_to_num(np.asarray(image, dtype=np.float32)) * (255.0 / top)
        return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")
