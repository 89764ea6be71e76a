"""Numbered, coloured boxes on a picture."""

from pathlib import Path

from PIL import ImageColor, ImageDraw, ImageFont

from fer.labels import class_colors

FONT = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
"""Path of the captions' font, free to use and pass on (`fonts/LICENSE`). Pillow's own lacks ä, ñ and ¿."""


def caption(number, face):
    """A face in a few words: its number, label and probability; "not sure" where the answer is none."""
    label = face.label if face.confident else f"not sure: {face.label}"
    return f"{number} {label} {face.probabilities[face.label]:.0%}"


def draw_faces(image, faces, numbers=None, caption=caption):
    """Draws each face's box with its caption, or with its number alone where the box is too narrow for that.

    Args:
        image: PIL image of mode RGB; it is left as it is.
        faces: of `fer.recognition.recognizer.Recognizer.recognize`.
        numbers: of the faces; by default from 1 in their order.
        caption: makes the text of a face from its number and it.

    Returns:
        A PIL image of the same size.
    """
    image = image.copy()
    draw = ImageDraw.Draw(image)
    longer = max(image.size)
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
    """Text on a filled plate above the point, or below it at the picture's edge."""
    box = draw.textbbox((0, 0), text, font=font)
    pad = max(2, round((box[3] - box[1]) / 4))
    width, height = box[2] - box[0] + 2 * pad, box[3] - box[1] + 2 * pad
    left = max(0, min(left, size[0] - width))
    top = top - height if top >= height else top
    draw.rectangle((left, top, left + width, top + height), fill=color)
    # The more readable of the two: 5 to 1 or better on each colour of the palette (WCAG 2.2, contrast ratio).
    ink = "black" if ImageColor.getcolor(color, "L") > 100 else "white"
    draw.text((left + pad - box[0], top + pad - box[1]), text, font=font, fill=ink)


def _font(size):
    return ImageFont.truetype(FONT, size)
