"""What a clip shows, as HTML: of each face a row an expression, over the seconds, as full as it is probable.

Every row has its name and the shape says the same as the colour. Names are text of the page and keep their size on a
phone; the drawings alone are stretched to the width that there is.
"""

from html import escape
from itertools import pairwise

from fer.app.texts import say, say_class
from fer.labels import EMOTIONS, class_colors
from fer.recognition.clip_reading import appearances, sum_up

MAX_FACES = 6
"""Charts at most, of the faces with the most frames; a pattern that was taken for a face once is none of them."""
MAX_EPISODES = 5
"""Episodes that are told of a face, the first; the downloads have all."""
STEPS = (0.5, 1, 2, 5, 10, 15)
MAX_STEPS = 5
"""Seconds from one mark of the axis to the next, and how many of them there may be: a phone has room for as many."""


def timeline(language, rows=(), seconds=0.0):
    """HTML of a clip's faces; without one, the shape of one, empty, so that nothing moves when it arrives.

    Args:
        language: of the page.
        rows: of `fer.recognition.records.clip_rows`, of all frames.
        seconds: length of the clip.
    """
    faces = appearances(rows)
    times = sorted({row["seconds"] for row in rows})
    ends = dict(pairwise([*times, seconds]))
    shown = sorted(sorted(faces, key=lambda face: len(face.rows), reverse=True)[:MAX_FACES])
    seen = {face["face"]: face for face in sum_up(rows, seconds)}
    figures = [_figure(language, face, seen[face.number], seconds, ends) for face in shown] or [_blank()]
    if len(faces) > len(shown):
        figures.append(f"<p>{say(language, 'video.more', count=len(faces) - len(shown))}</p>")
    return f'<div class="timeline">{"".join(figures)}</div>'


def _blank():
    lanes = '<div class="name"></div><svg></svg>' * len(EMOTIONS)
    return f'<figure><figcaption></figcaption><div class="lanes">{lanes}<div class="axis"></div></div></figure>'


def _figure(language, face, seen, seconds, ends):
    first, last = face.rows[0]["seconds"], face.rows[-1]["seconds"]
    title = say(language, "video.face", number=face.number, first=first, last=last)
    answers = ", ".join(
        f"{say_class(language, label) if label else say(language, 'table.not_sure')} {share:.0%}"
        for label, share in face.shares.items()
    )
    chart = say(language, "video.chart", number=face.number, seconds=seconds, answers=answers)
    lanes = "".join(
        f'<div class="name">{escape(say_class(language, label))}</div>'
        f'<svg viewBox="0 0 {_hundredths(seconds)} 100" preserveAspectRatio="none">'
        f'<path d="{_path(label, face.rows, ends)}" fill="{color}"/></svg>'
        for label, color in class_colors(face.rows[0]["probabilities"]).items()
    )
    return (
        f"<figure><figcaption><b>{escape(title)}</b><br>{escape(answers)}"
        f"<br>{escape(_seen(language, seen))}</figcaption>"
        f'<div class="lanes" role="img" aria-label="{escape(chart)}">{lanes}{_axis(seconds)}</div></figure>'
    )


def _seen(language, seen):
    """Return how long a face is in sight, and the first of its episodes, from `fer.recognition.clip_reading.sum_up`."""
    text = say(language, "video.seen", seconds=seen["seconds"])
    episodes = [
        "{} {start:.1f}–{end:.1f} s".format(say(language, f"emotion.{episode['label']}"), **episode)
        for episode in seen["episodes"]
    ]
    if not episodes:
        return text
    shown = ", ".join(episodes[:MAX_EPISODES]) + (" …" if len(episodes) > MAX_EPISODES else "")
    return f"{text} {say(language, 'video.episodes', episodes=shown)}"


def _path(label, rows, ends):
    """SVG path of steps, each as high as the label is probable, from its frame to the next, whose time `ends` has."""
    path, end = [], None
    for row in rows:
        start, height = row["seconds"], round(100 * (1 - row["probabilities"][label]))
        if start != end:
            path.append(f"{'V100Z' if path else ''}M{_hundredths(start)} 100")
        end = ends[start]
        path.append(f"V{height}H{_hundredths(end)}")
    return f"{''.join(path)}V100Z"


def _axis(seconds):
    step = next((step for step in STEPS if seconds / step <= MAX_STEPS), STEPS[-1])
    marks = [step * index for index in range(int(seconds / step) + 1)]
    spans = "".join(
        f'<span style="left: {100 * mark / seconds:.1f}%">{mark:g} s</span>' for mark in marks if mark <= 0.96 * seconds
    )
    return f'<div class="axis">{spans}</div>'


def _hundredths(seconds):
    return round(100 * seconds)
