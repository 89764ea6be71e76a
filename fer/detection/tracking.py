"""Track faces through pictures: each keeps its number while it moves, and its probabilities are smoothed.

The pictures may come from a clip, or from a stream of any frame rate, even an uneven one: only the boxes and their
times are used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fer.detection.assignment import assign
from fer.detection.blazeface import allows_confident_answer
from fer.detection.boxes import measure_overlaps

SMOOTHING_SECONDS = 0.5
"""Time constant of the smoothing: after this time an answer is 63% of the way to a new expression, after three times
this long 95%."""
LOST_SECONDS = 2.0
"""Seconds after which a face that was not seen gets a new number when it comes back, unless frames are further apart.
With one second, every fifth face that is covered or leaves for up to 0.9 s gets a new number
(`python -m benchmarks.identity_switches`)."""
SPEED_WEIGHT = 0.5
"""Weight of the newest movement in the speed of a face. It is below 1 because detected boxes tremble."""
COASTING_SECONDS = 0.6
"""Longest time in seconds for which a face that is not seen is expected to keep its speed."""
FADING_SECONDS = 1.0
"""Seconds unseen after which the likeness of a face to a new box counts 1/e as much as that of a face just seen."""
PREDICTED = 0.7
"""Weight of the expected box of a face; its last box has the remaining weight."""
MIN_LIKENESS = -0.25
"""Least `likeness` of two boxes that may be the same face. Equal squares side by side have -0.2, so a face that moves
by its own width from one picture to the next is still tracked."""


@dataclass(frozen=True)
class TrackedFace:
    """A face in one picture, with a number and smoothed probabilities from the pictures before.

    number: unique number of the face within the sequence, from 1 in the order of appearance.
    box: left, top, right, bottom in whole pixels, within the picture.
    label: class with the largest smoothed probability.
    probabilities: smoothed probability by class; they sum to 1.
    detection_score: detection score in this picture, 0-1; None for a face that the caller has cut out.
    confident: whether the largest smoothed probability reaches the model's threshold, and the detection score reaches
        `fer.detection.blazeface.MIN_CONFIDENT_SCORE`; otherwise the answer is "not sure".
    """

    number: int
    box: tuple[int, int, int, int]
    label: str
    probabilities: dict[str, float]
    detection_score: float | None
    confident: bool


class _Track(NamedTuple):
    """The last observation of a face.

    face: the face as it was seen.
    seconds: time of the observation.
    speed: velocity of its centre, float `(2,)` in pixels per second.
    """

    face: TrackedFace
    seconds: float
    speed: np.ndarray

    def predict(self, seconds):
        """Return the box that is expected at a later time, if the face keeps its speed, float `(4,)`."""
        return np.array(self.face.box, float) + np.tile(self.speed * min(seconds - self.seconds, COASTING_SECONDS), 2)

    def next_speed(self, box, seconds):
        """Return the updated speed of the face after it was seen in a box at a later time."""
        passed = max(seconds - self.seconds, 1e-3)
        moved = (np.array(box, float) - self.face.box).reshape(2, 2).mean(axis=0)
        return self.speed + SPEED_WEIGHT * (moved / passed - self.speed)


class FaceTracker:
    """Tracker of the faces in one sequence of pictures. It holds plain values only, so that a copy is independent.

    Args:
        calibration: `fer.models.calibration.Calibration` of the model. Its threshold also applies to smoothed
            probabilities.
        lost_seconds: seconds after which a face that was not seen gets a new number when it comes back.
    """

    def __init__(self, calibration, lost_seconds: float = LOST_SECONDS):
        self.calibration, self.lost_seconds = calibration, lost_seconds
        self._count = 0
        self._last = {}
        """The `_Track` by number of each face that may come back."""

    def update(self, faces: Sequence, seconds: float) -> list[TrackedFace]:
        """Track the faces of the next picture.

        Args:
            faces: faces of `fer.recognition.recognizer.Recognizer.recognize`, at most its `MAX_TRACKED`.
            seconds: time of the picture from any start, never earlier than that of the picture before.

        Returns:
            The tracked faces, in the order of `faces`.
        """
        self._last = {
            number: track for number, track in self._last.items() if seconds - track.seconds <= self.lost_seconds
        }
        numbers = self._match(faces, seconds)
        tracked = [self._follow(face, numbers.get(index), seconds) for index, face in enumerate(faces)]
        for face in tracked:
            before = self._last.get(face.number)
            speed = np.zeros(2) if before is None else before.next_speed(face.box, seconds)
            self._last[face.number] = _Track(face, seconds, speed)
        return tracked

    def _match(self, faces, seconds):
        """Return the number of the known face that each new face is, by the new face's index. New faces are missing.

        All faces are matched together, so that their total likeness is largest. When two faces cross, taking the best
        pair first could give a face the number of the other.
        """
        known = list(self._last)
        if not known or not faces:
            return {}
        now = np.array([face.box for face in faces], float)
        tracks = [self._last[number] for number in known]
        before = np.array([track.face.box for track in tracks], float)[:, None]
        moved = np.array([track.predict(seconds) for track in tracks])[:, None]
        here, there = likeness(before, now), likeness(moved, now)
        # A face that keeps its speed is where it is expected; one that stops or turns is nearer to where it was.
        values = PREDICTED * there + (1 - PREDICTED) * here
        values = np.where(np.maximum(here, there) >= MIN_LIKENESS, values - MIN_LIKENESS, 0).clip(0)
        # A face that was just seen is preferred to one that was covered for a while, perhaps by this face.
        values *= np.exp([[(track.seconds - seconds) / FADING_SECONDS] for track in tracks])
        return {column: known[row] for row, column in assign(values) if values[row, column] > 0}

    def _follow(self, face, number, seconds):
        probabilities = face.probabilities
        if number is None:
            self._count += 1
            number = self._count
        else:
            known, when = self._last[number].face, self._last[number].seconds
            weight = 1 - math.exp((when - seconds) / SMOOTHING_SECONDS)
            probabilities = {
                label: before + weight * (probabilities[label] - before)
                for label, before in known.probabilities.items()
            }
        label = max(probabilities, key=probabilities.get)
        (confident,) = self.calibration.confident([list(probabilities.values())])
        confident = bool(confident) and allows_confident_answer(face.detection_score)
        return TrackedFace(number, face.box, label, probabilities, face.detection_score, confident)


def likeness(one: np.ndarray | tuple, other: np.ndarray | tuple) -> np.ndarray:
    """Return the likeness of boxes, -1 to 1: their overlap minus the distance of their centres.

    It is the distance-IoU of Zheng et al., 2020, "Distance-IoU Loss", arXiv:1911.08287: intersection over union, minus
    the squared distance of the centres divided by the squared diagonal of the box around both.

    Args:
        one, other: boxes `(left, top, right, bottom)`, float `(..., 4)`, whose shapes NumPy can broadcast.

    Returns:
        Float array `(...)`.
    """
    (start, end), (other_start, other_end) = (np.split(np.asarray(box, float), 2, axis=-1) for box in (one, other))
    overlaps, _ = measure_overlaps(one, other)
    distance = (((start + end - other_start - other_end) / 2) ** 2).sum(axis=-1)
    diagonal = ((np.maximum(end, other_end) - np.minimum(start, other_start)) ** 2).sum(axis=-1)
    return overlaps - distance / diagonal
