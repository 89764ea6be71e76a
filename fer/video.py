"""The faces of a clip over its seconds: read and numbered, frame by frame, and what becomes of them as rows and CSV."""

import csv
import io
from collections import Counter
from typing import NamedTuple

import numpy as np

from fer.tracking import MAX_TRACKED, FaceTracker


class Appearance(NamedTuple):
    """A face of a clip.

    number: which it keeps over the clip.
    rows: of `to_rows`, in the order of time; at least one.
    shares: by label, the share (0-1) of the frames with the face in which the answer is sure, the largest first; under
        None the share of the others.
    """

    number: int
    rows: list
    shares: dict


class Reading(NamedTuple):
    """A frame and its faces.

    frame: `fer.clips.Frame`.
    faces: `fer.recognizer.FaceList`, at most `MAX_TRACKED`.
    numbers: of each, which it keeps over the clip.
    rows: of `to_rows`.
    """

    frame: tuple
    faces: list
    numbers: list
    rows: list


def read_faces(frames, recognizer):
    """Reads the faces of a clip, a `Reading` a frame.

    A face keeps its number while it is in sight. What is said of it is what its frame alone shows: nothing is smoothed,
    so that each row can be checked and averaged as it suits.

    Args:
        frames: of `fer.clips.read_frames`.
        recognizer: `fer.recognizer.Recognizer`.
    """
    tracker = FaceTracker(recognizer.calibration)
    for frame in frames:
        faces = recognizer.recognize(frame.image, most=MAX_TRACKED)
        numbers = [face.number for face in tracker.update(faces, frame.seconds)]
        yield Reading(frame, faces, numbers, to_rows(frame, faces, numbers))


def to_rows(frame, faces, numbers):
    """Rows of a frame, ready for JSON: one a face, or one without a face.

    Returns:
        A list of dicts with `seconds`, `face` (its number, or None), `box` (left, top, right, bottom in pixels of the
        clip's own frames), `label`, `probabilities` and `confident`.
    """
    if not faces:
        return [_row(frame.seconds, None, None, None, None, None)]
    scale = np.array(frame.size * 2) / (frame.image.size * 2)
    return [
        _row(frame.seconds, number, np.round(face.box * scale).astype(int).tolist(), face.label,
             {label: round(value, 6) for label, value in face.probabilities.items()}, face.confident)
        for number, face in zip(numbers, faces, strict=True)
    ]  # fmt: skip


def appearances(rows):
    """The faces of a clip, an `Appearance` each, in the order of their numbers.

    Args:
        rows: of `to_rows`, of all frames.
    """
    faces = {}
    for row in rows:
        if row["face"]:
            faces.setdefault(row["face"], []).append(row)
    return [Appearance(number, own, _shares(own)) for number, own in sorted(faces.items())]


def to_record(clip, every, size, rows, model, left_out=0):
    """The JSON document of a clip: its name, length in seconds and size in pixels as it is shown, the step in seconds,
    the model that read it, the rows of all its frames, and how many smaller faces of these were not read."""
    width, height = size
    return {
        "clip": clip.name,
        "model": model,
        "seconds": round(clip.seconds, 3),
        "width": width,
        "height": height,
        "every": every,
        "rows": rows,
        "faces_left_out": left_out,
    }


def to_csv(rows, labels):
    """The rows as CSV, a column a label and a column a side of the box."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["seconds", "face", "label", *labels, "confident", "left", "top", "right", "bottom"])
    for row in rows:
        probabilities, box = row["probabilities"] or {}, row["box"] or [None] * 4
        writer.writerow(
            [
                row["seconds"],
                row["face"],
                row["label"],
                *(probabilities.get(label) for label in labels),
                row["confident"],
                *box,
            ]
        )
    return file.getvalue()


def _shares(rows):
    counts = Counter(row["label"] if row["confident"] else None for row in rows)
    return {label: count / len(rows) for label, count in counts.most_common()}


def _row(*values):
    return dict(zip(("seconds", "face", "box", "label", "probabilities", "confident"), values, strict=True))
