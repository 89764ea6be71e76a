"""The faces of a clip over its seconds: read and numbered, frame by frame, and what becomes of them as rows and CSV."""

from collections import Counter
from typing import NamedTuple

from fer.detection.tracking import MAX_TRACKED, FaceTracker
from fer.recognition.records import clip_rows


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

    frame: `fer.images.clips.Frame`.
    faces: `fer.recognition.recognizer.FaceList`, at most `MAX_TRACKED`.
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
        frames: of `fer.images.clips.read_frames`.
        recognizer: `fer.recognition.recognizer.Recognizer`.
    """
    tracker = FaceTracker(recognizer.calibration)
    for frame in frames:
        faces = recognizer.recognize(frame.image, most=MAX_TRACKED)
        numbers = [face.number for face in tracker.update(faces, frame.seconds)]
        yield Reading(frame, faces, numbers, clip_rows(frame, faces, numbers))


def appearances(rows):
    """The faces of a clip, an `Appearance` each, in the order of their numbers.

    Args:
        rows: of `to_rows`, of all frames.
    """
    faces = {}
    for row in rows:
        if row["face"]:
            faces.setdefault(row["face"], []).append(row)
    return [Appearance(number, own, expression_shares(own)) for number, own in sorted(faces.items())]


def expression_shares(rows):
    counts = Counter(row["label"] if row["confident"] else None for row in rows)
    return {label: count / len(rows) for label, count in counts.most_common()}
