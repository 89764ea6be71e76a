"""Pictures of a batch, found among files and in zips within limits of size and number."""

import io
import os
import weakref
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from fer.app.server.limits import MAX_DIRECTORY, MAX_MEMBERS, MAX_PHOTO_BYTES, MAX_PICTURES, MAX_UNPACKED
from fer.errors import UserError
from fer.images.archives import MAX_NAME, find_problem, is_zip, list_members, open_zip, pick_members, read_member
from fer.images.formats import describe_contents, read_head
from fer.images.loading import check_file


class OpenFile:
    """A file that stays readable if it is deleted, as an upload is while a long batch is read.

    It is closed when nothing refers to it any more.

    Args:
        path: path of the file.
    """

    def __init__(self, path: Path):
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def reopen(self) -> int:
        """Return a descriptor from which the file is read from its beginning; whoever reads it closes it."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return os.dup(self._descriptor)


class Picture(NamedTuple):
    """A picture that has not been decoded yet.

    name: name of the picture in answers and errors; a long path in a zip is cut to its last `MAX_NAME` characters.
    file: the file, or the zip that contains it; None if the file cannot be read.
    member: member of that zip; None for a file of its own.
    problem: why the picture cannot be read, if that is known before it is opened; else "".
    """

    name: str
    file: OpenFile | None = None
    member: zipfile.ZipInfo | None = None
    problem: str = ""


class Listing(NamedTuple):
    """The pictures found among files and in zips.

    pictures: the pictures, in their order.
    left_out: number of other files in the zips, by kind.
    notes: name of each zip that has other files or no pictures, with a message that says so.
    """

    pictures: list[Picture]
    left_out: Counter
    notes: list[tuple[str, str]]


def list_pictures(paths: Iterable[str | Path], names: Sequence[str] | None = None) -> Listing:
    """Open files, and return the pictures among them and in zips, in their order.

    Each file that is not a zip counts as a picture, whatever it contains. A zip that cannot be read, or that has more
    than `MAX_MEMBERS` files or `MAX_UNPACKED` bytes, counts as one picture with a `problem`; the other files are still
    read.

    Args:
        paths: paths of the files.
        names: names of the files, if they are not those of the paths.

    Raises:
        UserError: if there are more than `MAX_PICTURES`, or as many files.
    """
    listing = Listing([], Counter(), [])
    paths = [Path(path) for path in paths]
    _check_count(len(paths))
    for path, name in zip(paths, names or [path.name for path in paths], strict=True):
        try:
            if is_zip(read_head(path), name):
                _list_zip(OpenFile(path), name, listing)
            else:
                check_file(path, name, MAX_PHOTO_BYTES)
                listing.pictures.append(Picture(name, OpenFile(path)))
        except UserError as error:
            listing.pictures.append(Picture(name, problem=str(error)))
        except OSError as error:
            listing.pictures.append(Picture(name, problem=f"{name}: cannot be read ({error.strerror})."))
    _check_count(len(listing.pictures))
    return listing


def open_picture(picture: Picture, load_image: Callable[..., Image.Image]) -> Image.Image:
    """Decode a `Picture`, and return it as a PIL image of mode RGB.

    A zip is unpacked in memory, so that the paths in it are never used as paths.

    Args:
        picture: picture that `list_pictures` found.
        load_image: `fer.images.loading.load_image`, or `fer.images.decoding.DecodingPool.load_image`.

    Raises:
        UserError: if the picture cannot be read, with the reason.
    """
    if picture.problem:
        raise UserError(picture.problem)
    if picture.member is None:
        with open(picture.file.reopen(), "rb") as file:
            return load_image(file, picture.name, MAX_PHOTO_BYTES)
    with open_zip(picture.file.reopen(), picture.name, MAX_DIRECTORY) as archive:
        content = read_member(archive, picture.member, picture.name, MAX_PHOTO_BYTES)
    return load_image(io.BytesIO(content), picture.name)


def _check_count(count):
    if count > MAX_PICTURES:
        raise UserError(f"A batch may have at most {MAX_PICTURES} pictures. Received: {count}")


def _list_zip(file, name, listing):
    """Add the pictures of a zip to a `Listing`."""
    with open_zip(file.reopen(), name, MAX_DIRECTORY) as archive:
        members = list_members(archive)
        if len(members) > MAX_MEMBERS:
            raise UserError(f"{name}: a zip may have at most {MAX_MEMBERS} files. Received: {len(members)}")
        members, left_out = pick_members(archive, members)
    if sum(member.file_size for member in members) > MAX_UNPACKED:
        raise UserError(f"{name}: a zip may have at most {MAX_UNPACKED // 1_000_000} MB of pictures, unpacked.")
    for member in members:
        path_there = member.filename
        if len(path_there) > MAX_NAME:  # The end, which has the file's own name and its suffix, is kept.
            path_there = f"…{path_there[1 - MAX_NAME :]}"
        full, problem = f"{name}/{path_there}", find_problem(member)
        listing.pictures.append(Picture(full, file, member, problem and f"{full}: {problem}."))
    listing.left_out.update(left_out)
    if note := describe_contents(name, "zip", len(members), left_out):
        listing.notes.append((name, note))
