"""What a live stream shows, as SVG: boxes that lie over the camera's picture, and a face's last seconds as a chart.

The picture itself never comes back from the server: the browser shows its own, and the boxes lie over it.
"""

from html import escape

from fer.app.components.face_panel import caption
from fer.app.texts import say, say_class
from fer.labels import class_colors

CHART_SECONDS = 30
BREAK_SECONDS = 1.5
"""Points further apart than this are not joined: the face was out of sight."""
TEXT = 19
"""Height of a label in pixels of the frame, which is enlarged or made smaller to fit the page."""
LETTER = 0.56
"""Width of a letter in shares of its height: the browser fits the text to the plate that is drawn from it."""
WIDTH, HEIGHT = 360, 232
LEFT, RIGHT, TOP, BOTTOM = 40, 214, 12, 204
"""Of the chart's lines; their names stand to the right."""
LABEL, GAP = 230, 22


def boxes(language, size, faces):
    """SVG that lies over the camera's picture: a box a face, with its number, emotion and probability.

    Args:
        language: of the page.
        size: width and height of the frame; the picture under it is scaled to show all of it.
        faces: of `fer.detection.tracking.FaceTracker.update`.
    """
    width, height = size
    captions = [caption(language, face.number, face) for face in faces]
    shapes = [_box(face, text, width) for face, text in zip(faces, captions, strict=True)]
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape("; ".join(captions))}">'
        f"{''.join(reversed(shapes))}</svg>"
    )


def panel(language, face=None, in_sight=False, points=(), now=0.0, rates=None):
    """HTML of the face that is followed: its name, its last seconds as lines named at their ends, and the rates.

    Without a face it has the same shape, empty, so that nothing moves when one arrives.

    Args:
        language: of the page.
        face: `fer.detection.tracking.TrackedFace`.
        in_sight: whether it is in the newest frame.
        points: of that face, pairs of second and probabilities by emotion, oldest first.
        now: second of the newest frame.
        rates: frames answered a second, and seconds that an answer took; None where there are none.
    """
    title = caption(language, face.number, face) if face else ""
    if face and not in_sight:
        title = say(language, "live.out_of_sight", number=face.number)
    text = say(language, "live.rates", frames=rates[0], milliseconds=1000 * rates[1]) if rates else ""
    lines = _lines(language, face, in_sight, points, now) if face else ""
    described = say(language, "live.chart", seconds=CHART_SECONDS, face=title)
    return (
        f'<div class="live-panel"><p class="title">{escape(title)}</p>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(described)}" font-size="15">'
        f'{_axes()}{lines}</svg><p class="rates">{escape(text)}</p></div>'
    )


def spread(wanted, gap, lowest):
    """Moves heights apart, so that each label can be read.

    Args:
        wanted: heights, rising.
        gap: least distance between two of them.
        lowest: the greatest height there may be; there must be room.

    Returns:
        Heights in the same order, as near as that allows.
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


def _lines(language, face, in_sight, points, now):
    """A line an emotion, the likeliest on top, and to the right their names from the likeliest down."""
    ranked = sorted(face.probabilities, key=face.probabilities.get, reverse=True)
    ends = [_height(face.probabilities[label]) for label in ranked]
    cells, colors = [], class_colors(face.probabilities)
    for label, end, y in reversed(list(zip(ranked, ends, spread(ends, GAP, BOTTOM), strict=True))):
        color, thick = colors[label], 3 if label == face.label else 1.5
        path = "".join(
            f"{'L' if joined else 'M'}{x:.0f} {_height(share):.1f}" for x, share, joined in _path(label, points, now)
        )
        text = say_class(language, label)
        if in_sight:
            text = f"{text} {face.probabilities[label]:.0%}"
        weight = ' font-weight="600"' if label == face.label else ""
        cells.append(
            f'<path d="{path}" fill="none" stroke="{color}" stroke-width="{thick}" stroke-linejoin="round"/>'
            f'<path d="M{RIGHT + 2} {end:.1f}L{LABEL - 4} {y:.1f}" stroke="{color}" fill="none"/>'
            f'<rect x="{LABEL - 4}" y="{y - 5:.1f}" width="10" height="10" rx="2" fill="{color}"/>'
            f'<text x="{LABEL + 12}" y="{y + 5:.1f}"{weight}>{escape(text)}</text>'
        )
    return "".join(cells)


def _path(label, points, now):
    """Of each point its place from the left, its share, and whether the point before it belongs to the same stretch."""
    before = -BREAK_SECONDS
    for seconds, probabilities in points:
        x = RIGHT - (RIGHT - LEFT) * (now - seconds) / CHART_SECONDS
        yield x, probabilities[label], seconds - before < BREAK_SECONDS
        before = seconds


def _height(share):
    return BOTTOM - (BOTTOM - TOP) * share
