"""Answers as JSON documents and CSV rows: of one photo, of many photos and of clips."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeAlias

import numpy as np

from fer.labels import CLIP_COLUMNS, PHOTO_COLUMNS

if TYPE_CHECKING:
    # The app imports this module before PyAV and the networks, which take long to import.
    from fer.images.clips import Frame
    from fer.recognition.recognizer import Face

Row: TypeAlias = dict[str, Any]
"""Type of a row: values by the name of the column."""
CONTROLS = re.compile("[\x00-\x1f\x7f]")
"""Pattern of the characters that may end a row or hide the beginning of a formula."""
NO_FACE = "No face found."
"""Message of a picture without a face."""
LEFT_OUT = "Smaller faces that were left out: {count}."
"""Message of a picture with more faces than are classified."""


class Sized(Protocol):
    """A picture with a size in pixels, such as a PIL image."""

    @property
    def width(self) -> int | None: ...

    @property
    def height(self) -> int | None: ...


def photo_record(name: str, size: Sized, faces: Sequence[Face], model: str, message: str = "") -> dict[str, Any]:
    """Return the JSON document of a picture.

    Args:
        name: name of the picture.
        size: picture whose width and height are recorded; they are None if the picture could not be read.
        faces: faces of `Recognizer.recognize`.
        model: name of the model.
        message: remark on the picture, such as why it could not be read; or "".

    Returns:
        A dict with `image`, `model`, `width`, `height`, `faces` (for each: `box`, `label`, `probabilities`,
        `detection_score` and `confident`) and `faces_left_out` (number of smaller faces that were not classified); and
        with `message`, if there is one.
    """
    record = {
        "image": name,
        "model": model,
        "width": size.width,
        "height": size.height,
        "faces": [_face_record(face) for face in faces],
        "faces_left_out": getattr(faces, "left_out", 0),
    }
    return {**record, "message": message} if message else record


def _face_record(face):
    return {
        "box": list(face.box),
        "label": face.label,
        "probabilities": _round(face.probabilities),
        "detection_score": None if face.detection_score is None else round(face.detection_score, 6),
        "confident": face.confident,
    }


def _round(probabilities):
    return {label: round(value, 6) for label, value in probabilities.items()}


def clip_rows(frame: Frame, faces: Sequence[Face], numbers: Sequence[int]) -> list[Row]:
    """Return the rows of a frame: one per face, or a single one if there is no face.

    Args:
        frame: frame of the clip.
        faces: faces in the frame.
        numbers: number of each face.

    Returns:
        Dicts of JSON values with `seconds`, `face` (its number, or None), `box` (left, top, right, bottom in pixels of
        the clip as players show it), `label`, `probabilities` and `confident`.
    """
    if not faces:
        return [{"seconds": frame.seconds, **dict.fromkeys(("face", "box", "label", "probabilities", "confident"))}]
    scale = np.array(frame.size * 2) / (frame.image.size * 2)
    return [
        {
            "seconds": frame.seconds,
            "face": number,
            "box": np.round(face.box * scale).astype(int).tolist(),
            "label": face.label,
            "probabilities": _round(face.probabilities),
            "confident": face.confident,
        }
        for number, face in zip(numbers, faces, strict=True)
    ]


def clip_csv(rows: Iterable[Row], labels: Sequence[str]) -> str:
    """Return the rows of a clip as CSV, as `start_clip_csv` writes it."""
    file = io.StringIO()
    start_clip_csv(file, labels)(rows)
    return file.getvalue()


def start_clip_csv(file: TextIO, labels: Sequence[str]) -> Callable[[Iterable[Row]], None]:
    """Write the first line of a clip's CSV to an open file; return a function that writes rows of `clip_rows` below it.

    There is one column per label, and one per side of the box.
    """
    writer = csv.writer(file, lineterminator="\n")
    _write_header(writer, CLIP_COLUMNS, labels)

    def add(rows):
        for row in rows:
            probabilities, box = row["probabilities"] or {}, row["box"] or [None] * 4
            shares = (probabilities.get(label) for label in labels)
            writer.writerow([row["seconds"], row["face"], row["label"], *shares, row["confident"], *box])

    return add


def photo_rows(name: str, faces: Sequence[Face], message: str = "", note: str = "") -> list[Row]:
    """Return the rows of a picture: one per face, or a single one with the reason if there is no face.

    Args:
        name: name of the picture.
        faces: faces of `Recognizer.recognize`.
        message: reason why the picture could not be read, or "".
        note: remark on a picture that was read, of `fer.images.loading.note_of`.

    Returns:
        Dicts of JSON values with `file`, `face` (from 1, or None), the face's values as in `photo_record`, and
        `message`, which contains the note and the number of faces that were left out.
    """
    if not faces:
        nothing = dict.fromkeys(("box", "label", "probabilities", "detection_score", "confident"))
        return [{"file": name, "face": None, **nothing, "message": message or f"{NO_FACE} {note}".strip()}]
    left_out = getattr(faces, "left_out", 0)
    message = f"{LEFT_OUT.format(count=left_out) if left_out else ''} {note}".strip()
    return [
        {"file": name, "face": number, **_face_record(face), "message": message}
        for number, face in enumerate(faces, start=1)
    ]


def note_rows(notes: Iterable[tuple[str, str]]) -> list[Row]:
    """Return the rows of folders and zips with other files or no pictures, from pairs of a name and a message."""
    return [row for name, message in notes for row in photo_rows(name, [], message)]


def photos_csv(rows: Iterable[Row], labels: Sequence[str]) -> str:
    """Return the rows of pictures as CSV, as `start_photos_csv` writes it."""
    file = io.StringIO()
    start_photos_csv(file, labels)(rows)
    return file.getvalue()


def start_photos_csv(file: TextIO, labels: Sequence[str]) -> Callable[[Iterable[Row]], None]:
    """Write the first line of the CSV of many pictures to an open file; return a function that writes rows below it.

    There is one column per label, and one per side of the box. The rows are those of `photo_rows`. In names and
    messages, control characters become spaces, so that no line end begins another row, and a text that a spreadsheet
    would take for a formula gets an apostrophe in front.
    """
    writer = csv.writer(file, lineterminator="\n")
    _write_header(writer, PHOTO_COLUMNS, labels)

    def add(rows):
        for row in rows:
            probabilities = row["probabilities"] or {}
            shares = (probabilities.get(label) for label in labels)
            name, message, box = _plain(row["file"]), _plain(row["message"]), row["box"] or [None] * 4
            cells = [name, row["face"], row["label"], *shares, row["confident"], message, *box]
            writer.writerow([*cells, row["detection_score"]])

    return add


def _write_header(writer, columns, labels):
    before, after = columns
    writer.writerow([*before, *labels, *after])


def _plain(text):
    text = CONTROLS.sub(" ", text)
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") else text
