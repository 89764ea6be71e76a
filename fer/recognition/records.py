"""Answers as records and rows: what JSON and CSV hold of photos, of many photos and of clips."""

import csv
import io

import numpy as np


def photo_record(name, image, faces, model):
    """The JSON document of a picture: its name and size, the model that read it, of each face box, label,
    probabilities, score and whether the answer is sure, and how many smaller faces were found and not read.

    Args:
        name: of the picture.
        image: PIL image.
        faces: of `Recognizer.recognize`.
        model: what to call the model.
    """
    return {
        "image": name,
        "model": model,
        "width": image.width,
        "height": image.height,
        "faces": [
            {
                "box": list(face.box),
                "label": face.label,
                "probabilities": {label: round(value, 6) for label, value in face.probabilities.items()},
                "detection_score": None if face.detection_score is None else round(face.detection_score, 6),
                "confident": face.confident,
            }
            for face in faces
        ],
        "faces_left_out": getattr(faces, "left_out", 0),
    }


def clip_rows(frame, faces, numbers):
    """Rows of a frame, ready for JSON: one a face, or one without a face.

    Returns:
        A list of dicts with `seconds`, `face` (its number, or None), `box` (left, top, right, bottom in pixels of the
        clip's own frames), `label`, `probabilities` and `confident`.
    """
    if not faces:
        return [_clip_row(frame.seconds, None, None, None, None, None)]
    scale = np.array(frame.size * 2) / (frame.image.size * 2)
    return [
        _clip_row(frame.seconds, number, np.round(face.box * scale).astype(int).tolist(), face.label,
             {label: round(value, 6) for label, value in face.probabilities.items()}, face.confident)
        for number, face in zip(numbers, faces, strict=True)
    ]  # fmt: skip


def clip_record(clip, every, size, rows, model, left_out=0):
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


def clip_csv(rows, labels):
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


def _clip_row(*values):
    return dict(zip(("seconds", "face", "box", "label", "probabilities", "confident"), values, strict=True))


NO_FACE = "No face found."
"""The message of a picture that was read and shows none."""
LEFT_OUT = "Smaller faces that were left out: {count}."
"""The message of a picture that shows more faces than are read."""


def photo_rows(name, faces, message=""):
    """Rows of a picture, ready for JSON: one a face, or one without a face and with the reason.

    Returns:
        A list of dicts with `file`, `face` (from 1, or None), `label`, `probabilities`, `confident` and `message`,
        which says of a picture with more faces than are read how many were left out.
    """
    if not faces:
        return [_photo_row(name, None, None, None, None, message or NO_FACE)]
    if left_out := getattr(faces, "left_out", 0):
        message = LEFT_OUT.format(count=left_out)
    return [
        _photo_row(name, number, face.label, {key: round(value, 6) for key, value in face.probabilities.items()},
             face.confident, message)
        for number, face in enumerate(faces, start=1)
    ]  # fmt: skip


def note_rows(notes):
    """Return the rows of files that hold no pictures, from pairs of a name and a message."""
    return [row for name, message in notes for row in photo_rows(name, [], message)]


def photos_csv(rows, labels):
    """The rows as CSV, a column a label. What a spreadsheet would take for a formula gets an apostrophe in front."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["file", "face", "label", *labels, "confident", "message"])
    for row in rows:
        probabilities = row["probabilities"] or {}
        writer.writerow(
            [
                _plain(row["file"]),
                row["face"],
                row["label"],
                *(probabilities.get(label) for label in labels),
                row["confident"],
                _plain(row["message"]),
            ]
        )
    return file.getvalue()


def _photo_row(*values):
    return dict(zip(("file", "face", "label", "probabilities", "confident", "message"), values, strict=True))


def _plain(text):
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
