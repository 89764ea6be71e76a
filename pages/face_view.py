"""One face in HTML: its crop as the network sees it, where the network looked, and its probabilities as bars.

The pictures travel inside the page, so that none of them is written to disk.
"""

import base64
import io

import numpy as np
from PIL import Image

from fer.drawing import EMOTION_COLORS
from fer.labels import EMOTIONS

HEAT = np.array([(0, 0, 4), (120, 28, 109), (237, 105, 37), (252, 255, 164)], np.float32)
"""Stops of matplotlib's colour map inferno: its lightness rises steadily, so that it also reads without colour."""
SIDE = 240
"""Pixels of the heatmap, which is smooth; the crop is sent as it is and enlarged by the browser, its pixels visible."""

CSS = """
#face { min-height: 90px; }
.face-view { display: flex; flex-wrap: wrap; gap: 16px; min-height: 200px; color: var(--body-text-color); }
.face-view figure { margin: 0; width: 132px; }
.face-view .picture { width: 132px; height: 132px; border-radius: 6px; display: block;
  background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
.face-view figcaption { font-size: 13px; line-height: 1.35; margin-top: 4px; }
.face-view .bars { flex: 1 1 260px; display: grid; grid-template-columns: auto 1fr 3.2em; gap: 6px 10px;
  align-items: center; align-content: start; font-size: 15px; }
.face-view .track { height: 14px; border-radius: 4px; background: var(--background-fill-secondary);
  border: 1px solid var(--border-color-primary); overflow: hidden; }
.face-view .fill { height: 100%; }
.face-view .percent { text-align: right; font-variant-numeric: tabular-nums; }
.face-view .top { font-weight: 700; }
"""


def face_view(face=None, activation=None):
    """HTML of a face; without one, the same shape empty, so that nothing moves when a face arrives.

    Args:
        face: `fer.recognizer.Face`.
        activation: its class activation map, of `fer.recognizer.Recognizer.explain`; None where there is none.
    """
    blank = '<div class="picture"></div>'
    if face is None:
        figures = _figure(blank, "What the network sees") + _figure(blank, "Where it looked")
        return f'<div class="face-view">{figures}{bars([(label, 0, "–") for label in EMOTIONS])}</div>'
    crop = _picture(Image.fromarray(face.crop), "The face as the network sees it: grey and small", pixelated=True)
    if activation is None:
        looked = _figure(blank, "This network cannot say where it looked")
    else:
        alt = f"Heatmap over the face: bright where it speaks for {face.label}"
        looked = _figure(_picture(heatmap(face.crop, activation), alt), f"Where it looked for <b>{face.label}</b>")
    figures = _figure(crop, "What the network sees") + looked
    rows = [(label, value, f"{value:.0%}") for label, value in face.probabilities.items()]
    return f'<div class="face-view">{figures}{bars(rows, face.label)}</div>'


def heatmap(crop, activation):
    """A class activation map over its crop.

    Args:
        crop: grey uint8 array `(size, size)`.
        activation: float32 array `(height, width)`; what is negative speaks against the class and is left dark.

    Returns:
        A PIL image of mode RGB, `SIDE` pixels square: half the crop, half the map scaled to its highest place.
    """
    positive = np.maximum(activation, 0)
    place = Image.fromarray(positive / max(float(positive.max()), 1e-9)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    strength = np.clip(np.asarray(place), 0, 1)
    stops = np.linspace(0, 1, len(HEAT))
    colors = np.stack([np.interp(strength, stops, HEAT[:, channel]) for channel in range(3)], axis=-1)
    grey = np.asarray(Image.fromarray(crop).resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
    return Image.fromarray((0.5 * grey[..., None] + 0.5 * colors).astype(np.uint8))


def _figure(picture, text):
    return f"<figure>{picture}<figcaption>{text}</figcaption></figure>"


def _picture(image, alt, pixelated=False):
    file = io.BytesIO()
    image.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    style = ' style="image-rendering: pixelated"' if pixelated else ""
    return f'<img class="picture" alt="{alt}"{style} src="data:image/png;base64,{data}">'


def bars(rows, top=None):
    """HTML of horizontal bars in the emotions' colours.

    Args:
        rows: of label, length (0-1) and text.
        top: the label to emphasise.
    """
    cells = []
    for label, length, text in rows:
        emphasis = " top" if label == top else ""
        fill = f'<div class="fill" style="width: {100 * length:.1f}%; background: {EMOTION_COLORS[label]}"></div>'
        cells.append(
            f'<div class="name{emphasis}">{label}</div><div class="track">{fill}</div>'
            f'<div class="percent{emphasis}">{text}</div>'
        )
    return f'<div class="bars">{"".join(cells)}</div>'
