"""Paths and classes of the pictures in a data set, by its folders or by the published layout of some data sets.

- `raf-db` (Li et al., 2017): folders 1 to 7; or `Image/aligned/*_aligned.jpg`, or `Image/original/*.jpg`, beside
  `EmoLabel/list_patition_label.txt` with lines such as `train_00001.jpg 5`.
- `affectnet` (Mollahosseini et al., 2017): folders 0 to 7; `train_set/` and `val_set/` with `images/1.jpg` beside
  `annotations/1_exp.npy`; or `training.csv` and `validation.csv` with the columns subDirectory_filePath and expression.
- `ckplus` (Lucey et al., 2010): folders of classes; or sequences `cohn-kanade-images/S005/001/*.png`, where the last
  picture has a label in `Emotion/S005/001/*_emotion.txt`. All pictures of a person are in the same split.
- `fer2013` (Goodfellow et al., 2013): folders 0 to 6 with the numbers of its CSV.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import PurePosixPath

from fer.data.fer2013 import find_split
from fer.data.items import EXPECTED, DataError, Item, check_columns
from fer.images.formats import is_hidden
from fer.labels import CSV_EMOTIONS

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "train_set"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "val_set", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "test_set"), "test"),
}
"""Splits by the name of their folder, in lower case."""
CODES = {
    "raf-db": dict(enumerate(("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"), 1)),
    "affectnet": dict(
        enumerate(
            ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
            + ("none", "uncertain", "no-face")
        )
    ),
    "ckplus": dict(enumerate(("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"))),
    "fer2013": dict(enumerate(CSV_EMOTIONS)),
}
"""Classes by their number in each of the published layouts."""
LABEL_FILES = {
    "raf-db": re.compile(r"list_patition_label\.txt"),
    "affectnet": re.compile(r".*_exp\.npy|(training|validation)\.csv"),
    "ckplus": re.compile(r".*_emotion\.txt"),
}
"""Patterns of the names of files that hold labels."""
PERSON = re.compile(r"S\d{3}(?=_)")
"""Pattern of a person in the name of a picture of CK+."""


def list_folder_items(
    names: Sequence[str], path: PathLike[str], name_class: Callable[[str], str], layout: str | None
) -> list[Item]:
    """Return the items of pictures that lie in folders named after their class.

    If one picture lies in the folder of a split (`SPLIT_NAMES`), all pictures must. The folder below the split is the
    class, and the splits may lie in further folders (`fer2013/train/…`); or the splits lie in the folder of each class
    (`happy/train/…`). Without splits the first folder that is not common to all pictures is the class, and all are
    training pictures.

    Args:
        names: paths of the pictures below the data set, with `/`.
        path: path of the data set, for messages.
        name_class: function of a folder's name that returns the name of its class.
        layout: key of `CODES`, if the folders may be named by its numbers; None if they are named by their class.
    """
    parts = [PurePosixPath(name).parts for name in names]
    starts = [_find_split_folder(each) for each in parts]
    if any(start is not None for start in starts):
        return [
            _split_item(name, each, start, path, name_class, layout)
            for name, each, start in zip(names, parts, starts, strict=True)
        ]
    shared = 0
    while all(len(each) > shared + 2 for each in parts) and len({each[: shared + 1] for each in parts}) == 1:
        shared += 1
    inner = [SPLIT_NAMES.get(each[shared + 1].lower()) if len(each) > shared + 2 else None for each in parts]
    items = []
    for name, each, split in zip(names, parts, inner, strict=True):
        if len(each) < shared + 2:
            raise DataError(f"{path}: {name} stands in no class folder. {EXPECTED}")
        if any(inner) and not split:
            raise DataError(f"{path}: {name} stands in no split. {EXPECTED}")
        label = name_class(_decode(each[shared], layout))
        split = find_split(split, each[-1]) if split else "train"
        items.append(_item(each[shared:], label, split, name, layout, each[shared]))
    return items


def _find_split_folder(parts):
    """Return the index of a split's folder in the parts of a path; None if there is none with a class below it."""
    return next((start for start in range(len(parts) - 3, -1, -1) if parts[start].lower() in SPLIT_NAMES), None)


def _split_item(name, parts, start, path, name_class, layout):
    if start is None:
        raise DataError(f"{path}: {name} stands in no split. {EXPECTED}")
    split = find_split(SPLIT_NAMES[parts[start].lower()], parts[-1])
    folder = parts[start + 1]
    return _item(parts[start:], name_class(_decode(folder, layout)), split, name, layout, folder)


def _item(parts, label, split, name, layout, folder=""):
    person = PERSON.match(parts[-1]) if layout == "ckplus" else None
    return Item("/".join(parts), label, split, name, person[0] if person else "", folder)


def _decode(name, layout):
    """Return the class that a folder's number means in a layout; any other name is returned as it is."""
    return CODES[layout].get(int(name), name) if layout and re.fullmatch("[0-9]{1,2}", name) else name


def is_label_file(name: str, layout: str | None) -> bool:
    """Return whether a file holds labels in a layout; a hidden one (`fer.images.formats.is_hidden`) does not."""
    pattern, path = LABEL_FILES.get(layout), PurePosixPath(name)
    return bool(pattern and pattern.fullmatch(path.name)) and not is_hidden(path)


