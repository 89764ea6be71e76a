"""FER2013 from what people really have: a folder, a zip or a CSV.

- a folder or zip in Kaggle's layout: `train/<emotion>/*.jpg` and `test/<emotion>/*.jpg`, where the prefixes
  `PublicTest_` and `PrivateTest_` tell validation from test; or `train/`, `validation/` and `test/`;
- the original `fer2013.csv` or `icml_face_data.csv` with the columns emotion, pixels, Usage: alone, in a folder or zip.

Only pictures of the split that was asked for are ever opened; of files without a picture's suffix, the first bytes are
read to know what they are.
"""

import csv
import hashlib
import io
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from sklearn.model_selection import train_test_split

from fer.archives import FAILURES, list_files, open_member, open_zip, read_member, read_member_head
from fer.errors import UserError
from fer.images import MAX_PIXELS, ImageError, describe_left_out, grey_square, load_grey, pick_pictures, read_head
from fer.labels import CSV_EMOTIONS, EMOTIONS, check_classes

SPLITS = ("train", "validation", "test")
CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
FACE_SIZE = 48
MAX_MEMBER_BYTES = 6 * MAX_PIXELS
"""Bytes of a picture in a zip: the largest in 16 bits a channel, without compression."""

VALIDATION_SHARE = 0.1
SPLIT_SEED = 2013
"""One seed for everybody, apart from the training seed: a split must not change with the run that is measured on it."""

LAYOUT = (
    "Expected train/<emotion>/ beside test/<emotion>/ or validation/<emotion>/, "
    f"or a CSV with the columns emotion, pixels, Usage; emotions are {', '.join(EMOTIONS)}."
)


class DataError(UserError):
    """A dataset that cannot be used. The message names the file or row and what was expected."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Labelled pictures of one split.

    images: uint8 `(n, size, size, 1)`, values 0-255.
    labels: int64 `(n,)`, indices into `classes`.
    classes: names of the labels, in the order of `EMOTIONS`.
    names: where each picture came from: its path below the dataset, or its CSV row.
    skipped: messages of the unreadable pictures and broken rows that were left out.
    left_out: how many files of the dataset are no pictures, by kind, as a sentence; "" for none.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple
    names: tuple
    skipped: tuple = ()
    left_out: str = ""

    def __len__(self):
        return len(self.labels)

    def take(self, indices):
        """The pictures at some indices, in their order, as `Faces`."""
        names = tuple(self.names[index] for index in indices)
        return replace(self, images=self.images[indices], labels=self.labels[indices], names=names)

    def resize(self, size):
        """The same with pictures of `size` pixels a side, scaled as `load_faces` scales them."""
        if size == self.images.shape[1]:
            return self
        scaled = [grey_square(Image.fromarray(image), size) for image in self.images[..., 0]]
        return replace(self, images=np.stack(scaled)[..., None])

    def sha256(self):
        """Digest of pictures and labels in hexadecimal: the same for two people who measure on the same data."""
        digest = hashlib.sha256(self.images.tobytes())
        digest.update(" ".join(self.classes[label] for label in self.labels).encode())
        return digest.hexdigest()


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
            (seeded with `SPLIT_SEED`) and is no longer part of `train`; files and rows with the same content stay
            together.
        classes: emotions to load, at least two; others are left out.
        image_size: side of the answered pictures in pixels.
        limit: at most so many pictures, each class keeping its share but at least one picture; None for all.
        skip_bad: leave unreadable pictures and broken rows out and report them in `skipped`. A broken row may not tell
            its split, so it is reported with every split.

    Returns:
        `Faces`, sorted by name.

    Raises:
        DataError: for a path, layout, class folder, row or picture that does not fit.
        UserError: for an unknown split or class, or a limit below the number of classes.
    """
    if split not in SPLITS:
        raise UserError(f"`split` must be 'train', 'validation' or 'test'. Received: split={split!r}")
    classes = check_classes(classes)
    skipped = []

    def skip(error):
        if not skip_bad:
            raise DataError(f"{error} Leave such pictures out with --skip-bad.") from None
        skipped.append(str(error))

    with _open_source(Path(path), skip) as (items, read, content_of, left_out):
        items = _select(list(items), split, classes, path, content_of)
        if limit is not None:
            items = _limit(items, limit)
        images, labels, names = [], [], []
        for item in items:
            try:
                images.append(read(item, image_size))
            except (ImageError, DataError) as error:
                skip(error)
                continue
            labels.append(classes.index(item.emotion))
            names.append(item.name)
    if not images:
        raise DataError(f"{path}: none of the {len(items)} pictures of the {split} split could be read.")
    for index, name in enumerate(classes):
        if index not in labels:
            raise DataError(f"{path}: the {split} split has no picture of class {name}.")
    return Faces(np.stack(images)[..., None], np.array(labels), classes, tuple(names), tuple(skipped), left_out)


