"""Dataset pictures the way the app meets faces: somewhere in a larger picture, to be found, cut and shrunk again."""

import io
import math
from typing import NamedTuple

import numpy as np
from PIL import Image

SCENE_SIZE = (640, 480)
SIDES = (96, 240)
"""Smallest and largest side of a pasted picture in pixels, two to five times its own."""
MAX_ANGLE = 10
"""Degrees that it is turned by at most, to either side."""
QUALITY = (70, 95)
"""Of the JPEG that the scene is."""
SEED = 2013


class Scene(NamedTuple):
    """A picture with a face pasted in.

    image: PIL image of mode RGB and `SCENE_SIZE`.
    center, side, angle: where the pasted picture lies: x and y and its own side in pixels, and by how many degrees it
        is turned, counterclockwise.
    """

    image: Image.Image
    center: tuple
    side: int
    angle: float

    @property
    def square(self):
        """Where the pasted picture lies: centre, side and turn as `fer.detection.alignment.place_square` gives them."""
        return np.array(self.center), self.side, -math.radians(self.angle)

    def is_in(self, box):
        """Whether the pasted picture's centre lies in a box."""
        left, top, right, bottom = box
        return left <= self.center[0] <= right and top <= self.center[1] <= bottom

    def pick(self, faces):
        """The first of faces, each with a `box`, that the pasted picture is in; None if there is none."""
        return next((face for face in faces if self.is_in(face.box)), None)


def build_scene(face, random):
    """Pastes a face picture, enlarged and slightly turned, into a larger one of soft colours, and stores that as JPEG.

    Args:
        face: grey uint8 array `(size, size)`.
        random: NumPy generator.

    Returns:
        A `Scene`.
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


def find_pasted(recognizer, images):
    """Looks for each face picture in a scene of its own, as the app does for a photo.

    Args:
        recognizer: `fer.recognition.recognizer.Recognizer`.
        images: uint8 array `(n, size, size, 1)`.

    Returns:
        Indices of the pictures whose face was found, int array `(found,)`, and the `fer.recognition.recognizer.Face` of
        each. A face counts as found if its box holds the pasted picture's centre; of several the largest does.
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
