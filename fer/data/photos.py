"""Labelled photos of whole scenes: `<set>/<label>/*`, or one set `<label>/*`."""

from dataclasses import dataclass
from pathlib import Path

from fer.errors import UserError
from fer.images.folders import list_files, walk_folder
from fer.images.formats import pick_pictures, read_head
from fer.labels import EMOTIONS, KNOWN, match_class

LAYOUT = "Expected <label>/* or <set>/<label>/*, with labels among " + ", ".join(EMOTIONS) + " and the model's own"
"""Sentence on what a folder of photos must look like, for messages."""


@dataclass(frozen=True)
class PhotoSet:
    """Photos of one source.

    name: name of its folder, or of the link to it.
    paths: paths of the photos, sorted.
    labels: expression in each photo.
    left_out: numbers of files that are left out, by folder: photos whose expression the model does not know, files that
        are not pictures, and files beside the folders (`.`); for the first set, also those of sets without a photo that
        can be measured (`../<set>/<label>`), and pictures outside all sets (`..`).
    """

    name: str
    paths: tuple[Path, ...]
    labels: tuple[str, ...]
    left_out: dict[str, int]


def list_photo_sets(folder: str | Path, classes: tuple[str, ...] = EMOTIONS) -> list[PhotoSet]:
    """List the sets of labelled photos in a folder, without opening the photos.

    Args:
        folder: one set, or a folder of sets; see the module's description.
        classes: expressions that the model knows.

    Raises:
        UserError: if the folder is missing or holds no set.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder. {LAYOUT}")
    candidates = [folder]
    if not _has_labels(folder, classes):
        candidates = [path for path in _list_folders(folder) if _has_labels(path, classes)]
    listed = [_list_set(path, classes) for path in candidates]
    sets = [each for each in listed if each.paths]
    if not sets:
        raise UserError(f"{folder}: no labelled photos found. {LAYOUT}")
    for empty in (each for each in listed if not each.paths):
        sets[0].left_out.update({f"../{empty.name}/{place}": count for place, count in empty.left_out.items()})
    if candidates != [folder] and (count := _count_outside(folder, candidates)):
        sets[0].left_out[".."] = count
    return sets


def _count_outside(folder, sets):
    """Return the number of pictures in a folder of sets that are in none of them."""
    count = 0
    for here, _, files in walk_folder(folder):
        place = Path(here)
        if not any(place.is_relative_to(each) for each in sets):
            count += len(pick_pictures([place / name for name in files], read_head, path_of=Path)[0])
    return count


def _has_labels(folder, classes):
    """Return whether a folder holds folders of labels; one that holds only such folders itself is a set instead."""
    labelled = _list_labelled(folder, classes)
    return any(_list_loose(path) or not _list_labelled(path, classes) for path in labelled)


def _list_labelled(folder, classes):
    """Return the paths of the folders in a folder that have the name of a label."""
    return [path for path in _list_folders(folder) if match_class(path.name, (*classes, *KNOWN))]


def _list_loose(folder):
    """Return the paths of the files directly in a folder, without hidden ones."""
    return [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]


def _list_folders(folder):
    """Return the paths of the folders in a folder, sorted, without hidden ones."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _list_set(folder, classes):
    paths, labels, left_out = [], [], {}
    if loose := len(_list_loose(folder)):
        left_out["."] = loose
    for subfolder in _list_folders(folder):
        files = sorted(subfolder / name for name in list_files(subfolder))
        files, others = pick_pictures(files, read_head, path_of=Path)
        if others:
            left_out[f"{subfolder.name} (no pictures)"] = others.total()
        if label := match_class(subfolder.name, classes):
            paths += files
            labels += [label] * len(files)
        elif files:
            left_out[subfolder.name] = len(files)
    # The name of a link, not of the folder that it leads to: two links may lead to folders of one name.
    name = folder.resolve().name if folder.name in ("", "..") else folder.name
    return PhotoSet(name, tuple(paths), tuple(labels), left_out)
