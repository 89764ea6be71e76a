"""View of a live stream as SVG: boxes over the camera's picture, and a chart of the last seconds of one face.

The server never sends the picture back: the browser shows its own picture and draws the boxes over it.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from fer.app.components.face_panel import caption
from fer.app.texts import say, say_class
from fer.detection.tracking import TrackedFace
from fer.labels import class_colors

CHART_SECONDS = 30
"""Seconds that the chart shows."""
BREAK_SECONDS = 1.5
"""Least number of seconds between two points that no line joins, because the face was out of sight between them."""
TEXT = 19
"""Height of a label in pixels of the frame, which the page scales."""
LETTER = 0.56
"""Mean width of a letter as a fraction of its height; the browser fits the text to the width that this gives."""
WIDTH, HEIGHT = 360, 232
"""Size of the chart in SVG units."""
LEFT, RIGHT, TOP, BOTTOM = 40, 214, 12, 204
"""Edges of the area in which the chart draws lines; the names of the classes are to the right of it."""
LABEL, GAP = 230, 22
"""Left edge of the names, and the least distance from one name to the next."""
NAMES = BOTTOM // GAP + 1
"""Number of names that have room one above the other: those of the most probable classes. All classes have a line."""


class Followed(NamedTuple):
    """The face of a stream that the chart shows.

    face: the face as it was last seen.
    in_sight: whether the face is in the newest frame.
    points: time in seconds and probabilities by class of the face in recent frames, oldest first.
    """

    face: TrackedFace
    in_sight: bool
    points: Sequence[tuple[float, dict]]


def boxes(language: str, size: tuple[int, int], faces: Sequence[TrackedFace]) -> str:
    """Return the SVG that lies over the camera's picture: a box per face with its number, class and probability.

    Args:
        language: code of the page's language.
        size: width and height of the frame, which the page shows in full.
        faces: faces of the frame, from `FaceTracker.update`.
    """
    width, height = size
    captions = [caption(language, face.number, face) for face in faces]
    shapes = [_box(face, text, width) for face, text in zip(faces, captions, strict=True)]
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape("; ".join(captions))}">'
        f"{''.join(reversed(shapes))}</svg>"
    )


def panel(
    language: str, followed: Followed | None = None, now: float = 0.0, rates: tuple[float, float] | None = None
) -> str:
    """Return the HTML of the followed face: its caption, a chart of its last seconds, and the rates of the stream.

    Without a face the layout is the same but empty, so that nothing moves when a face arrives.

    Args:
        language: code of the page's language.
        followed: the followed face, or None.
        now: time of the newest frame in seconds.
        rates: frames answered per second, and seconds from a frame to its answer; None if not known yet.
    """
    title = _title(language, followed) if followed else ""
    text = say(language, "live.rates", frames=rates[0], milliseconds=1000 * rates[1]) if rates else ""
    lines = _lines(language, followed, now) if followed else ""
    description = say(language, "live.chart", seconds=CHART_SECONDS, face=title)
    return (
        f'<div class="live-panel"><p class="title">{escape(title)}</p>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}" font-size="15">'
        f'{_axes()}{lines}</svg><p class="rates">{escape(text)}</p></div>'
    )


def spread(wanted: Sequence[float], gap: float, lowest: float) -> list[float]:
    """Move the positions of labels apart, so that each label can be read.

    Args:
        wanted: wanted y coordinates, in ascending order.
        gap: least distance between two labels.
        lowest: largest y coordinate allowed; all labels must have room above it.

    Returns:
        y coordinates in the same order, close to the wanted ones.
    """
    placed = []
    for height in wanted:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    return [min(height, lowest - gap * left) for left, height in zip(reversed(range(len(placed))), placed, strict=True)]


def _box(face, text, width):
    color = class_colors(face.probabilities)[face.label]
    left, top, right, bottom = face.box
    long, tall = LETTER * TEXT * len(text), 1.5 * TEXT
    x = max(0, min(left, width - long - TEXT))
    y = top - tall if top >= tall else top
    return (
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" fill="none" stroke="{color}" '
        f'stroke-width="3"/><rect x="{x}" y="{y}" width="{long + TEXT}" height="{tall}" fill="#18181b"/>'
        f'<rect x="{x}" y="{y}" width="{TEXT / 2}" height="{tall}" fill="{color}"/>'
        f'<text x="{x + 0.75 * TEXT}" y="{y + 1.1 * TEXT}" font-size="{TEXT}" fill="white" textLength="{long:.1f}" '
        f'lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
    )


def _title(language, followed):
    face = followed.face
    if followed.in_sight:
        return caption(language, face.number, face)
    return say(language, "live.out_of_sight", number=face.number)


def _axes():
    cells = []
    for share in (0, 0.5, 1):
        y = _height(share)
        cells.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y}" y2="{y}"/>')
        cells.append(f'<text x="{LEFT - 5}" y="{y + 5}" text-anchor="end" font-size="13">{share:.0%}</text>')
    for seconds in (CHART_SECONDS, CHART_SECONDS // 2, 0):
        x = RIGHT - (RIGHT - LEFT) * seconds / CHART_SECONDS
        text = f"−{seconds} s" if seconds else "0 s"
        cells.append(f'<text x="{x}" y="{BOTTOM + 20}" text-anchor="middle" font-size="13">{text}</text>')
    return "".join(cells)


def _lines(language, followed, now):
    """Return the SVG of one line per class, the most probable on top, and the names of the first `NAMES`."""
    face, in_sight, points = followed
    ranked = sorted(face.probabilities, key=face.probabilities.get, reverse=True)
    ends = [_height(face.probabilities[label]) for label in ranked]
    cells, colors = [], class_colors(face.probabilities)
    heights = spread(ends[:NAMES], GAP, BOTTOM)
    for index, (label, end) in reversed(list(enumerate(zip(ranked, ends, strict=True)))):
        color, thick = colors[label], 3 if label == face.label else 1.5
        path = "".join(
            f"{'L' if joined else 'M'}{x:.0f} {_height(share):.1f}" for x, share, joined in _path(label, points, now)
        )
        cells.append(f'<path d="{path}" fill="none" stroke="{color}" stroke-width="{thick}" stroke-linejoin="round"/>')
        if index >= NAMES:
            continue
        y, text = heights[index], say_class(language, label)
        if in_sight:
            text = f"{text} {face.probabilities[label]:.0%}"
        weight = ' font-weight="600"' if label == face.label else ""
        cells.append(
            f'<path d="M{RIGHT + 2} {end:.1f}L{LABEL - 4} {y:.1f}" stroke="{color}" fill="none"/>'
            f'<rect x="{LABEL - 4}" y="{y - 5:.1f}" width="10" height="10" rx="2" fill="{color}"/>'
            f'<text x="{LABEL + 12}" y="{y + 5:.1f}"{weight}>{escape(text)}</text>'
        )
    return "".join(cells)


def _path(label, points, now):
    """Yield the x coordinate and the probability of each point, and whether a line joins it to the point before."""
    before = -BREAK_SECONDS
    for seconds, probabilities in points:
        x = RIGHT - (RIGHT - LEFT) * (now - seconds) / CHART_SECONDS
        yield x, probabilities[label], seconds - before < BREAK_SECONDS
        before = seconds


def _height(share):
    """Return the y coordinate of a probability."""
    return BOTTOM - (BOTTOM - TOP) * share
