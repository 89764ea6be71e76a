"""FER2013 from what people really have: a folder, a zip or a CSV.

- a folder or zip in Kaggle's layout: `train/<emotion>/*.jpg` and `test/<emotion>/*.jpg`, where the prefixes
  `PublicTest_` and `PrivateTest_` tell validation from test; or `train/`, `validation/` and `test/`;
- the original `fer2013.csv` or `icml_face_data.csv` with the columns emotion, pixels, Usage, alone or in a folder or zip.

Only pictures of the split that was asked for are ever opened.
"""

import csv
import io
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from sklearn.model_selection import train_test_split

from fer.images import ImageError, load_grey
from fer.labels import CSV_EMOTIONS, EMOTIONS, check_classes

SPLITS = ("train", "validation", "test")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
FACE_SIZE = 48

VALIDATION_SHARE = 0.1
SPLIT_SEED = 2013
"""One seed for everybody, apart from the training seed: a split must not change with the run that is measured on it."""

LAYOUT = (
    "Expected train/<emotion>/ beside test/<emotion>/ or validation/<emotion>/, "
    f"or a CSV with the columns emotion, pixels, Usage; emotions are {', '.join(EMOTIONS)}."
)


class DataError(ValueError):
    """A dataset that cannot be used. The message names the file or row and what was expected."""


@dataclass(frozen=True)
class Faces:
    """Labelled pictures of one split.

    images: uint8 `(n, size, size, 1)`, values 0-255.
    labels: int64 `(n,)`, indices into `classes`.
    classes: names of the labels, in the order of `EMOTIONS`.
    names: where each picture came from: its path below the dataset, or its CSV row.
    skipped: messages of the unreadable pictures that were left out.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple
    names: tuple
    skipped: tuple = ()

    def __len__(self):
        return len(self.labels)


@dataclass(frozen=True)
class _Item:
    """A picture that has not been opened: its name, its emotion, its split and how to read it."""

    name: str
    emotion: str
    split: str
    content: object


def load_faces(path, split, classes=EMOTIONS, image_size=FACE_SIZE, limit=None, skip_bad=False):
    """Loads one split of FER2013.

    Args:
        path: folder, zip or CSV; see the module's description.
        split: `train`, `validation` or `test`. Without a validation split, a stratified tenth of training is taken
            (seeded with `SPLIT_SEED`) and is no longer part of `train`.
        classes: emotions to load, at least two; others are left out.
        image_size: side of the answered pictures in pixels.
        limit: at most so many pictures, each class keeping its share; None for all.
        skip_bad: leave unreadable pictures and rows out and report them in `skipped`.

    Returns:
        `Faces`, sorted by name.

    Raises:
        DataError: for a path, layout, class folder, row or picture that does not fit.
        ValueError: for an unknown split or class.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be 'train', 'validation' or 'test'. Received: split={split!r}")
    classes = check_classes(classes)
    with _open_source(Path(path)) as (items, read):
        items = _select(list(items), split, classes, path)
        if limit is not None:
            items = _limit(items, limit)
        images, labels, names, skipped = [], [], [], []
        for item in items:
            try:
                images.append(read(item, image_size))
            except (ImageError, DataError) as error:
                if not skip_bad:
                    raise DataError(f"{error} Leave such pictures out with --skip-bad.") from None
                skipped.append(str(error))
                continue
            labels.append(classes.index(item.emotion))
            names.append(item.name)
    if not images:
        raise DataError(f"{path}: none of the {len(skipped)} pictures of the {split} split could be read.")
    for index, name in enumerate(classes):
        if index not in labels:
            raise DataError(f"{path}: the {split} split has no picture of class {name}.")
    return Faces(np.stack(images)[..., None], np.array(labels), classes, tuple(names), tuple(skipped))


def _select(items, split, classes, path):
    """The items of one split and some classes, sorted by name; makes the validation split where there is none."""
    if not items:
        raise DataError(f"{path}: no pictures found. {LAYOUT}")
    if split != "test" and not any(item.split == "validation" for item in items):
        train = sorted((item for item in items if item.split == "train"), key=lambda item: item.name)
        if not train:
            raise DataError(f"{path}: no training pictures found. {LAYOUT}")
        kept, held_out = _stratified(train, VALIDATION_SHARE, path)
        items = kept if split == "train" else held_out
    else:
        items = [item for item in items if item.split == split]
    items = sorted((item for item in items if item.emotion in classes), key=lambda item: item.name)
    if not items:
        raise DataError(f"{path}: no pictures of the {split} split with the classes {', '.join(classes)}. {LAYOUT}")
    return items


def _stratified(items, share, path):
    emotions = [item.emotion for item in items]
    try:
        return train_test_split(items, test_size=share, stratify=emotions, random_state=SPLIT_SEED)
    except ValueError as error:
        raise DataError(
            f"{path}: there is no validation split, and a stratified tenth of training cannot be taken ({error})"
        ) from None


