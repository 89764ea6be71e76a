"""FER2013 from what people really have: a folder, a zip or a CSV.

- a folder or zip in Kaggle's layout: `train/<emotion>/*.jpg` and `test/<emotion>/*.jpg`, where the prefixes
  `PublicTest_` and `PrivateTest_` tell validation from test; or `train/`, `validation/` and `test/`;
- the original `fer2013.csv` or `icml_face_data.csv` with the columns emotion, pixels, Usage: alone, in a folder or zip.

Only pictures of the split that was asked for are ever opened; of files without a picture's suffix, the first bytes are
read to know what they are.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.model_selection import train_test_split

from fer.data.sources import FACE_SIZE, LAYOUT, SPLITS, DataError, open_source
from fer.errors import check
from fer.images.loading import ImageError, grey_square
from fer.labels import EMOTIONS, check_classes

VALIDATION_SHARE = 0.1
SPLIT_SEED = 2013
"""One seed for everybody, apart from the training seed: a split must not change with the run that is measured on it."""


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
    check(split in SPLITS, "split", "'train', 'validation' or 'test'", f"split={split!r}")
    classes = check_classes(classes)
    skipped = []

    def skip(error):
        if not skip_bad:
            raise DataError(f"{error} Leave such pictures out with --skip-bad.") from None
        skipped.append(str(error))

    with open_source(Path(path), skip) as (items, read, content_of, left_out):
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
    """Return some of the items: the first of every class, then of each its share (chosen with `SPLIT_SEED`)."""
    sizes = Counter(item.emotion for item in items)
    check(limit >= len(sizes), "limit", f"at least {len(sizes)}, a picture a class", limit)
    seen, ranks = Counter(), {}
    for index in np.random.default_rng(SPLIT_SEED).permutation(len(items)):
        emotion = items[index].emotion
        ranks[index] = seen[emotion] / sizes[emotion]
        seen[emotion] += 1
    return [items[index] for index in sorted(sorted(ranks, key=ranks.get)[:limit])]
