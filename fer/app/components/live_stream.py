"""Camera stream on the server: its faces, the one that is followed, and how quickly its frames are answered."""

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fer.app.components.live_view import CHART_SECONDS, Followed
from fer.detection.boxes import measure_areas
from fer.detection.tracking import FaceTracker, TrackedFace
from fer.models.calibration import Calibration

if TYPE_CHECKING:
    from fer.recognition.recognizer import Face

RATE_SECONDS = 3
"""Seconds over which frames per second are counted."""
CHART_STEP = 0.25
"""Least number of seconds between two points of the chart; more points would not be visible."""
CLEARLY_LARGER = 1.5
"""Ratio of areas from which another face is followed instead of the present one. It keeps the chart from switching
between two people of nearly equal size."""


class StreamState:
    """State of a stream: its faces, the one that is followed, and how quickly its frames are answered.

    Args:
        seconds: time of its start.

    Attributes:
        started: time of its start.
        ended: whether it has been ended.
    """

    def __init__(self, seconds: float):
        self.started, self.ended = seconds, False
        self._tracker = None
        self._chosen = None
        self._points = {}
        self._answers = deque()

    def add(self, faces: "Sequence[Face]", calibration: Calibration, seconds: float) -> list[TrackedFace]:
        """Track the faces of the next frame.

        Args:
            faces: faces in the frame.
            calibration: calibration of the model.
            seconds: time of the frame.

        Returns:
            The faces as `fer.detection.tracking.FaceTracker.update` returns them.
        """
        self._tracker = self._tracker or FaceTracker(calibration)
        tracked = self._tracker.update(faces, seconds)
        for face in tracked:
            points = self._points.setdefault(face.number, [])
            if not points or seconds - points[-1][0] >= CHART_STEP:
                points.append((seconds, face.probabilities))
        for number, points in list(self._points.items()):
            self._points[number] = [point for point in points if seconds - point[0] <= CHART_SECONDS]
            if not self._points[number]:
                del self._points[number]
        self._choose(tracked)
        return tracked

    def _choose(self, faces):
        """Follow the same face as before while it is in sight and nearly as large as the largest; else the largest."""
        same = [face for face in faces if self._chosen and face.number == self._chosen.number]
        if same and measure_areas(faces[0].box) < CLEARLY_LARGER * measure_areas(same[0].box):
            self._chosen = same[0]
        elif faces:
            self._chosen = faces[0]

    def followed(self, faces: Sequence[TrackedFace]) -> Followed | None:
        """Return the followed face, given the faces of the newest frame; None before the first face."""
        if self._chosen is None:
            return None
        return Followed(self._chosen, self._chosen in faces, self._points.get(self._chosen.number, ()))

    def count(self, start: float, end: float) -> tuple[float, float] | None:
        """Count an answer.

        Args:
            start: time in seconds at which the frame arrived.
            end: time in seconds at which its answer was complete.

        Returns:
            Frames answered per second, and mean seconds from a frame to its answer, both over the last `RATE_SECONDS`;
            None for the first answer.
        """
        self._answers.append((end, end - start))
        while end - self._answers[0][0] > RATE_SECONDS:
            self._answers.popleft()
        if len(self._answers) < 2:
            return None
        frames = (len(self._answers) - 1) / (end - self._answers[0][0])
        return frames, sum(took for _, took in self._answers) / len(self._answers)