def load_votes(path, names):
    """Loads the votes of FER+ (Barsoum et al., 2016, arXiv:1608.01041): ten people's opinion of each picture.

    Args:
        path: CSV with the column `file`, a picture's path below the dataset, and a column of counts a category.
        names: of the pictures, as in `Faces.names`.

    Returns:
        float64 array `(n, categories)`, shares that sum to 1; a row of NaN where a picture has no votes.

    Raises:
        DataError: for a file that does not fit, or one that knows none of the pictures.
    """
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file. Expected a CSV of votes with the column file.")
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        if header[:1] != ["file"] or len(header) < 2:
            raise DataError(f"{path}: the first column must be file, the others categories. Received: {header}")
        try:
            votes = {row[0]: np.array(row[1:], float) for row in rows if row}
        except ValueError as error:
            raise DataError(f"{path}: votes must be numbers ({error}).") from None
    if any(len(counts) != len(header) - 1 for counts in votes.values()):
        raise DataError(f"{path}: each row must have {len(header)} columns.")
    wrong = next((name for name, counts in votes.items() if not (np.isfinite(counts) & (counts >= 0)).all()), None)
    if wrong is not None:
        raise DataError(f"{path}: votes must be counts, 0 or more. Received: {votes[wrong].tolist()} for {wrong}")
    nothing = np.full(len(header) - 1, np.nan)
    counts = np.stack([votes.get(name, nothing) for name in names])
    total = counts.sum(axis=1, keepdims=True)
    if not (total > 0).any():
        raise DataError(f"{path}: no votes for any picture. Expected names like {names[0]}.")
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def load_categories(path):
    """The names of the columns that `load_votes` answers, from the same CSV."""
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        return next(csv.reader(file))[1:]


def _select(items, split, classes, path, content_of):
    """The items of one split and some classes, sorted by name; makes the validation split where there is none."""
    if not items:
        raise DataError(f"{path}: no pictures found. {LAYOUT}")
    if split != "test" and not any(item.split == "validation" for item in items):
        train = sorted((item for item in items if item.split == "train"), key=lambda item: item.name)
        if not train:
            raise DataError(f"{path}: no training pictures found. {LAYOUT}")
        kept, held_out = _stratified(train, VALIDATION_SHARE, path, content_of)
        items = kept if split == "train" else held_out
    else:
        items = [item for item in items if item.split == split]
    items = sorted((item for item in items if item.emotion in classes), key=lambda item: item.name)
    if not items:
        raise DataError(f"{path}: no pictures of the {split} split with the classes {', '.join(classes)}. {LAYOUT}")
    return items


def _stratified(items, share, path, content_of):
    """Two lists of the items; those of the same content are in the same one, and counted once for its share."""
    groups = {}
    for item in items:
        groups.setdefault(content_of(item), []).append(item)
    groups = list(groups.values())
    emotions = [group[0].emotion for group in groups]
    try:
        parts = train_test_split(groups, test_size=share, stratify=emotions, random_state=SPLIT_SEED)
        return [list(chain.from_iterable(part)) for part in parts]
    except ValueError as error:
        raise DataError(
            f"{path}: there is no validation split, and a stratified tenth of training cannot be taken ({error})"
        ) from None


def _limit(items, limit):
    """Some of the items: the first of every class, then of each as many as its share (chosen with `SPLIT_SEED`)."""
    sizes = Counter(item.emotion for item in items)
    if limit < len(sizes):
        raise UserError(f"`limit` must be at least {len(sizes)}, a picture a class. Received: {limit}")
    seen, ranks = Counter(), {}
    for index in np.random.default_rng(SPLIT_SEED).permutation(len(items)):
        emotion = items[index].emotion
        ranks[index] = seen[emotion] / sizes[emotion]
        seen[emotion] += 1
    return [items[index] for index in sorted(sorted(ranks, key=ranks.get)[:limit])]


