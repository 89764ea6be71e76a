"""64 face crops on which an exported file is compared with Keras: half of them real, half drawn, the same at each call.

The real ones are the astronaut's face (`examples/astronaut.jpg`): turned eight ways, cut closer and wider, darker and
brighter. The drawn ones have four mouths from sad to glad, four brows from angry to afraid, eyes narrow and wide.
"""

from itertools import product

import numpy as np
from PIL import Image, ImageDraw

from fer.detection.alignment import crop_face
from fer.detection.blazeface import FaceDetector
from fer.images.loading import load_image
from fer.resources import find_resource

PHOTO = find_resource("examples/astronaut.jpg")
ANGLES = np.linspace(-42, 42, 8)
BORDERS = (0.0, 0.12)
"""Shares of the side that are cut away all around."""
LIGHTS = (0.5, 1.3)
MOUTHS = (-5, -2, 2, 5)
BROWS = (-4, -1, 1, 4)
EYES = (2, 5)


def build_crops(size):
    """The crops, uint8 `(64, size, size)`, grey, values 0-255."""
    return np.stack([*_cut_real(size), *_draw(size)])


def _cut_real(size):
    image = load_image(PHOTO)
    side = 4 * size
    face = Image.fromarray(crop_face(image, FaceDetector().detect(image)[0], side))
    for angle, border, light in product(ANGLES, BORDERS, LIGHTS):
        box = (border * side, border * side, (1 - border) * side, (1 - border) * side)
        turned = face.rotate(angle, Image.Resampling.BICUBIC, fillcolor=128)
        crop = np.asarray(turned.resize((size, size), Image.Resampling.LANCZOS, box))
        yield np.clip(light * crop, 0, 255).astype(np.uint8)


def _draw(size):
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
