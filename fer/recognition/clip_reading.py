"""Recognition of the faces in a clip: frame by frame, with a number for each face, and summarized per face."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from fer.detection.tracking import LOST_SECONDS, FaceTracker
from fer.labels import NOT_SURE
from fer.recognition.recognizer import MAX_TRACKED
from fer.recognition.records import Row, clip_rows

if TYPE_CHECKING:
    from fer.images.clips import Clip, Frame
    from fer.recognition.recognizer import FaceList, Recognizer

EPISODE_SECONDS = 1.0
"""Seconds for which the same confident answer must last to be an episode. Shorter ones are as often errors as
expressions."""


class Appearance(NamedTuple):
    """A face of a clip in all of its frames.

    number: number of the face, which stays the same over the clip.
    rows: rows of the face, as `fer.recognition.records.clip_rows` returns them, in the order of time; at least one.
    """

    number: int
    rows: list[Row]


class FrameAnswer(NamedTuple):
    """A frame of a clip with the answers to its faces.

    frame: `fer.images.clips.Frame`.
    faces: `fer.recognition.recognizer.FaceList`, at most `MAX_TRACKED` faces.
    numbers: number of each face, which stays the same over the clip.
    rows: rows as `fer.recognition.records.clip_rows` returns them.
    """

    frame: Frame
    faces: FaceList
    numbers: list[int]
    rows: list[Row]


def read_faces(frames: Iterable[Frame], recognizer: Recognizer, every: float = 0.0) -> Iterator[FrameAnswer]:
    """Recognize the faces of a clip, and yield a `FrameAnswer` per frame.

    A face keeps its number while it is in sight or hidden for a moment. Its answers are not smoothed: each depends on
    its frame alone, so that it can be checked, and averaged as the caller likes.

    Args:
        frames: frames of `fer.images.clips.read_frames`.
        recognizer: recognizer of the model.
        every: seconds between frames. If they are far apart, a hidden face keeps its number for longer.
    """
    tracker = FaceTracker(recognizer.calibration, max(LOST_SECONDS, 2 * every))
    for frame in frames:
        faces = recognizer.recognize(frame.image, most=MAX_TRACKED)
        numbers = [face.number for face in tracker.update(faces, frame.seconds)]
        yield FrameAnswer(frame, faces, numbers, clip_rows(frame, faces, numbers))


class ClipSummary:
    """Summary of a clip and of each face in it, built while the frames come.

    The memory depends on the number of faces and episodes, not on the number of frames.

    frames: number of frames so far.
    left_out: number of smaller faces in them that were not classified.
    damaged: number of packets of the clip that were skipped because they are damaged.
    size: width and height in pixels at which players show the clip; None before the first frame.
    """

    def __init__(self):
        self.frames, self.left_out, self.damaged, self.size = 0, 0, 0, None
        self._faces, self._rows = {}, []

    def add(self, answer: FrameAnswer) -> None:
        """Add the answer to the next frame."""
        self.frames += 1
        self.left_out += answer.faces.left_out
        self.size = answer.frame.size
        if self._rows:
            self._count(self._rows, answer.frame.seconds)
        self._rows = answer.rows

    def add_damaged(self) -> None:
        """Count a damaged packet; `fer.images.clips.read_frames` calls this."""
        self.damaged += 1

    def message(self, clip: Clip) -> str:
        """Return a sentence on the damaged packets of the clip, after all frames were added; "" if there are none."""
        are = "is" if self.damaged == 1 else "are"
        return f"{self.damaged} of {clip.packets} packets of the clip {are} damaged." if self.damaged else ""

    def faces(self, end: float) -> list[dict[str, Any]]:
        """Return the faces as JSON objects, after all frames were added.

        Args:
            end: end of the clip in seconds.

        Returns:
            One dict per face, in the order of their numbers: `face` (the number), `first` and `last` (seconds of its
            first and last frame), `frames` (their number), `seconds` (in sight), `shares` (share of its frames, 0-1, by
            the label of the confident answer, or `NOT_SURE`; the largest first) and `episodes` (in which a confident
            answer lasted longer than `EPISODE_SECONDS`: dicts of `label`, `start` and `end` in seconds).
        """
        if self._rows:
            self._count(self._rows, max(end, self._rows[0]["seconds"]))
            self._rows = []
        for face in self._faces.values():
            face.end_episode()
        return [self._faces[number].record(number) for number in sorted(self._faces)]

    def record(self, clip: Clip, every: float, model: str, rows: list[Row] | None = None) -> dict[str, Any]:
        """Return the JSON document of a clip, after all frames were added, at least one.

        Args:
            clip: the clip.
            every: seconds between frames.
            model: name of the model.
            rows: rows of all frames, of `fer.recognition.records.clip_rows`; None to leave them out, which are many for
                a long clip.

        Returns:
            A dict with `clip` (its name), `model`, `seconds`, `width`, `height`, `every`, `rows`, `faces_left_out` and
            `faces`, as the method `faces` returns them; and with `message`, if packets of the clip are damaged.
        """
        width, height = self.size
        record = {
            "clip": clip.name,
            "model": model,
            "seconds": round(clip.seconds, 3),
            "width": width,
            "height": height,
            "every": every,
            **({} if rows is None else {"rows": rows}),
            "faces_left_out": self.left_out,
            "faces": self.faces(clip.seconds),
        }
        return {**record, "message": self.message(clip)} if self.damaged else record

    def _count(self, rows, until):
        there = {row["face"]: row for row in rows if row["face"]}
        for number, face in self._faces.items():
            if number not in there:
                face.end_episode()
        for number, row in there.items():
            self._faces.setdefault(number, _Seen(row["seconds"])).add(row, until)


class _Seen:
    """What a `ClipSummary` knows of one face so far."""

    def __init__(self, first):
        self.first = self.last = first
        self.seconds, self.counts, self.episodes, self.episode = 0.0, Counter(), [], None

    def add(self, row, until):
        self.last, self.seconds = row["seconds"], self.seconds + until - row["seconds"]
        label = row["label"] if row["confident"] else None
        self.counts[label] += 1
        if self.episode and self.episode[0] != label:
            self.end_episode()
        if label:
            self.episode = label, self.episode[1] if self.episode else row["seconds"], until

    def end_episode(self):
        if self.episode and self.episode[2] - self.episode[1] > EPISODE_SECONDS:
            label, start, end = self.episode
            self.episodes.append({"label": label, "start": round(start, 3), "end": round(end, 3)})
        self.episode = None

    def record(self, number):
        frames = self.counts.total()
        return {
            "face": number,
            "first": self.first,
            "last": self.last,
            "frames": frames,
            "seconds": round(self.seconds, 3),
            "shares": {label or NOT_SURE: round(count / frames, 4) for label, count in self.counts.most_common()},
            "episodes": self.episodes,
        }


def appearances(rows: Iterable[Row]) -> list[Appearance]:
    """Return an `Appearance` for each face of a clip, in the order of their numbers, from the rows of all frames."""
    faces = {}
    for row in rows:
        if row["face"]:
            faces.setdefault(row["face"], []).append(row)
    return [Appearance(number, own) for number, own in sorted(faces.items())]
