"""Data sets in the forms in which they are distributed: zips and tables, with and without a validation split."""

import csv
import zipfile

from fer.labels import CSV_EMOTIONS

KAGGLE_HEADER = ("emotion", "pixels", "Usage")
COMPETITION_HEADER = ("emotion", " Usage", " pixels")


def pack(folder, target, below=""):
    """Write the files of a folder into a zip, with `below` before their paths, and return the path of the zip."""
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, below + file.relative_to(folder).as_posix())
    return target


def pixels(value):
    return " ".join([str(value)] * 48 * 48)


def rows(per_class=2, usages=("Training", "PublicTest", "PrivateTest")):
    """Return rows of a CSV; all pixels of a picture are ten times the code of its emotion."""
    return [
        {"emotion": code, "pixels": pixels(10 * code), "usage": usage}
        for usage in usages
        for _ in range(per_class)
        for code in range(len(CSV_EMOTIONS))
    ]


def write_csv(path, rows, header=KAGGLE_HEADER):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in rows:
            writer.writerow(row if isinstance(row, list) else [row[name.strip().lower()] for name in header])
    return path


def without_validation(folder):
    """Delete the validation pictures of a data set, and return its folder."""
    for file in folder.glob("test/*/PublicTest_*"):
        file.unlink()
    return folder
