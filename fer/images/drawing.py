"""Draw numbered, coloured boxes on a picture."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PIL import Image, ImageColor, ImageDraw, ImageFont

from fer.labels import class_colors

FONT = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
"""Path of the captions' font, which has a free licence (`fonts/LICENSE`). Pillow's own font lacks ä, ñ and ¿."""
MOST_ELONGATED = 4
"""Ratio of a picture's sides above which the size of its captions follows the shorter side. The letters of a caption as
wide as a panorama of 200,000 pixels would take more memory than the picture."""


def caption(number: int, face) -> str:
    """Return a face's number, label and probability, such as "1 happy 93%"; with "not sure" if it is not confident."""
    label = face.label if face.confident else f"not sure: {face.label}"
    return f"{number} {label} {face.probabilities[face.label]:.0%}"


def draw_faces(
    image: Image.Image,
    faces: Sequence,
    numbers: Iterable[int] | None = None,
    caption: Callable[..., str] = caption,
) -> Image.Image:
    """Draw the box of each face with its caption, or with its number alone where the box is too narrow.

    Args:
        image: PIL image of mode RGB; it is not changed.
        faces: `fer.recognition.recognizer.Face`s or `fer.detection.tracking.TrackedFace`s.
        numbers: numbers of the faces; by default from 1 in their order.
        caption: function of a face's number and the face that returns its caption.

    Returns:
        A PIL image of the same size.
    """
    image = image.copy()
    draw = ImageDraw.Draw(image)
    longer = min(max(image.size), MOST_ELONGATED * min(image.size))
    line = max(2, round(longer / 300))
    numbers = range(1, len(faces) + 1) if numbers is None else numbers
    for number, face in reversed(list(zip(numbers, faces, strict=True))):
        color = class_colors(face.probabilities)[face.label]
        left, top, right, bottom = face.box
        draw.rectangle((left, top, right - 1, bottom - 1), outline=color, width=line)
        text, size = caption(number, face), max(longer / 30, 11)
        size = min(size, size * 1.6 * (right - left) / draw.textlength(text, font=_font(size)))
        if size < max(longer / 50, 11):
            size, text = max(longer / 50, 11), str(number)
        _write(draw, text, left, top, _font(size), color, image.size)
    return image


def _write(draw, text, left, top, font, color, size):
    """Write a text on a filled rectangle above a point, or below the point where the picture ends above it."""
    box = draw.textbbox((0, 0), text, font=font)
    pad = max(2, round((box[3] - box[1]) / 4))
    width, height = box[2] - box[0] + 2 * pad, box[3] - box[1] + 2 * pad
    left = max(0, min(left, size[0] - width))
    top = top - height if top >= height else top
    draw.rectangle((left, top, left + width, top + height), fill=color)
    # The more readable of black and white; its contrast ratio (WCAG 2.2) is at least 5 to 1 on each colour in use.
    ink = "black" if ImageColor.getcolor(color, "L") > 100 else "white"
    draw.text((left + pad - box[0], top + pad - box[1]), text, font=font, fill=ink)


def _font(size):
    return ImageFont.truetype(FONT, size)
