"""The faces of a clip over its seconds: read and numbered frame by frame, and summed up for each face."""

from collections import Counter
from typing import NamedTuple

from fer.detection.tracking import LOST_SECONDS, MAX_TRACKED, FaceTracker
from fer.recognition.records import clip_rows

EPISODE_SECONDS = 1.0
"""Seconds that a sure answer must go on to be an episode; shorter ones are as often a slip as an expression."""
NOT_SURE = "not sure"
"""Name of the share of the frames without a sure answer."""


class Appearance(NamedTuple):
    """A face of a clip.

    number: which it keeps over the clip.
    rows: of `fer.recognition.records.clip_rows`, in the order of time; at least one.
    shares: by label, the share (0-1) of the frames with the face in which the answer is sure, the largest first; under
        None the share of the others.
    """

    number: int
    rows: list
    shares: dict


class FrameAnswer(NamedTuple):
    """A frame of a clip with the answers to its faces.

    frame: `fer.images.clips.Frame`.
    faces: `fer.recognition.recognizer.FaceList`, at most `MAX_TRACKED` faces.
    numbers: number of each face, which stays the same over the clip.
    rows: rows as `fer.recognition.records.clip_rows` returns them.
    """

    frame: tuple
    faces: list
    numbers: list
    rows: list


def read_faces(frames, recognizer, every=0.0):
    """Read the faces of a clip, and yield a `FrameAnswer` per frame.

    A face keeps its number while it is in sight, or leaves for a moment. What is said of it is what its frame alone
    shows: nothing is smoothed, so that each row can be checked and averaged as it suits.

    Args:
        frames: of `fer.images.clips.read_frames`.
        recognizer: `fer.recognition.recognizer.Recognizer`.
        every: seconds between frames; where they are rare, a face is looked for for longer.
    """
    tracker = FaceTracker(recognizer.calibration, max(LOST_SECONDS, 2 * every))
    for frame in frames:
        faces = recognizer.recognize(frame.image, most=MAX_TRACKED)
        numbers = [face.number for face in tracker.update(faces, frame.seconds)]
        yield FrameAnswer(frame, faces, numbers, clip_rows(frame, faces, numbers))


class ClipSummary:
    """What becomes of each face of a clip, summed up while its frames come: memory follows the number of faces and of
    their episodes, not of frames."""

    def __init__(self):
        self._faces, self._rows = {}, []

    def add(self, rows):
        """Take in the rows of the next frame, of `fer.recognition.records.clip_rows`."""
        if self._rows:
            self._count(self._rows, rows[0]["seconds"])
        self._rows = rows

    def faces(self, end):
        """Return the faces, ready for JSON, once all frames are in.

        Args:
            end: seconds at which the clip ends.

        Returns:
            A list of dicts, by number, with `face` (its number), `first` and `last` (seconds of its first and last
            frame), `frames`, `seconds` (in sight), `shares` (0-1 of its frames, by label where the answer is sure and
            under `NOT_SURE`, the largest first) and `episodes`, in which a sure answer went on for more than
            `EPISODE_SECONDS`: dicts of `label`, `start` and `end` in seconds.
        """
        if self._rows:
            self._count(self._rows, max(end, self._rows[0]["seconds"]))
            self._rows = []
        for face in self._faces.values():
            face.end_episode()
        return [self._faces[number].record(number) for number in sorted(self._faces)]

    def _count(self, rows, until):
        there = {row["face"]: row for row in rows if row["face"]}
        for number, face in self._faces.items():
            if number not in there:
                face.end_episode()
        for number, row in there.items():
            self._faces.setdefault(number, _Seen(row["seconds"])).add(row, until)


class _Seen:
    """A face of a `ClipSummary` so far."""

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


def sum_up(rows, end):
    """Return the faces of a clip as `ClipSummary.faces` does, from the rows of all its frames."""
    summary, frame = ClipSummary(), []
    for row in rows:
        if frame and frame[0]["seconds"] != row["seconds"]:
            summary.add(frame)
            frame = []
        frame.append(row)
    if frame:
        summary.add(frame)
    return summary.faces(end)


def appearances(rows):
    """Return the faces of a clip, an `Appearance` each, in the order of their numbers.

    Args:
        rows: of `fer.recognition.records.clip_rows`, of all frames.
    """
    faces = {}
    for row in rows:
        if row["face"]:
            faces.setdefault(row["face"], []).append(row)
    return [Appearance(number, own, expression_shares(own)) for number, own in sorted(faces.items())]


def expression_shares(rows):
    """Return `Appearance.shares` of the rows of one face."""
    counts = Counter(row["label"] if row["confident"] else None for row in rows)
    return {label: count / len(rows) for label, count in counts.most_common()}
