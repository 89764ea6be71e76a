"""Convert pictures of every mode of Pillow to RGB: transparency on white, 16-bit grey scaled to 8 bits."""

import numpy as np
from PIL import Image

BITS = 258
"""Tag of a TIFF with the number of bits of each channel."""
PHOTOMETRIC = 262
"""Tag of a TIFF that says what its smallest value means: 0 white, 1 black."""


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a decoded picture as RGB; one of mode RGB without transparency is returned itself."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _scale_grey(image).convert("RGB")
    # A BMP of 32 bits has a fourth channel that many programs leave at 0, although nothing is transparent.
    if image.format == "BMP" and image.mode == "RGBA" and not image.getextrema()[3][1]:
        return image.convert("RGB")
    if image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _scale_grey(image):
    """Return a grey picture of more than 8 bits as one of 8 bits, with its transparent value as white."""
    tags, transparent = getattr(image, "tag_v2", {}), image.info.get("transparency")  # A number in a PNG of 16 bits.
    # The format alone decides the scale, so that a dark 16-bit picture stays dark.
    top = 255.0 if image.mode == "F" else 4095.0 if tags.get(BITS) == (12,) else 65535.0
    grey = np.empty((image.height, image.width), np.uint8)
    for start in range(0, image.height, 256):  # The floats of a large picture as a whole would take 200 MB.
        rows = np.asarray(image.crop((0, start, image.width, min(start + 256, image.height))), dtype=np.float32)
        scaled = np.clip(np.nan_to_num(rows) * (255.0 / top), 0, 255)
        grey[start : start + 256] = (
            np.where(rows == transparent, 255, scaled) if isinstance(transparent, int) else scaled
        )
    # A TIFF may give black the largest value. Pillow inverts it if a pixel has 8 bits.
    if image.mode.startswith("I;16") and tags.get(PHOTOMETRIC) == 0:
        grey = 255 - grey
    return Image.fromarray(grey)