def _limit(items, limit):
    if limit < 1:
        raise ValueError(f"`limit` must be at least 1. Received: {limit}")
    if limit >= len(items):
        return items
    emotions = [item.emotion for item in items]
    if limit < len(set(emotions)) or len(items) - limit < len(set(emotions)) or min(map(emotions.count, emotions)) < 2:
        chosen = np.random.default_rng(SPLIT_SEED).choice(len(items), limit, replace=False)
        return [items[index] for index in sorted(chosen)]
    chosen, _ = train_test_split(items, train_size=limit, stratify=emotions, random_state=SPLIT_SEED)
    return sorted(chosen, key=lambda item: item.name)


@contextmanager
def _open_source(path):
    """Yields the items below `path` and a function that reads one of them to uint8 `(size, size)`."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. {LAYOUT}")
    if path.is_dir():
        csv_files = [path / name for name in CSV_NAMES if (path / name).is_file()]
        if csv_files and not (path / "train").is_dir():
            path = csv_files[0]
        else:
            names = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
            yield _folder_items(names, path), lambda item, size: load_grey(path / item.content, size)
            return
    if path.suffix.lower() == ".csv":
        with path.open("rb") as file:
            yield _csv_items(file, path), _read_pixels
        return
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: neither a folder, a zip nor a CSV. {LAYOUT}")
    with zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        csv_files = [name for name in names if PurePosixPath(name).name in CSV_NAMES]
        if csv_files:
            with archive.open(csv_files[0]) as file:
                yield _csv_items(file, f"{path}:{csv_files[0]}"), _read_pixels
            return
        yield _folder_items(names, path), lambda item, size: _read_member(archive, item, size, path)


def _read_member(archive, item, size, path):
    try:
        content = archive.read(item.content)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError) as error:
        raise DataError(f"{path}:{item.content}: cannot be unpacked ({error}).") from None
    return load_grey(io.BytesIO(content), size, name=f"{path}:{item.content}")


def _folder_items(names, path):
    """Items of Kaggle's layout; a folder around it (`fer2013/train/…`) is allowed."""
    for name in names:
        parts = PurePosixPath(name).parts
        if parts[-1].startswith(".") or "__MACOSX" in parts or not parts[-1].lower().endswith(IMAGE_SUFFIXES):
            continue
        if len(parts) < 3 or parts[-3] not in SPLITS:
            raise DataError(f"{path}: {name} stands in no split. {LAYOUT}")
        split, emotion = parts[-3:-1]
        if emotion not in EMOTIONS:
            raise DataError(f"{path}: unknown class folder {split}/{emotion}. {LAYOUT}")
        usage = parts[-1].split("_")[0]
        yield _Item("/".join(parts[-3:]), emotion, USAGES.get(usage, split) if split == "test" else split, name)


def _csv_items(file, path):
    rows = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
    header = [name.strip().lower() for name in next(rows, [])]
    missing = {"emotion", "pixels", "usage"} - set(header)
    if missing:
        raise DataError(f"{path}: the column {', '.join(sorted(missing))} is missing. Received: {', '.join(header)}")
    emotion, pixels, usage = (header.index(name) for name in ("emotion", "pixels", "usage"))
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        where = f"{path}, row {number}"
        if len(row) != len(header):
            raise DataError(f"{where}: {len(header)} columns expected. Received: {len(row)}")
        code = row[emotion].strip()
        if code not in map(str, range(len(CSV_EMOTIONS))):
            raise DataError(f"{where}: `emotion` must be 0 to {len(CSV_EMOTIONS) - 1}. Received: {code!r}")
        split = USAGES.get(row[usage].strip())
        if split is None:
            raise DataError(f"{where}: `Usage` must be one of {', '.join(USAGES)}. Received: {row[usage].strip()!r}")
        yield _Item(f"row {number:06d}", CSV_EMOTIONS[int(code)], split, (where, row[pixels]))


def _read_pixels(item, size):
    where, text = item.content
    values = text.split()
    try:
        pixels = np.array(values, dtype=np.int64)
    except ValueError:
        raise DataError(f"{where}: `pixels` must be whole numbers 0-255 between spaces.") from None
    if pixels.size != FACE_SIZE**2 or pixels.min() < 0 or pixels.max() > 255:
        raise DataError(f"{where}: `pixels` must be {FACE_SIZE**2} numbers 0-255. Received: {pixels.size} numbers.")
    face = pixels.astype(np.uint8).reshape(FACE_SIZE, FACE_SIZE)
    if size == FACE_SIZE:
        return face
    return np.asarray(Image.fromarray(face).resize((size, size), Image.Resampling.LANCZOS))
