"""Faces of a split of a data set: of FER2013 in any of its distributed forms, or of another data set.

- A folder or zip with `train/<class>/*.jpg` beside `validation/` and `test/`, or, as Kaggle has FER2013, with a
  `test/` in which the prefixes `PublicTest_` and `PrivateTest_` tell validation from test.
- Folders of classes alone.
- The published layouts of other data sets, see `fer.data.layouts`.
- A table with the columns emotion, pixels and perhaps Usage, such as the original `fer2013.csv`: alone, in a folder or
  in a zip.

Only the pictures of the requested split are opened. Of files without the suffix of a picture, only the first bytes are
read, to see whether they are pictures.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from fer.data.fer2013 import FACE_SIZE, is_fer2013
from fer.data.items import EXPECTED, SPLIT_SEED, SPLITS, DataError
from fer.data.layouts import CODES
from fer.data.sources import open_source
from fer.data.splits import list_found, select_items
from fer.errors import ImageError, check, one_line
from fer.images.formats import describe_left_out
from fer.images.loading import grey_square
from fer.labels import EMOTIONS, KNOWN, check_classes
from fer.paths import StrPath


@dataclass(frozen=True, eq=False)
class Faces:
    """Labelled pictures of one split.

    images: uint8 array `(n, size, size, 1)`, values 0-255.
    labels: int64 array `(n,)`, indices into `classes`.
    classes: names of the labels, in the order of `fer.labels.check_classes`.
    names: origin of each picture: its path below the data set, or its CSV row.
    skipped: error messages of the unreadable pictures and broken rows that were left out.
    left_out: sentences on the number of files that are not pictures, by kind, and on the pictures of other classes than
        the requested ones and `fer.labels.EMOTIONS`; "" if there are none.
    held_out: whether the data set has no validation split, so that `train` and `validation` were cut from its training
        pictures.
    is_fer2013: whether the data set has as many training and validation pictures of each class as FER2013.
    rows: split of every row of the table that was read, by its name in `names`; empty for folders and zips of pictures.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    left_out: str = ""
    held_out: bool = False
    is_fer2013: bool = False
    rows: Mapping[str, str] = field(default_factory=dict)

    def __len__(self):
        return len(self.labels)

    def take(self, indices: np.ndarray) -> "Faces":
        """Return the pictures at some indices, in the order of the indices."""
        names = tuple(self.names[index] for index in indices)
        return replace(self, images=self.images[indices], labels=self.labels[indices], names=names)

    def resize(self, size: int) -> "Faces":
        """Return the same faces with pictures of `size` pixels per side, scaled as `load_faces` scales them."""
        if size == self.images.shape[1]:
            return self
        scaled = [grey_square(Image.fromarray(image), size) for image in self.images[..., 0]]
        return replace(self, images=np.stack(scaled)[..., None])

    def sha256(self) -> str:
        """Return the sha256 of pictures and labels in hexadecimal; the same data have the same digest."""
        digest = hashlib.sha256(self.images.tobytes())
        digest.update(" ".join(self.classes[label] for label in self.labels).encode())
        return digest.hexdigest()


def list_skipped(*splits: Faces) -> list[str]:
    """Return the messages `Faces.skipped` of several splits, each once: a broken row of a table is reported by all."""
    return list(dict.fromkeys(message for faces in splits for message in faces.skipped))


def list_left_out(*splits: Faces) -> list[str]:
    """Return what was left out of several splits, each message once: `list_skipped`, and `Faces.left_out`."""
    return [*list_skipped(*splits), *dict.fromkeys(faces.left_out for faces in splits if faces.left_out)]


