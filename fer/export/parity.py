"""Parity test set: 64 face crops on which the probabilities of an export are compared with those of Keras.

32 crops show the astronaut's face (`examples/astronaut.jpg`) at eight angles, two sizes and two brightnesses. 32 are
drawings with four mouths from sad to glad, four pairs of brows from angry to afraid, and narrow or wide eyes. The crops
are the same at each call.
"""

from itertools import product

import numpy as np
from PIL import Image, ImageDraw

from fer.detection.alignment import crop_face
from fer.detection.blazeface import FaceDetector
from fer.images.loading import load_image
from fer.resources import find_resource

PHOTO = find_resource("examples/astronaut.jpg")
"""Path of the photo."""
ANGLES = np.linspace(-42, 42, 8)
"""Angles by which the face is rotated, in degrees, positive counterclockwise."""
BORDERS = (0.0, 0.12)
"""Widths of the border that is cut off on each side, as shares of the side."""
LIGHTS = (0.5, 1.3)
"""Factors of the grey values."""
MOUTHS = (-5, -2, 2, 5)
"""Depths of the drawn mouth's curve in pixels; negative for corners that point down."""
BROWS = (-4, -1, 1, 4)
"""Heights of the brows' inner ends above their middle, in pixels."""
EYES = (2, 5)
"""Half heights of the eyes in pixels."""


def build_crops(size: int) -> np.ndarray:
    """Return the crops, a grey uint8 array `(64, size, size)` with values 0-255."""
    return np.stack([*_cut_real(size), *_draw(size)])


def _cut_real(size):
    """Yield the crops of the photo."""
    image = load_image(PHOTO)
    side = 4 * size
    face = Image.fromarray(crop_face(image, FaceDetector().detect(image)[0], side))
    for angle, border, light in product(ANGLES, BORDERS, LIGHTS):
        box = (border * side, border * side, (1 - border) * side, (1 - border) * side)
        turned = face.rotate(angle, Image.Resampling.BICUBIC, fillcolor=128)
        crop = np.asarray(turned.resize((size, size), Image.Resampling.LANCZOS, box))
        yield np.clip(light * crop, 0, 255).astype(np.uint8)


def _draw(size):
    """Yield the drawings, which are made at 96 pixels and then scaled."""
    for mouth, brow, eye in product(MOUTHS, BROWS, EYES):
        image = Image.new("L", (96, 96), 40)
        draw = ImageDraw.Draw(image)
        draw.ellipse((12, 2, 84, 94), fill=190)
        for x, outwards in ((34, -1), (62, 1)):
            draw.ellipse((x - 7, 40 - eye, x + 7, 40 + eye), fill=235)
            draw.ellipse((x - 3, 40 - min(eye, 3), x + 3, 40 + min(eye, 3)), fill=20)
            inner, outer = x - 9 * outwards, x + 9 * outwards
            draw.line((inner, 28 - brow, outer, 28 + brow), fill=60, width=4)
        draw.line((48, 44, 45, 60, 51, 60), fill=140, width=3)
        draw.line((34, 74 - mouth, 41, 74 + mouth // 2, 48, 74 + mouth, 55, 74 + mouth // 2, 62, 74 - mouth), 50, 4)
        yield np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))