def list_labelled_items(
    names: Sequence[str],
    label_files: Sequence[str],
    path: PathLike[str],
    name_class: Callable[[str], str],
    layout: str,
    read: Callable[[str], bytes],
) -> tuple[list[Item], Counter]:
    """List the pictures whose labels are in files.

    Args:
        names, path, name_class: as in `list_folder_items`.
        label_files: paths of the files for which `is_label_file` is true.
        layout: a key of `LABEL_FILES`.
        read: function of a path of a label file that returns its bytes.

    Returns:
        The items, and the numbers of pictures that are left out or missing, by kind, for
        `fer.images.formats.describe_left_out`.

    Raises:
        DataError: if a label is not valid, a picture has several, or the label files name none of the pictures.
    """
    labels = {}
    for file in label_files:
        where = f"{path}:{file}"
        for key, code, split in _READERS[layout](file, read(file), where):
            found = _class_of(code, layout, where), split
            if (first := labels.setdefault(key, found)) != found:
                both = " and as ".join(f"{label} in {split}" for label, split in (first, found))
                raise DataError(f"{where}: each picture must have one label. Received: {key} as {both}")
    keys = {name: _key(name, layout) for name in sorted(names)}
    labelled = {name: key for name, key in keys.items() if key in labels}
    chosen = {}
    for name, key in labelled.items():
        chosen.setdefault(key, name)  # RAF-DB has each picture twice; the aligned one, which sorts first, is used.
    if not chosen:
        raise DataError(f"{path}: the label files of the layout {layout} name none of the pictures. {EXPECTED}")
    items = []
    for key, name in chosen.items():
        label, split = labels[key]
        items.append(_item(PurePosixPath(name).parts, name_class(label), split, name, layout))
    left_out = {
        "second versions of pictures": len(labelled) - len(items),
        "pictures without a label": len(names) - len(labelled),
        "labelled but missing": len(labels) - len(items),
    }
    return items, +Counter(left_out)  # Without the kinds that number 0.


def _key(name, layout):
    """Return the name by which the label files of a layout refer to a picture."""
    file = PurePosixPath(name)
    if layout == "raf-db":
        return file.stem.removesuffix("_aligned")
    if layout == "ckplus":
        return file.stem
    split = _find_set(file)
    return f"{split}/{file.stem}" if split else "/".join(file.with_suffix("").parts[-2:])


def _find_set(file):
    """Return the split of a file of AffectNet below `train_set` or `val_set`; None elsewhere."""
    folders = (part.lower() for part in file.parts[:-1])
    return next((SPLIT_NAMES[name] for name in folders if name in SPLIT_NAMES and name.endswith("_set")), None)


def _read_raf_db(file, content, where):
    for line in content.decode("utf-8", "replace").splitlines():
        name, _, code = line.strip().partition(" ")
        if name:
            yield PurePosixPath(name).stem, code, "test" if name.startswith("test") else "train"


def _read_affectnet(file, content, where):
    if file.endswith(".npy"):
        import numpy as np  # Imported here, because commands list the layouts in their help before NumPy is loaded.

        split, number = _find_set(PurePosixPath(file)) or "train", PurePosixPath(file).name.removesuffix("_exp.npy")
        try:
            # `np.load` opens zips too, which hold several arrays.
            code = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False).item()
        except Exception as error:  # NumPy raises errors of any kind for damaged headers.
            raise DataError(f"{where}: not an array of NumPy that can be read ({error}).") from None
        yield f"{split}/{number}", code, split
        return
    try:
        yield from _read_affectnet_table(file, content, where)
    except csv.Error as error:
        raise DataError(f"{where}: not a CSV that can be read ({error}).") from None


def _read_affectnet_table(file, content, where):
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig", "replace"), newline=""))
    if not {"subDirectory_filePath", "expression"} <= set(rows.fieldnames or ()):
        rule = f"{where}: the columns subDirectory_filePath and expression are needed"
        raise DataError(f"{rule}. Received: {', '.join(rows.fieldnames or ()) or 'none'}")
    check_columns(where, rows.fieldnames, ("subDirectory_filePath", "expression"))
    split = "validation" if PurePosixPath(file).name.startswith("val") else "train"
    for row in rows:
        place = PurePosixPath(row["subDirectory_filePath"] or "")
        if not place.name:
            raise DataError(f"{where}: each row must name a picture. Received: {row['subDirectory_filePath']!r}")
        yield "/".join(place.with_suffix("").parts[-2:]), row["expression"], split


def _read_ckplus(file, content, where):
    yield PurePosixPath(file).name.removesuffix("_emotion.txt"), content.decode("ascii", "replace").strip(), "train"


_READERS = {"raf-db": _read_raf_db, "affectnet": _read_affectnet, "ckplus": _read_ckplus}
"""Functions that yield key, code and split of each picture that a label file names."""


def _class_of(code, layout, where):
    """Return the class that a text in a label file means, such as `5` or `3.0000000e+00`."""
    try:
        number = float(code)
        return CODES[layout][int(number) if number.is_integer() else None]
    except (KeyError, TypeError, ValueError, OverflowError):
        known = f"{min(CODES[layout])} to {max(CODES[layout])}"
        raise DataError(f"{where}: labels of the layout {layout} must be {known}. Received: {code!r}") from None
