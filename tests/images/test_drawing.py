from itertools import product

import numpy as np
import pytest
from PIL import Image, ImageColor

from fer.images.drawing import draw_faces
from fer.labels import EMOTION_COLORS, EMOTIONS
from fer.recognition.recognizer import Face


def face_in(box, label="happy"):
    return Face(box, label, dict.fromkeys(EMOTIONS, 1 / 7), 0.9, True, np.zeros((48, 48), np.uint8))


def draw_caption(box, caption, label="happy"):
    """Return the pixels above the box of a face, where its caption is drawn."""
    drawn = draw_faces(Image.new("RGB", (600, 400), "gray"), [face_in(box, label)], caption=lambda *_: caption)
    return np.asarray(drawn)[: box[1], :]


def test_a_box_has_the_colour_of_its_emotion_and_the_input_is_not_changed():
    image = Image.new("RGB", (600, 400), "gray")
    drawn = draw_faces(image, [face_in((200, 100, 400, 300), "fear")])
    assert drawn.getpixel((200, 200)) == ImageColor.getrgb(EMOTION_COLORS["fear"])
    assert image.getcolors() == [(600 * 400, ImageColor.getrgb("gray"))]


def test_letters_of_all_languages_have_different_glyphs():
    letters = [draw_caption((200, 100, 400, 300), letter) for letter in "äöüßáéíñ¿"]
    assert all(one.tobytes() != other.tobytes() for one, other in product(letters, letters) if one is not other)


def test_long_captions_are_reduced_and_then_replaced_by_the_number():
    wide, narrow, tiny = [
        (draw_caption((200, 100, 200 + side, 100 + side), "1 surprise 90%", "surprise") != 128).any(axis=(0, 2)).sum()
        for side in (200, 80, 20)
    ]
    assert wide > narrow > 80 > tiny > 0


@pytest.mark.parametrize("label", EMOTIONS)
def test_captions_contrast_with_their_background(label):
    colors = np.unique(draw_caption((200, 100, 400, 300), "1", label).reshape(-1, 3), axis=0)
    luminances = {tuple(color): luminance(color) for color in colors}
    ground = luminances.pop(ImageColor.getrgb(EMOTION_COLORS[label]))
    assert max(contrast(ground, ink) for color, ink in luminances.items() if len(set(color)) == 1) > 4.5


def luminance(color):
    shares = np.asarray(color) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_captions_of_a_very_wide_picture_follow_its_height():
    drawn = draw_faces(Image.new("RGB", (40_000, 40), "gray"), [face_in((0, 0, 40_000, 40))])
    assert drawn.size == (40_000, 40)
    letters = (np.asarray(drawn)[2:-2, 2:-2] != 128).any(axis=(0, 2)).nonzero()[0]
    assert letters.max() < 400
