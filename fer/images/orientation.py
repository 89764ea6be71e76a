"""EXIF orientation: how a picture has to be turned to be upright."""

import struct
from collections.abc import Mapping
from typing import Any

from PIL import Image

TAG = 0x0112
"""EXIF tag of the orientation (CIPA DC-008)."""
EXIF = b"Exif\0\0"
"""Beginning of EXIF data in a JPEG."""
FORMATS = {3: "H", 4: "L", 8: "h", 9: "l"}
"""Formats of the whole numbers that an orientation may be stored as, for `struct`, by EXIF's number of the type."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Pillow's operations that make a picture upright, by its orientation."""


def find_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, in a block of EXIF data; 1 if it holds none or is damaged.

    Only the first directory is read, and no data outside it. `PIL.Image.Exif` reads every tag, with a copy of its data,
    and raises errors for damaged tags of no importance.

    Args:
        exif: bytes of the block, with or without the leading `EXIF`, which some programs repeat.
    """
    start = 0
    while exif.startswith(EXIF, start):
        start += len(EXIF)
    block = exif[start:]
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}L", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, directory)
        for place in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", block, place)
            if tag == TAG:
                (value,) = struct.unpack_from(order + FORMATS[kind], block, place + 8)
                return value if value in TURNS else 1
    except (struct.error, KeyError):
        pass
    return 1


def exif_of(info: Mapping[Any, Any]) -> bytes:
    """Return the EXIF data of an opened picture from its `info`; b"" without any.

    Older versions of ImageMagick write those of a PNG as text: a line with their name, one with their length, and
    hexadecimal digits.
    """
    if exif := info.get("exif"):
        return exif
    text = info.get("Raw profile type exif", "")
    try:
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return b""


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return a picture turned by its orientation, 1 to 8."""
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image
