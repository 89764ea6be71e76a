"""Scenes: data set pictures pasted into larger pictures, to evaluate detection and alignment as in the app."""

import io
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

SCENE_SIZE = (640, 480)
"""Width and height of a scene in pixels."""
SIDES = (96, 240)
"""Smallest and largest side of a pasted picture in pixels, two to five times its original side."""
MAX_ANGLE = 10
"""Largest rotation of a pasted picture in degrees, to either side."""
QUALITY = (70, 95)
"""Lowest and highest JPEG quality of a scene."""
SEED = 2013
"""Seed of the scenes that `find_pasted` builds."""


class Scene(NamedTuple):
    """A picture with a face picture pasted in.

    image: PIL image of mode RGB and `SCENE_SIZE`.
    center: x and y of the centre of the pasted picture in pixels.
    side: side of the pasted picture in pixels, before its rotation.
    angle: rotation of the pasted picture in degrees, counterclockwise.
    """

    image: Image.Image
    center: tuple[float, float]
    side: int
    angle: float

    @property
    def square(self) -> tuple[np.ndarray, int, float]:
        """Centre, side and rotation of the pasted picture as `fer.detection.alignment.place_square` returns them."""
        return np.array(self.center), self.side, -math.radians(self.angle)

    def is_in(self, box: tuple[float, float, float, float]) -> bool:
        """Return whether the centre of the pasted picture lies in a box."""
        left, top, right, bottom = box
        return left <= self.center[0] <= right and top <= self.center[1] <= bottom

    def pick(self, faces: Iterable) -> Any:
        """Return the first face whose `box` contains the centre of the pasted picture, or None."""
        return next((face for face in faces if self.is_in(face.box)), None)


def build_scene(face: np.ndarray, random: np.random.Generator) -> Scene:
    """Paste a face picture, enlarged and slightly rotated, into a blurred coloured background, and compress it as JPEG.

    Args:
        face: grey uint8 array `(size, size)`.
        random: random generator.
    """
    side = int(random.integers(*SIDES, endpoint=True))
    coarse = Image.fromarray(random.integers(60, 196, (4, 5, 3), np.uint8))
    scene = coarse.resize(SCENE_SIZE, Image.Resampling.BICUBIC)
    picture = Image.fromarray(face).resize((side, side), Image.Resampling.BICUBIC).convert("RGBA")
    angle = random.uniform(-MAX_ANGLE, MAX_ANGLE)
    picture = picture.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    left, top = (int(random.integers(0, room - picture.width, endpoint=True)) for room in SCENE_SIZE)
    scene.paste(picture, (left, top), picture)
    file = io.BytesIO()
    scene.save(file, "JPEG", quality=int(random.integers(*QUALITY, endpoint=True)))
    center = (left + picture.width / 2, top + picture.height / 2)
    return Scene(Image.open(file).convert("RGB"), center, side, angle)


def find_pasted(recognizer: Any, images: np.ndarray) -> tuple[np.ndarray, list]:
    """Recognize each face picture in its own scene, as the app recognizes a face in a photo.

    Args:
        recognizer: `fer.recognition.recognizer.Recognizer`.
        images: uint8 array `(n, size, size, 1)`.

    Returns:
        The indices of the pictures whose face was found, an int array `(found,)`, and the
        `fer.recognition.recognizer.Face` of each. A face is found if its box contains the centre of the pasted picture;
        of several such faces the largest counts.
    """
    random = np.random.default_rng(SEED)
    found, faces = [], []
    for index, image in enumerate(images[..., 0]):
        scene = build_scene(image, random)
        face = scene.pick(recognizer.recognize(scene.image))
        if face:
            found.append(index)
            faces.append(face)
    return np.array(found, int), faces
