"""FER2013 in the forms in which people have it: a folder, a zip or a CSV.

- A folder or zip in Kaggle's layout: `train/<emotion>/*.jpg` and `test/<emotion>/*.jpg`, where the prefixes
  `PublicTest_` and `PrivateTest_` tell validation from test; or `train/`, `validation/` and `test/`.
- The original `fer2013.csv` or `icml_face_data.csv` with the columns emotion, pixels, Usage: alone, in a folder or in a
  zip.

Only the pictures of the requested split are opened. Of files without the suffix of a picture, only the first bytes are
read, to see whether they are pictures.
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
"""Share of the training pictures that becomes the validation split where there is none."""
SPLIT_SEED = 2013
"""Seed of that split and of `limit`; it is not the training seed, because a split must not change from run to run."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Labelled pictures of one split.

    images: uint8 array `(n, size, size, 1)`, values 0-255.
    labels: int64 array `(n,)`, indices into `classes`.
    classes: names of the labels, in the order of `EMOTIONS`.
    names: origin of each picture: its path below the data set, or its CSV row.
    skipped: error messages of the unreadable pictures and broken rows that were left out.
    left_out: sentence on the files of the data set that are not pictures, counted by kind; "" if there are none.
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
        """Return the pictures at some indices, in the order of the indices."""
        names = tuple(self.names[index] for index in indices)
        return replace(self, images=self.images[indices], labels=self.labels[indices], names=names)

    def resize(self, size):
        """Return the same faces with pictures of `size` pixels per side, scaled as `load_faces` scales them."""
        if size == self.images.shape[1]:
            return self
        scaled = [grey_square(Image.fromarray(image), size) for image in self.images[..., 0]]
        return replace(self, images=np.stack(scaled)[..., None])

    def sha256(self):
        """Return the sha256 of pictures and labels in hexadecimal; the same data have the same digest."""
        digest = hashlib.sha256(self.images.tobytes())
        digest.update(" ".join(self.classes[label] for label in self.labels).encode())
        return digest.hexdigest()


def load_faces(path, split, classes=EMOTIONS, image_size=FACE_SIZE, limit=None, skip_bad=False):
    """Load one split of FER2013.

    Args:
        path: folder, zip or CSV; see the module's description.
        split: `train`, `validation` or `test`. A data set without a validation split gets one: a stratified tenth of
            the training pictures, drawn with `SPLIT_SEED` and no longer part of `train`. Files and rows with the same
            content stay in the same split.
        classes: emotions to load, at least two; pictures of other emotions are left out.
        image_size: side of the returned pictures in pixels.
        limit: largest number of pictures; each class keeps its share, but at least one picture. None loads all.
        skip_bad: leave unreadable pictures and broken rows out and report them in `skipped`. A broken row may lack its
            split, so it is reported for every split.

    Returns:
        `Faces`, sorted by name.

    Raises:
        DataError: if a path, layout, class folder, row or picture does not fit.
        UserError: if the split or a class is unknown, or if the limit is below the number of classes.
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
    """Return the items of one split and some classes, sorted by name; cut a validation split where there is none."""
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
    """Split items into two stratified lists; items of the same content stay together and count once for the share."""
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
    """Return a sample of the items, drawn with `SPLIT_SEED`; each class keeps its share, but at least one item."""
    sizes = Counter(item.emotion for item in items)
    check(limit >= len(sizes), "limit", f"at least {len(sizes)}, a picture a class", limit)
    seen, ranks = Counter(), {}
    for index in np.random.default_rng(SPLIT_SEED).permutation(len(items)):
        emotion = items[index].emotion
        ranks[index] = seen[emotion] / sizes[emotion]
        seen[emotion] += 1
    return [items[index] for index in sorted(sorted(ranks, key=ranks.get)[:limit])]
