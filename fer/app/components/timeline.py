"""Chart of a clip as HTML: for each face one row per expression, filled over time in proportion to its probability.

Every row has a name, so that colour is never the only cue. Names are text of the page and keep their size on a phone;
only the drawings are scaled to the available width.
"""

from html import escape
from itertools import pairwise
from typing import Any

from fer.app.texts import say, say_class
from fer.labels import EMOTIONS, NOT_SURE, class_colors
from fer.recognition.clip_reading import appearances

MAX_FACES = 6
"""Maximal number of charts. They show the faces with the most frames, so that a pattern that was mistaken for a face in
a single frame has none."""
MAX_EPISODES = 5
"""Number of a face's first episodes that the page lists; the downloads have all of them."""
STEPS = (0.5, 1, 2, 5, 10, 15)
"""Possible seconds between two marks of the time axis."""
MAX_STEPS = 5
"""Maximal number of steps on the time axis: a phone has room for five."""


def timeline(language: str, record: dict[str, Any] | None = None) -> str:
    """Return the HTML of a clip's charts; without faces, one empty chart, so that nothing moves when an answer arrives.

    Args:
        language: code of the page's language.
        record: record of the clip, with rows, of `fer.recognition.clip_reading.ClipSummary.record`; None for no clip.
    """
    record = record or {"rows": [], "seconds": 0.0, "faces": []}
    rows, seconds = record["rows"], record["seconds"]
    faces = appearances(rows)
    times = sorted({row["seconds"] for row in rows})
    ends = dict(pairwise([*times, seconds]))
    shown = sorted(sorted(faces, key=lambda face: len(face.rows), reverse=True)[:MAX_FACES])
    summaries = {summary["face"]: summary for summary in record["faces"]}
    charts = [_chart(language, face, summaries[face.number], seconds, ends) for face in shown] or [_blank_chart()]
    if len(faces) > len(shown):
        charts.append(f"<p>{say(language, 'video.more', count=len(faces) - len(shown))}</p>")
    return f'<div class="timeline">{"".join(charts)}</div>'


def _blank_chart():
    lanes = '<div class="name"></div><svg></svg>' * len(EMOTIONS)
    return f'<figure><figcaption></figcaption><div class="lanes">{lanes}<div class="axis"></div></div></figure>'


def _chart(language, face, summary, seconds, ends):
    first, last = face.rows[0]["seconds"], face.rows[-1]["seconds"]
    title = say(language, "video.face", number=face.number, first=first, last=last)
    answers = ", ".join(
        f"{say(language, 'table.not_sure') if label == NOT_SURE else say_class(language, label)} {share:.0%}"
        for label, share in summary["shares"].items()
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
        f"<br>{escape(_say_summary(language, summary))}</figcaption>"
        f'<div class="lanes" role="img" aria-label="{escape(chart)}">{lanes}{_axis(seconds)}</div></figure>'
    )


def _say_summary(language, summary):
    """Return in words how long a face is in sight, and its first episodes.

    Args:
        language: code of the page's language.
        summary: the face's dict in `faces` of the record.
    """
    text = say(language, "video.seen", seconds=summary["seconds"])
    episodes = [
        "{} {start:.1f}–{end:.1f} s".format(say_class(language, episode["label"]), **episode)
        for episode in summary["episodes"]
    ]
    if not episodes:
        return text
    shown = ", ".join(episodes[:MAX_EPISODES]) + (" …" if len(episodes) > MAX_EPISODES else "")
    return f"{text} {say(language, 'video.episodes', episodes=shown)}"


def _path(label, rows, ends):
    """Return an SVG path of steps: from each frame to the next, as high as the label's probability.

    Args:
        label: expression of the row.
        rows: rows of the face, in the order of time.
        ends: time of the next frame by the time of each frame.
    """
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
