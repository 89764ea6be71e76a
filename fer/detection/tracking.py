"""Faces followed over a run of pictures: each keeps its number while it moves, and its probabilities are smoothed.

A stream of any frame rate, even an uneven one, or a clip: all that counts is where the faces are and at what second.
"""

import math
from dataclasses import dataclass

import numpy as np

from fer.images.sampling import MAX_EVERY

SMOOTHING_SECONDS = 0.5
"""Time constant: the answer takes this long for 63 % of the way to a new expression, three times it for 95 %."""
LOST_SECONDS = 2 * MAX_EVERY
"""A face unseen for longer comes back under a new number."""
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
    confident: whether the smoothed top probability reaches the model's threshold; False is "not sure".
    """

    number: int
    box: tuple
    label: str
    probabilities: dict
    detection_score: float | None
    confident: bool


class FaceTracker:
    """Follows the faces of one run of pictures; holds plain values alone, so that a copy goes its own way.

    Args:
        calibration: `fer.models.calibration.Calibration` of the model, whose threshold also holds for smoothed
            probabilities.
    """

    def __init__(self, calibration):
        self.calibration = calibration
        self._count = 0
        self._last = {}
        """Number to the face as last seen and the second of it."""

    def update(self, faces, seconds):
        """The faces of the next picture.

        Args:
            faces: of `fer.recognition.recognizer.Recognizer.recognize`, at best no more than `MAX_TRACKED`.
            seconds: when the picture was taken, from any start, never less than before.

        Returns:
            A list of `TrackedFace`, in the order of `faces`.
        """
        self._last = {
            number: (face, when) for number, (face, when) in self._last.items() if seconds - when <= LOST_SECONDS
        }
        numbers = self._match(faces)
        tracked = [self._follow(face, numbers.get(index), seconds) for index, face in enumerate(faces)]
        self._last.update({face.number: (face, seconds) for face in tracked})
        return tracked

    def _match(self, faces):
        """Index of a new face to the number of the known one that it is, the likeliest pair first."""
        known = list(self._last)
        if not known or not faces:
            return {}
        before, now = [self._last[number][0].box for number in known], [face.box for face in faces]
        values = likeness(np.array(before, float)[:, None], np.array(now, float))
        rows, indices = np.nonzero(values >= MIN_LIKENESS)
        pairs = zip(values[rows, indices], [known[row] for row in rows], indices.tolist(), strict=True)
        numbers, taken = {}, set()
        for _, number, index in sorted(pairs, reverse=True):
            if index not in numbers and number not in taken:
                numbers[index] = number
                taken.add(number)
        return numbers

    def _follow(self, face, number, seconds):
        probabilities = face.probabilities
        if number is None:
            self._count += 1
            number = self._count
        else:
            known, when = self._last[number]
            weight = 1 - math.exp((when - seconds) / SMOOTHING_SECONDS)
            probabilities = {
                label: before + weight * (probabilities[label] - before)
                for label, before in known.probabilities.items()
            }
        label = max(probabilities, key=probabilities.get)
        (confident,) = self.calibration.confident([list(probabilities.values())])
        return TrackedFace(number, face.box, label, probabilities, face.detection_score, bool(confident))


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