@contextmanager
def _open_source(path, skip):
    """Yields the items below `path`, a function that reads one of them to uint8 `(size, size)`, one whose answer is the
    same for items of the same content, and what was left out.

    Rows of a CSV that are no items go to `skip` as errors.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. {LAYOUT}")
    if path.is_dir():
        names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        csv_name = _find_csv(names)
        if csv_name is None:
            names, left_out = pick_pictures(names, lambda name: read_head(path / name))
            read = lambda item, size: load_grey(path / item.content, size)  # noqa: E731
            yield _folder_items(names, path), read, lambda item: _digest(path, item), _left_out(path, left_out)
            return
        path = path / csv_name
    if path.suffix.lower() == ".csv":
        with path.open("rb") as file:
            yield _csv_items(file, path, skip), _read_pixels, _pixels_of, ""
        return
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(open_zip(path))
        except UserError as error:
            reason = str(error).removeprefix(f"{path}: ")
            raise DataError(f"{path}: neither a folder, a zip nor a CSV that can be read: {reason} {LAYOUT}") from None
        members = {info.filename: info for info in list_files(archive)}
        csv_name = _find_csv(sorted(members))
        if csv_name is None:
            names, left_out = pick_pictures(sorted(members), lambda name: read_member_head(archive, members[name]))
            read = lambda item, size: _read_member(archive, members[item.content], size, path)  # noqa: E731
            yield _folder_items(names, path), read, lambda item: _sum(members[item.content]), _left_out(path, left_out)
            return
        name = f"{path}:{csv_name}"
        with open_member(archive, members[csv_name], name) as file:
            yield _csv_items(file, name, skip), _read_pixels, _pixels_of, ""


def _digest(path, item):
    try:
        return hashlib.sha256((path / item.content).read_bytes()).digest()
    except OSError:  # Reading the picture says what is wrong.
        return item.name


def _sum(member):
    return member.CRC, member.file_size


def _pixels_of(item):
    return item.content[1].strip()


def _find_csv(names):
    """The CSV among a dataset's files; None if its pictures lie there too."""
    if any("train" in PurePosixPath(name).parts[:-1] for name in names):
        return None
    return next((name for name in names if PurePosixPath(name).name in CSV_NAMES), None)


def _left_out(path, counts):
    return f"{path}: {describe_left_out(counts)}." if counts else ""


def _read_member(archive, member, size, path):
    name = f"{path}:{member.filename}"
    try:
        return load_grey(io.BytesIO(read_member(archive, member, name, MAX_MEMBER_BYTES)), size, name)
    except UserError as error:
        raise DataError(str(error)) from None


def _folder_items(names, path):
    """Items of Kaggle's layout; a folder around it (`fer2013/train/…`) is allowed, and a second one is not."""
    places = {}
    for name in names:
        parts = PurePosixPath(name).parts
        if len(parts) < 3 or parts[-3] not in SPLITS:
            raise DataError(f"{path}: {name} stands in no split. {LAYOUT}")
        split, emotion = parts[-3:-1]
        if emotion not in EMOTIONS:
            raise DataError(f"{path}: unknown class folder {split}/{emotion}. {LAYOUT}")
        if split == "test" and parts[-1].startswith("PublicTest_"):
            split = "validation"
        item = _Item("/".join(parts[-3:]), emotion, split, name)
        if (first := places.setdefault(item.name, name)) is not name:
            raise DataError(f"{path}: a data set must hold each picture once. Received: {first} and {name}")
        yield item


def _csv_rows(file, path):
    try:
        yield from csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
    except (csv.Error, *FAILURES) as error:
        raise DataError(f"{path}: not a CSV that can be read ({error}).") from None


def _csv_items(file, path, skip):
    rows = _csv_rows(file, path)
    header = [name.strip().lower() for name in next(rows, [])]
    missing = {"emotion", "pixels", "usage"} - set(header)
    if missing:
        raise DataError(f"{path}: the column {', '.join(sorted(missing))} is missing. Received: {', '.join(header)}")
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            item = _row_item(row, header, number, f"{path}, row {number}")
        except DataError as error:
            skip(error)
            continue
        yield item


def _row_item(row, header, number, where):
    if len(row) != len(header):
        raise DataError(f"{where}: {len(header)} columns expected. Received: {len(row)}.")
    cells = dict(zip(header, row, strict=True))
    code, usage = cells["emotion"].strip(), cells["usage"].strip()
    if code not in map(str, range(len(CSV_EMOTIONS))):
        raise DataError(f"{where}: `emotion` must be 0 to {len(CSV_EMOTIONS) - 1}. Received: {code!r}.")
    if usage not in USAGES:
        raise DataError(f"{where}: `Usage` must be one of {', '.join(USAGES)}. Received: {usage!r}.")
    return _Item(f"row {number:06d}", CSV_EMOTIONS[int(code)], USAGES[usage], (where, cells["pixels"]))


def _read_pixels(item, size):
    where, text = item.content
    values = text.split()
    if len(values) != FACE_SIZE**2:
        raise DataError(f"{where}: `pixels` must be {FACE_SIZE**2} numbers. Received: {len(values)}.")
    try:
        face = np.array(values, dtype=np.uint8).reshape(FACE_SIZE, FACE_SIZE)
    except (ValueError, OverflowError):
        raise DataError(f"{where}: `pixels` must be whole numbers 0-255 between spaces.") from None
    return grey_square(Image.fromarray(face), size)
