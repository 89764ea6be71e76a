"""Turn the frames of clips into pictures: upright, in square pixels, in the colours of ordinary screens."""

from fractions import Fraction
from functools import cache

import av
import numpy as np
from PIL import Image, ImageOps

SIDE = 960
"""Longest side of a frame in pixels; larger frames are scaled down before faces are recognised and shown. A frame with
one face takes 0.07 s on 2 cores at 960 pixels, 0.04 s at 640, and 0.23 s at 1280, where the detector makes another
pass."""
PQ, HLG = 16, 18
"""Numbers of SMPTE ST 2084 and ARIB STD-B67 among the transfer characteristics of ITU-T H.273. HDR10 and Dolby Vision
use the first, phones and television the second."""
HLG_WHITE = 0.75
"""Signal of white paper in HLG, 0-1 (ITU-R BT.2408). Brighter pixels become white."""
WHITE_NITS = 203
"""Brightness of white paper in PQ, in nits (ITU-R BT.2408). Brighter pixels become white."""


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Return how a clip is rotated and mirrored for display.

    Call this for one frame of a clip only: reading the matrix puts the frame, which is large, into a reference cycle.

    Returns:
        a, b, c, d, by which a point (x, y) is shown at (a x + c y, b x + d y), as in FFmpeg's `libavutil/display.h`.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    return (1, 0, 0, 1) if data is None else tuple(np.frombuffer(data, np.int32)[[0, 1, 3, 4]].tolist())


def to_upright(
    frame: av.VideoFrame, matrix: tuple[int, int, int, int], ratio: Fraction | int
) -> tuple[Image.Image, tuple[int, int]]:
    """Convert a frame to an upright picture in square pixels.

    Args:
        frame: frame of the clip.
        matrix: result of `display_matrix`.
        ratio: width of a pixel divided by its height, before the frame is rotated.

    Returns:
        A PIL image of mode RGB with no side above `SIDE`; and the width and height at which players show the frame.
    """
    a, b, c, d = matrix
    # As in browsers, the frame is stretched along one side and never shrunk along the other.
    size = round(frame.width * max(ratio, 1)), round(frame.height * max(1 / ratio, 1))
    scale = min(1, SIDE / max(size))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in size)
    image = frame.to_image(width=width, height=height, interpolation="AREA")
    if frame.color_trc in (PQ, HLG):
        image = image.point(3 * _to_sdr(frame.color_trc))
    if abs(a) < abs(b):
        image, size = image.transpose(Image.Transpose.TRANSPOSE), size[::-1]
        a, d = c, b
    if a < 0:
        image = ImageOps.mirror(image)
    return ImageOps.flip(image) if d < 0 else image, size


@cache
def _to_sdr(transfer):
    """Return a table of 256 entries from 8-bit values in `PQ` or `HLG` to values for ordinary screens.

    Without it, frames in PQ look grey and flat, and those in HLG dark. The wider colour primaries are not converted,
    which changes the grey levels of a face crop little.
    """
    signal = np.arange(256) / 255
    light = _pq_to_light(signal) / WHITE_NITS if transfer == PQ else _hlg_to_light(signal) / _hlg_to_light(HLG_WHITE)
    return np.round(255 * np.minimum(light, 1) ** (1 / 2.2)).astype(int).tolist()


def _pq_to_light(signal):
    """Return the nits of a signal, 0-1, in PQ, with the constants of SMPTE ST 2084."""
    code = signal ** (1 / 78.84375)
    return 10_000 * (np.maximum(code - 0.8359375, 0) / (18.8515625 - 18.6875 * code)) ** (1 / 0.1593017578125)


def _hlg_to_light(signal):
    """Return the light of the scene, 0-1, of a signal, 0-1, in HLG, with the constants of ITU-R BT.2100."""
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12)
