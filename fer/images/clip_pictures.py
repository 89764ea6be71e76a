"""Frames of clips as pictures: upright, in square pixels, in the colours of ordinary screens."""

from functools import cache

import numpy as np
from PIL import Image, ImageOps

SIDE = 960
"""Frames are made smaller, for reading and showing, until no side has more pixels. One with one face is read in 0.07 s
on 2 cores at 960 pixels (0.04 s at 640) and in 0.23 s at 1280, where the detector looks once more."""
PQ = 16
"""Number of SMPTE ST 2084 among the transfer characteristics of ITU-T H.273: that of HDR10 and Dolby Vision."""
WHITE_NITS = 203
"""Brightness of white paper in HDR (ITU-R BT.2408); what is brighter becomes white."""


def display_matrix(frame):
    """Return how a clip is turned and mirrored: a point (x, y) is shown at (a x + c y, b x + d y) (FFmpeg's
    `libavutil/display.h`).

    To be asked of one frame of a clip: PyAV makes it part of a reference cycle, and frames are large.

    Returns:
        a, b, c, d.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    return (1, 0, 0, 1) if data is None else np.frombuffer(data, np.int32)[[0, 1, 3, 4]].tolist()


def to_upright(frame, matrix, ratio):
    """Return a frame as an upright PIL image of mode RGB in square pixels, no side above `SIDE`, and the size at which
    players show it.

    Args:
        frame: of PyAV.
        matrix: of `display_matrix`.
        ratio: width of a pixel over its height, before the frame is turned.
    """
    a, b, c, d = matrix
    # As in browsers, the longer side of a pixel counts: no frame loses any.
    size = round(frame.width * max(ratio, 1)), round(frame.height * max(1 / ratio, 1))
    scale = min(1, SIDE / max(size))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in size)
    image = frame.to_image(width=width, height=height, interpolation="AREA")
    if frame.color_trc == PQ:
        image = image.point(3 * _to_sdr())
    if abs(a) < abs(b):
        image, size = image.transpose(Image.Transpose.TRANSPOSE), size[::-1]
        a, d = c, b
    if a < 0:
        image = ImageOps.mirror(image)
    return ImageOps.flip(image) if d < 0 else image, size


@cache
def _to_sdr():
    """Return, for each 8-bit value of PQ, that of an ordinary screen; without it HDR is grey and flat. Colours stay
    those of their wider primaries, which changes the grey of a face crop little."""
    code = (np.arange(256) / 255) ** (1 / 78.84375)
    # The inverse of PQ: constants of SMPTE ST 2084, with 10,000 nits at its top.
    light = (np.maximum(code - 0.8359375, 0) / (18.8515625 - 18.6875 * code)) ** (1 / 0.1593017578125)
    return np.round(255 * np.minimum(10_000 * light / WHITE_NITS, 1) ** (1 / 2.2)).astype(int).tolist()
