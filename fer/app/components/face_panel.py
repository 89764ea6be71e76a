"""One face as HTML: its crop as the network sees it, its class activation map, and its probabilities as bars.

The pictures are data: URLs in the HTML, so that none of them is written to disk.
"""

import base64
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from fer.app.texts import say, say_class
from fer.labels import class_colors

if TYPE_CHECKING:
    from fer.detection.tracking import TrackedFace
    from fer.recognition.recognizer import Face

HEAT = np.array([(0, 0, 4), (120, 28, 109), (237, 105, 37), (252, 255, 164)], np.float32)
"""Evenly spaced colours of matplotlib's colour map inferno. Its lightness increases, so it also works in greyscale."""
SIDE = 240
"""Width and height of the heatmap in pixels; the crop keeps its size, and the browser enlarges it pixel by pixel."""


def say_expression(language: str, face: "Face") -> str:
    """Return a face's expression in words, with "not sure" if the answer is not confident."""
    return _say(language, "face.reading", face)


def caption(language: str, number: int, face: "Face | TrackedFace") -> str:
    """Return a face's number and expression in a few words, with a question mark if the answer is not confident."""
    return _say(language, "face.caption", face, number=number)


def say_left_out(language: str, count: int) -> str:
    """Return a sentence, with a space before it, on the faces that were found but not read; "" if there are none."""
    return f" {say(language, 'face.left_out', count=count)}" if count else ""


def face_view(
    language: str, labels: Sequence[str], face: "Face | None" = None, activation: np.ndarray | None = None
) -> str:
    """Return the HTML of a face; without a face, the same layout is empty, so that nothing moves when one arrives.

    Args:
        language: code of the page's language.
        labels: classes of the model.
        face: the face, or None.
        activation: class activation map of the face, from `Recognizer.explain`; None if the network has none.
    """
    blank = '<div class="picture"></div>'
    if face is None:
        figures = _figure(blank, say(language, "face.seen")) + _figure(blank, say(language, "face.looked"))
        rows = [(label, 0, "–") for label in labels]
        return _view(say(language, "face.none"), figures, bars(language, rows))
    emotion = say_class(language, face.label)
    crop = _picture(Image.fromarray(face.crop), say(language, "face.seen_alt"), pixelated=True)
    if activation is None:
        looked = _figure(blank, say(language, "face.cannot_say"))
    else:
        heat = _picture(heatmap(face.crop, activation), say(language, "face.looked_alt", emotion=emotion))
        looked = _figure(heat, say(language, "face.looked_for", emotion=emotion))
    swatch = f'<span class="swatch" style="background: {class_colors(face.probabilities)[face.label]}"></span>'
    headline = f"{swatch}{say_expression(language, face)}"
    rows = [(label, value, f"{value:.0%}") for label, value in face.probabilities.items()]
    return _view(headline, _figure(crop, say(language, "face.seen")) + looked, bars(language, rows, face.label))


def heatmap(crop: np.ndarray, activation: np.ndarray) -> Image.Image:
    """Blend a crop with its class activation map, half and half.

    Args:
        crop: grey uint8 array `(size, size)`.
        activation: float32 array `(height, width)`; negative values, which speak against the class, stay dark.

    Returns:
        An RGB image of `SIDE` × `SIDE` pixels, in which the map is scaled to its maximum.
    """
    positive = np.maximum(activation, 0)
    scaled = Image.fromarray(positive / max(float(positive.max()), 1e-9)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    strength = np.clip(np.asarray(scaled), 0, 1)
    stops = np.linspace(0, 1, len(HEAT))
    colors = np.stack([np.interp(strength, stops, HEAT[:, channel]) for channel in range(3)], axis=-1)
    grey = np.asarray(Image.fromarray(crop).resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
    return Image.fromarray((0.5 * grey[..., None] + 0.5 * colors).astype(np.uint8))


def bars(language: str, rows: Iterable[tuple[str, float, str]], top: str | None = None) -> str:
    """Return the HTML of horizontal bars in the classes' colours.

    Args:
        language: code of the page's language.
        rows: label, length (0-1) and text of each bar.
        top: label to emphasise, if any.
    """
    cells, colors = [], class_colors(label for label, _, _ in rows)
    for label, length, text in rows:
        emphasis = " top" if label == top else ""
        fill = f'<div class="fill" style="width: {100 * length:.1f}%; background: {colors[label]}"></div>'
        cells.append(
            f'<div class="name{emphasis}">{say_class(language, label)}</div>'
            f'<div class="track">{fill}</div><div class="number{emphasis}">{text}</div>'
        )
    return f'<div class="bars">{"".join(cells)}</div>'


def _say(language, key, face, **values):
    key = key if face.confident else f"{key}_not_sure"
    emotion = say_class(language, face.label)
    return say(language, key, emotion=emotion, share=face.probabilities[face.label], **values)


def _view(headline, figures, bars):
    return f'<div class="face-view"><p class="answer">{headline}</p><div class="pictures">{figures}</div>{bars}</div>'


def _figure(picture, text):
    return f"<figure>{picture}<figcaption>{text}</figcaption></figure>"


def _picture(image, alt, pixelated=False):
    file = io.BytesIO()
    image.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    style = ' style="image-rendering: pixelated"' if pixelated else ""
    return f'<img class="picture" alt="{alt}"{style} src="data:image/png;base64,{data}">'
