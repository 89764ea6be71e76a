"""Many pictures at once, as files or in zips: a broken one is a row with its reason, not the end of the batch."""

import csv
import io
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from fer.archives import find_problem, is_zip, list_files, open_zip, read_member, read_member_head
from fer.errors import UserError
from fer.images import describe_left_out, load_image, pick_pictures, read_head

MAX_PICTURES = 200
MAX_BYTES = 20_000_000
"""Of a picture, in a zip unpacked: what the app accepts of a photo that comes alone."""
MAX_MEMBERS = 2_000
"""Files of all kinds in a zip, which is searched anew for each of its pictures."""
MAX_DIRECTORY = 1_000_000
"""Bytes of a zip's list of its files: 500 for each of `MAX_MEMBERS`."""
MAX_UNPACKED = 500_000_000
"""Bytes of a zip's pictures together, by its own account, beyond which none of them is unpacked."""
NO_FACE = "No face found."
"""The message of a picture that was read and shows none."""
LEFT_OUT = "Smaller faces that were left out: {count}."
"""The message of a picture that shows more faces than are read."""


class Picture(NamedTuple):
    """A picture that is still to be read: a file, or with `member` a file of that zip.

    problem: why it cannot be read, where that is known before it is opened; or "".
    """

    name: str
    path: Path
    member: zipfile.ZipInfo | None = None
    problem: str = ""


class Listing(NamedTuple):
    """What there is among files and in zips.

    pictures: a list of `Picture`.
    left_out: the zips' other files, counted by kind, a `collections.Counter`.
    notes: rows, as of `to_rows`, of the zips that have other files or no pictures, with a message that says so.
    """

    pictures: list
    left_out: Counter
    notes: list


def list_pictures(paths):
    """Find the pictures among files and in zips, in their order.

    A file that comes alone is always a picture, or one with a `problem`. So is a zip that cannot be read or has more
    than `MAX_MEMBERS` files or `MAX_UNPACKED` bytes: the other files are read all the same.

    Args:
        paths: of files.

    Returns:
        A `Listing`.

    Raises:
        UserError: for more than `MAX_PICTURES`.
    """
    listing = Listing([], Counter(), [])
    for path in map(Path, paths):
        if path.suffix.lower() == ".zip" or is_zip(read_head(path)):
            try:
                _list_zip(path, listing)
            except UserError as error:
                listing.pictures.append(Picture(path.name, path, problem=str(error)))
        else:
            listing.pictures.append(Picture(path.name, path))
    if len(listing.pictures) > MAX_PICTURES:
        raise UserError(f"A batch may have at most {MAX_PICTURES} pictures. Received: {len(listing.pictures)}")
    return listing


def open_picture(picture, load_image=load_image):
    """Decode a `Picture`. Zips are unpacked in memory: none of their paths counts.

    Args:
        load_image: `fer.images.load_image`, or `fer.decoding.DecodingPool.load_image`.

    Raises:
        UserError: with the reason, where it cannot be read.
    """
    if picture.problem:
        raise UserError(picture.problem)
    if picture.member is None:
        return load_image(picture.path, picture.name, MAX_BYTES)
    with open_zip(picture.path, picture.name, MAX_DIRECTORY) as archive:
        content = read_member(archive, picture.member, picture.name, MAX_BYTES)
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


def _list_zip(path, listing):
    """Adds what a zip holds to a `Listing`."""
    with open_zip(path, path.name, MAX_DIRECTORY) as archive:
        members = list_files(archive)
        if len(members) > MAX_MEMBERS:
            raise UserError(f"{path.name}: a zip may have at most {MAX_MEMBERS} files. Received: {len(members)}")
        members, left_out = pick_pictures(
            members, partial(read_member_head, archive), lambda member: PurePosixPath(member.filename)
        )
    if sum(member.file_size for member in members) > MAX_UNPACKED:
        raise UserError(f"{path.name}: a zip may have at most {MAX_UNPACKED // 1_000_000} MB of pictures, unpacked.")
    for member in members:
        name, problem = f"{path.name}/{member.filename}", find_problem(member)
        listing.pictures.append(Picture(name, path, member, problem and f"{name}: {problem}."))
    listing.left_out.update(left_out)
    message = [] if members else ["no pictures in this zip"]
    message += [describe_left_out(left_out)] if left_out else []
    if message:
        listing.notes.extend(to_rows(path.name, [], f"{path.name}: {'; '.join(message)}."))


def _row(*values):
    return dict(zip(("file", "face", "label", "probabilities", "confident", "message"), values, strict=True))


def _plain(text):
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