def load_faces(
    path: StrPath,
    split: str,
    *,
    classes: Iterable[str] | None = None,
    image_size: int = FACE_SIZE,
    limit: int | None = None,
    skip_bad: bool = False,
    layout: str | None = None,
    draw: int = SPLIT_SEED,
) -> Faces:
    """Load one split of a data set.

    Args:
        path: folder, zip or table; see the module's description.
        split: `train`, `validation` or `test`. If the data set has no validation split, a stratified tenth of the
            training pictures, drawn with `SPLIT_SEED`, becomes `validation` and is not part of `train`. Pictures with
            the same content, or of the same `fer.data.items.Item.group`, stay in the same split.
        classes: names of the classes to load, at least two; pictures of other classes are left out. None for the seven
            emotions; then a folder of an unknown class is an error.
        image_size: side of the returned pictures in pixels.
        limit: largest number of pictures; each class keeps its share, but at least one picture. None loads all.
        skip_bad: leave unreadable pictures and broken rows out and report them in `skipped`. A broken row may lack its
            split, so it is reported for every split.
        layout: a key of `fer.data.layouts.CODES`; None for folders with names.
        draw: seed that decides which pictures a limit keeps, 0 or more. With the same seed, a smaller sample is part of
            a larger one.

    Returns:
        `Faces`, sorted by name.

    Raises:
        DataError: if a path, layout, class folder, row or picture does not fit.
        UserError: if the split, a class name or the seed breaks the rules, or if the limit is below the number of
            classes.
    """
    check(split in SPLITS, "split", "'train', 'validation' or 'test'", f"split={split!r}")
    strict, classes = classes is None, check_classes(EMOTIONS if classes is None else classes)
    skipped = []

    def skip(error):
        if not skip_bad:
            raise DataError(f"{error} Leave such pictures out with --skip-bad.") from None
        skipped.append(str(error))

    with open_source(Path(path), skip, classes, layout) as source:
        if strict:
            _check_known(path, source.items, layout)
        items, held_out = select_items(source, split, classes, path)
        if limit is not None:
            items = _limit(items, limit, draw)
        images, labels, names = [], [], []
        for item in items:
            try:
                images.append(source.read(item, image_size))
            except (ImageError, DataError) as error:
                skip(error)
                continue
            labels.append(classes.index(item.label))
            names.append(item.name)
    if not images:
        raise DataError(f"{path}: none of the {len(items)} pictures of the {split} split could be read.")
    for index, name in enumerate(classes):
        if index not in labels:
            raise DataError(f"{path}: the {split} split has no picture of class {name}.{list_found(source.items)}")
    left_out = _describe_left_out(path, source, classes)
    known = is_fer2013(Counter((item.split, item.label) for item in source.items), classes)
    images, labels = np.stack(images)[..., None], np.array(labels)
    rows = {item.name: item.split for item in source.items} if source.is_table else {}
    return Faces(images, labels, classes, tuple(names), tuple(skipped), left_out, held_out, known, rows)


def _check_known(path, items, layout):
    """Raise an error if a class of the items is neither one of `KNOWN` nor one of the layout."""
    others = sorted({item.label for item in items} - {*KNOWN, *CODES.get(layout, {}).values()})
    if not others:
        return
    folder = next("/".join(item.name.split("/")[:-1]) for item in items if item.label == others[0])
    if all(name.isdecimal() for name in others):
        advice = "Numbers mean other classes in each data set: --layout raf-db, affectnet, ckplus or fer2013 says which"
    else:
        advice = f"Classes of your own are named, such as --classes {' '.join(sorted({item.label for item in items}))}"
    raise DataError(f"{path}: unknown class folder {folder}. {advice}. {EXPECTED}")


def _describe_left_out(path, source, classes):
    """Return the sentences of `Faces.left_out`."""
    counts = Counter(item.label for item in source.items if item.label not in (*classes, *EMOTIONS))
    kinds = ", ".join(f"{count} {name}" for name, count in counts.most_common(10))
    others = f"{counts.total()} of other classes left out: {kinds}" if kinds else ""
    return one_line(" ".join(f"{path}: {part}." for part in (describe_left_out(source.left_out), others) if part))


def _limit(items, limit, draw):
    """Return a sample of the items, drawn with the seed `draw`; each class keeps its share, but at least one item."""
    sizes = Counter(item.label for item in items)
    check(limit >= len(sizes), "limit", f"at least {len(sizes)}, one picture per class", limit)
    check(draw >= 0, "draw", "0 or more", draw)
    seen, ranks = Counter(), {}
    for index in np.random.default_rng(draw).permutation(len(items)):
        label = items[index].label
        ranks[index] = seen[label] / sizes[label]
        seen[label] += 1
    return [items[index] for index in sorted(sorted(ranks, key=ranks.get)[:limit])]
