"""Answers as records and rows: what JSON and CSV hold of photos, of many photos and of clips."""

import csv
import io

import numpy as np


def photo_record(name, size, faces, model, message=""):
    """Return the JSON document of a picture.

    Args:
        name: of the picture.
        size: what has its `width` and `height` in pixels, such as a PIL image; both are None where the picture could
            not be read.
        faces: of `Recognizer.recognize`.
        model: what to call the model.
        message: what is to be said of the picture, such as why it could not be read; or "".

    Returns:
        A dict with the picture's name and size, the model that read it, of each face box, label, probabilities, score
        and whether the answer is sure, and how many smaller faces were found and not read; and with the message, if
        there is one.
    """
    record = {
        "image": name,
        "model": model,
        "width": size.width,
        "height": size.height,
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
    return {**record, "message": message} if message else record


def clip_rows(frame, faces, numbers):
    """Return the rows of a frame, ready for JSON: one per face, or one without a face.

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


def clip_record(clip, every, size, rows, model, left_out=0, faces=()):
    """Return the JSON document of a clip.

    Args:
        clip: `fer.images.clips.Clip`.
        every: seconds between frames.
        size: width and height in pixels at which it is shown.
        rows: of `clip_rows`, of all its frames.
        model: what to call the model.
        left_out: number of smaller faces that were not read.
        faces: summary of each face, of `fer.recognition.clip_reading.ClipSummary.faces`.

    Returns:
        A dict with the clip's name, length in seconds and size in pixels, the step in seconds, the model that read it,
        the rows of all its frames, how many smaller faces of these were not read, and the faces.
    """
    record = clip_summary(clip, every, size, faces, model, left_out)
    faces, left_out = record.pop("faces"), record.pop("faces_left_out")
    return {**record, "rows": rows, "faces_left_out": left_out, "faces": faces}


def clip_summary(clip, every, size, faces, model, left_out=0):
    """Return `clip_record` without its rows, which of a clip of hours are many."""
    width, height = size
    return {
        "clip": clip.name,
        "model": model,
        "seconds": round(clip.seconds, 3),
        "width": width,
        "height": height,
        "every": every,
        "faces": list(faces),
        "faces_left_out": left_out,
    }


def clip_csv(rows, labels):
    """Return the rows of a clip as CSV, a column per label and a column per side of the box."""
    file = io.StringIO()
    start_clip_csv(file, labels)(rows)
    return file.getvalue()


def start_clip_csv(file, labels):
    """Write the head of a clip's CSV to an open file; return a function that writes rows of `clip_rows` below it."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["seconds", "face", "label", *labels, "confident", "left", "top", "right", "bottom"])

    def add(rows):
        for row in rows:
            probabilities, box = row["probabilities"] or {}, row["box"] or [None] * 4
            shares = (probabilities.get(label) for label in labels)
            writer.writerow([row["seconds"], row["face"], row["label"], *shares, row["confident"], *box])

    return add


def _clip_row(*values):
    return dict(zip(("seconds", "face", "box", "label", "probabilities", "confident"), values, strict=True))


NO_FACE = "No face found."
"""The message of a picture that was read and shows none."""
LEFT_OUT = "Smaller faces that were left out: {count}."
"""The message of a picture that shows more faces than are read."""


def photo_rows(name, faces, message="", note=""):
    """Return the rows of a picture, ready for JSON: one per face, or one without a face and with the reason.

    Args:
        message: why the picture could not be read, or "".
        note: what is to be said of a picture that was read, of `fer.images.loading.note_of`.

    Returns:
        A list of dicts with `file`, `face` (from 1, or None), `label`, `probabilities`, `confident` and `message`,
        which holds the note, and says of a picture with more faces than are read how many were left out.
    """
    if not faces:
        return [_photo_row(name, None, None, None, None, message or f"{NO_FACE} {note}".strip())]
    left_out = getattr(faces, "left_out", 0)
    message = f"{LEFT_OUT.format(count=left_out) if left_out else ''} {note}".strip()
    return [
        _photo_row(name, number, face.label, {key: round(value, 6) for key, value in face.probabilities.items()},
             face.confident, message)
        for number, face in enumerate(faces, start=1)
    ]  # fmt: skip


def note_rows(notes):
    """Return the rows of files that hold no pictures, from pairs of a name and a message."""
    return [row for name, message in notes for row in photo_rows(name, [], message)]


def photos_csv(rows, labels):
    """Return the rows of pictures as CSV, as `start_photos_csv` writes it."""
    file = io.StringIO()
    start_photos_csv(file, labels)(rows)
    return file.getvalue()


def start_photos_csv(file, labels):
    """Write the head of the CSV of many pictures to an open file, a column per label; return a function that writes
    rows of `photo_rows` below it. What a spreadsheet would take for a formula gets an apostrophe in front."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["file", "face", "label", *labels, "confident", "message"])

    def add(rows):
        for row in rows:
            probabilities = row["probabilities"] or {}
            shares = (probabilities.get(label) for label in labels)
            name, message = _plain(row["file"]), _plain(row["message"])
            writer.writerow([name, row["face"], row["label"], *shares, row["confident"], message])

    return add


def _photo_row(*values):
    return dict(zip(("file", "face", "label", "probabilities", "confident", "message"), values, strict=True))


def _plain(text):
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
