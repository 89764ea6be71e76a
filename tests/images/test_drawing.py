from itertools import product

import numpy as np
import pytest
from PIL import Image, ImageColor

from fer.images.drawing import draw_faces
from fer.labels import EMOTION_COLORS, EMOTIONS
from fer.recognition.recognizer import Face


def face_in(box, label="happy"):
    return Face(box, label, dict.fromkeys(EMOTIONS, 1 / 7), 0.9, True, np.zeros((48, 48), np.uint8))


def plate(box, caption, label="happy"):
    """The pixels above a face's box, where its caption is."""
    drawn = draw_faces(Image.new("RGB", (600, 400), "gray"), [face_in(box, label)], caption=lambda *_: caption)
    return np.asarray(drawn)[: box[1], :]


def test_a_box_has_the_emotions_colour_and_the_picture_stays_as_it_is():
    image = Image.new("RGB", (600, 400), "gray")
    drawn = draw_faces(image, [face_in((200, 100, 400, 300), "fear")])
    assert drawn.getpixel((200, 200)) == ImageColor.getrgb(EMOTION_COLORS["fear"])
    assert image.getcolors() == [(600 * 400, ImageColor.getrgb("gray"))]


def test_letters_of_all_languages_are_drawn_each_in_its_own_way():
    letters = [plate((200, 100, 400, 300), letter) for letter in "äöüßáéíñ¿"]
    assert all(one.tobytes() != other.tobytes() for one, other in product(letters, letters) if one is not other)


def test_a_caption_too_long_for_its_face_shrinks_and_then_gives_way_to_the_number():
    wide, narrow, tiny = [
        (plate((200, 100, 200 + side, 100 + side), "1 surprise 90%", "surprise") != 128).any(axis=(0, 2)).sum()
        for side in (200, 80, 20)
    ]
    assert wide > narrow > 80 > tiny > 0


@pytest.mark.parametrize("label", EMOTIONS)
def test_captions_contrast_with_their_plate(label):
    colors = np.unique(plate((200, 100, 400, 300), "1", label).reshape(-1, 3), axis=0)
    luminances = {tuple(color): luminance(color) for color in colors}
    ground = luminances.pop(ImageColor.getrgb(EMOTION_COLORS[label]))
    assert max(contrast(ground, ink) for color, ink in luminances.items() if len(set(color)) == 1) > 4.5


def luminance(color):
    shares = np.asarray(color) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
