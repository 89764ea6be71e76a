"""Many pictures at once, as files or in zips: a broken one is a row with its reason, not the end of the batch."""

import csv
import io
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from fer.errors import UserError
from fer.images import is_picture, load_image

MAX_PICTURES = 200
MAX_BYTES = 20_000_000
"""Of a picture, in a zip unpacked: what the app accepts of a photo that comes alone."""
MAX_MEMBERS = 2_000
"""Files of all kinds in a zip, which is searched anew for each of its pictures."""
MAX_UNPACKED = 500_000_000
"""Bytes of a zip's pictures together, by its own account, beyond which none of them is unpacked."""
NO_FACE = "No face found."
"""The message of a picture that was read and shows none."""
LEFT_OUT = "Smaller faces that were left out: {count}."
"""The message of a picture that shows more faces than are read."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".pgm", ".ppm")


class Picture(NamedTuple):
    """A picture that is still to be read: a file, or with `member` a file of that zip."""

    name: str
    path: Path
    member: str | None = None


def list_pictures(paths):
    """The pictures among files and in zips, in their order. A zip's other files are left out.

    Args:
        paths: of files; names ending in `.zip` are zips.

    Returns:
        A list of `Picture`.

    Raises:
        UserError: for more than `MAX_PICTURES`, or a zip of more than `MAX_MEMBERS` files or `MAX_UNPACKED` bytes.
    """
    pictures = []
    for path in map(Path, paths):
        pictures += _list_zip(path) if path.suffix.lower() == ".zip" else [Picture(path.name, path)]
    if len(pictures) > MAX_PICTURES:
        raise UserError(f"A batch may have at most {MAX_PICTURES} pictures. Received: {len(pictures)}")
    return pictures


def open_picture(picture):
    """Decodes a `Picture` as `fer.images.load_image` does. Zips are unpacked in memory: none of their paths counts.

    Raises:
        UserError: with the reason, where it cannot be read.
    """
    if picture.path.suffix.lower() != ".zip":
        return load_image(picture.path, picture.name, MAX_BYTES)
    try:
        with zipfile.ZipFile(picture.path) as archive, archive.open(picture.member or "") as member:
            content = member.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError, KeyError):
        raise UserError(f"{picture.name}: damaged, encrypted or packed in an unknown way.") from None
    if len(content) > MAX_BYTES:
        raise UserError(f"{picture.name}: pictures in a zip may have at most {MAX_BYTES // 1_000_000} MB.")
    return load_image(io.BytesIO(content), picture.name)


def to_rows(name, faces, message=""):
    """Rows of a picture, ready for JSON: one a face, or one without a face and with the reason.

    Returns:
        A list of dicts with `file`, `face` (from 1, or None), `label`, `probabilities`, `confident` and `message`,
        which says of a picture with more faces than are read how many were left out.
    """
    if not faces:
        return [_row(name, None, None, None, None, message or NO_FACE)]
    if left_out := getattr(faces, "left_out", 0):
        message = LEFT_OUT.format(count=left_out)
    return [
        _row(name, number, face.label, {key: round(value, 6) for key, value in face.probabilities.items()},
             face.confident, message)
        for number, face in enumerate(faces, start=1)
    ]  # fmt: skip


def to_csv(rows, labels):
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


def _list_zip(path):
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return [Picture(path.name, path)]
    if len(entries) > MAX_MEMBERS:
        raise UserError(f"{path.name}: a zip may have at most {MAX_MEMBERS} files. Received: {len(entries)}")
    entries = [entry for entry in entries if is_picture(PurePosixPath(entry.filename), SUFFIXES) and not entry.is_dir()]
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise UserError(f"{path.name}: a zip may have at most {MAX_UNPACKED // 1_000_000} MB of pictures, unpacked.")
    return [Picture(f"{path.name}/{entry.filename}", path, entry.filename) for entry in entries]


def _row(*values):
    return dict(zip(("file", "face", "label", "probabilities", "confident", "message"), values, strict=True))


def _plain(text):
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
