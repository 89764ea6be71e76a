"""Faces followed over a run of pictures: each keeps its number while it moves, and its probabilities are smoothed.

A stream of any frame rate, even an uneven one, or a clip: all that counts is where the faces are and at what second.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fer.detection.assignment import assign
from fer.detection.blazeface import is_sure_face

SMOOTHING_SECONDS = 0.5
"""Time constant: the answer takes this long for 63 % of the way to a new expression, three times it for 95 %."""
LOST_SECONDS = 2.0
"""Seconds after which a face that was not seen comes back under a new number, unless frames are rarer than that. With
one second, every fifth face that is covered or leaves for up to 0.9 s comes back as another
(`python -m benchmarks.identity_switches`)."""
SPEED_WEIGHT = 0.5
"""Share of the newest step in the speed of a face; boxes tremble."""
COASTING_SECONDS = 0.6
"""Seconds that a face which is not seen is taken to go on as it went."""
FADING_SECONDS = 1.0
"""Seconds unseen after which a face counts 1/e as much as one that was seen just now, where both fit."""
PREDICTED = 0.7
"""Weight of where a face is expected, beside where it was last."""
MAX_TRACKED = 64
"""Faces that are read and followed of each frame of a stream or clip, the largest; of a picture alone more are read."""
LIVE_SIDE = 480
"""Longest side in pixels of a camera's frame when it is read: too small for the slower search of
`fer.detection.blazeface.LOOKS`, which nobody who sits before a camera needs."""
MIN_LIKENESS = -0.25
"""Of two boxes that may be one face. Squares of one size, side by side, have -0.2: a face that moves by its own width
from one picture to the next is still followed."""


@dataclass(frozen=True)
class TrackedFace:
    """A face of one picture with what is known of it from the pictures before.

    number: from 1 in the order of appearance; no other face of the run has it.
    box: left, top, right, bottom in whole pixels, within the picture.
    label: the most probable emotion, smoothed.
    probabilities: by emotion, smoothed; they sum to 1.
    detection_score: 0-1, of this picture alone.
    confident: whether the smoothed top probability reaches the model's threshold, and this picture's detection score
        `fer.detection.blazeface.MIN_SURE_SCORE`; False is "not sure".
    """

    number: int
    box: tuple
    label: str
    probabilities: dict
    detection_score: float | None
    confident: bool


class _Track(NamedTuple):
    """A face as last seen.

    seconds: when that was.
    speed: of its centre, float `(2,)`, in pixels a second.
    """

    face: TrackedFace
    seconds: float
    speed: np.ndarray

    def predict(self, seconds):
        """Return the box that it has later, if it goes on as it went, float `(4,)`."""
        return np.array(self.face.box, float) + np.tile(self.speed * min(seconds - self.seconds, COASTING_SECONDS), 2)

    def next_speed(self, box, seconds):
        """Return its speed once it is seen in this box."""
        passed = max(seconds - self.seconds, 1e-3)
        moved = (np.array(box, float) - self.face.box).reshape(2, 2).mean(axis=0)
        return self.speed + SPEED_WEIGHT * (moved / passed - self.speed)


class FaceTracker:
    """Follows the faces of one run of pictures; holds plain values alone, so that a copy goes its own way.

    Args:
        calibration: `fer.models.calibration.Calibration` of the model, whose threshold also holds for smoothed
            probabilities.
        lost_seconds: after which a face that was not seen gets a new number when it comes back.
    """

    def __init__(self, calibration, lost_seconds=LOST_SECONDS):
        self.calibration, self.lost_seconds = calibration, lost_seconds
        self._count = 0
        self._last = {}
        """Number to the `_Track` of each face that may come back."""

    def update(self, faces, seconds):
        """Follow the faces of the next picture.

        Args:
            faces: of `fer.recognition.recognizer.Recognizer.recognize`, at best no more than `MAX_TRACKED`.
            seconds: when the picture was taken, from any start, never less than before.

        Returns:
            A list of `TrackedFace`, in the order of `faces`.
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
        """Return the number of the known face that each new one is, by its index; those of none are missing.

        The pairs are those that agree best together: where two faces cross, the best pair alone may take the face of
        another one.
        """
        known = list(self._last)
        if not known or not faces:
            return {}
        now = np.array([face.box for face in faces], float)
        tracks = [self._last[number] for number in known]
        before = np.array([track.face.box for track in tracks], float)[:, None]
        moved = np.array([track.predict(seconds) for track in tracks])[:, None]
        here, there = likeness(before, now), likeness(moved, now)
        # A face that goes on as it went is where it is expected; one that stops or turns is nearer to where it was.
        values = PREDICTED * there + (1 - PREDICTED) * here
        values = np.where(np.maximum(here, there) >= MIN_LIKENESS, values - MIN_LIKENESS, 0).clip(0)
        # One that was seen just now goes before one that was covered for a while, by this face perhaps.
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
        confident = bool(confident) and is_sure_face(face.detection_score)
        return TrackedFace(number, face.box, label, probabilities, face.detection_score, confident)


def likeness(one, other):
    """How well boxes `(left, top, right, bottom)` agree, -1 to 1: their overlap less the distance of their centres.

    Args:
        one, other: float arrays `(..., 4)`, or tuples, that NumPy can broadcast.

    Returns:
        float array `(...)`.

    The distance-IoU of Zheng et al., 2020, "Distance-IoU Loss", arXiv:1911.08287: intersection over union, less the
    squared distance in shares of the squared diagonal of the box around both.
    """
    (start, end), (other_start, other_end) = (np.split(np.asarray(box, float), 2, axis=-1) for box in (one, other))
    common = (np.minimum(end, other_end) - np.maximum(start, other_start)).clip(0).prod(axis=-1)
    union = (end - start).prod(axis=-1) + (other_end - other_start).prod(axis=-1) - common
    distance = (((start + end - other_start - other_end) / 2) ** 2).sum(axis=-1)
    diagonal = ((np.maximum(end, other_end) - np.minimum(start, other_start)) ** 2).sum(axis=-1)
    return common / union - distance / diagonal
