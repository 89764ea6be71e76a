"""Detection and accuracy on faces that are partly covered by a mask or by dark glasses.

    python -m benchmarks.occluded_faces --photos PHOTOS

PHOTOS is a folder of photos as `fer evaluate --photos` takes it. In a random sample of each set, a mask from the tip of
the nose to below the chin, or dark glasses, are drawn over the largest face. A face counts as found if the centre of a
detected box lies in the box of the uncovered face. Prints a table for each set and for all photos.
"""

import argparse
import sys

import numpy as np
from PIL import ImageDraw

from benchmarks.labelled_photos import draw_sample, load_photos
from benchmarks.tables import share, table
from fer.data.photos import list_photo_sets
from fer.detection.blazeface import MIN_CONFIDENT_SCORE, allows_confident_answer
from fer.recognition.recognizer import Recognizer

SEED = 2013
PHOTOS = 100
"""Largest number of photos of a set."""
MASK, GLASSES = (176, 205, 222), (24, 24, 26)
"""Colours of masks and glasses."""


def draw_mask(draw, face, width):
    """Draw a mask from the tip of the nose to below the chin, with three folds, of a box `width` pixels wide."""
    left, top, right, bottom = face.box
    upper, lower = face.points[2][1] - 0.06 * width, bottom + 0.06 * width
    middle = (left + right) / 2
    shape = [(left, upper), (right, upper), (right - 0.04 * width, (upper + bottom) / 2), (middle, lower)]
    draw.polygon([*shape, (left + 0.04 * width, (upper + bottom) / 2)], MASK)
    for height in (0.25, 0.45, 0.65):
        y = upper + height * (lower - upper)
        line = max(1, round(0.012 * width))
        draw.line((left + 0.12 * width, y, right - 0.12 * width, y), (150, 178, 196), line)


def draw_glasses(draw, face, width):
    """Draw dark glasses: a disc over each eye, and a line from ear to ear."""
    for x, y in face.points[:2]:
        draw.ellipse((x - 0.19 * width, y - 0.14 * width, x + 0.19 * width, y + 0.14 * width), GLASSES)
    (x, y), (other_x, other_y) = face.points[0], face.points[1]
    draw.line((x, y, other_x, other_y), GLASSES, max(1, round(0.04 * width)))


WAYS = {"uncovered": None, "lower half covered by a mask": draw_mask, "eyes covered by dark glasses": draw_glasses}
"""Functions that cover a `fer.detection.blazeface.DetectedFace`, by name of the row."""


def cover(image, face, draw):
    """Return the photo with something drawn over a face; the photo itself if `draw` is None."""
    if draw is None:
        return image
    image = image.copy()
    draw(ImageDraw.Draw(image), face, face.box[2] - face.box[0])
    return image


def pick(faces, box):
    """Return the largest face whose centre lies in a box, or None."""
    left, top, right, bottom = box
    for face in faces:
        x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
        if left <= x <= right and top <= y <= bottom:
            return face
    return None


def collect(recognizer, photos, count, random):
    """Return rows of answers for up to `count` photos of a set, by way.

    A row holds the label of the photo, whether the face was found, whether its detection score allows a confident
    answer, whether the answer is confident, and whether it is right.
    """
    rows = {way: [] for way in WAYS}
    for image, label in load_photos(photos, draw_sample(photos, count, random)):
        detected = recognizer.detector.detect(image)
        for way, draw in WAYS.items() if detected else ():
            face = pick(recognizer.recognize(cover(image, detected[0], draw)), detected[0].box)
            allowed = face is not None and allows_confident_answer(face.detection_score)
            confident = face is not None and face.confident
            rows[way].append((label, face is not None, allowed, confident, face is not None and face.label == label))
    print(f"{photos.name}: {len(rows['uncovered'])} faces", file=sys.stderr)
    return rows


def describe(name, rows):
    """Return the table rows of a set."""
    for way, own in rows.items():
        labels = np.array([row[0] for row in own])
        found, allowed, confident, right = np.array([row[1:] for row in own]).T
        recall = np.mean([right[labels == label].mean() for label in np.unique(labels)])
        selective = f"{right[confident].mean():.0%}" if confident.any() else "–"
        yield [
            f"{name} ({len(own)}): {way}", share(int(found.sum()), len(own)), f"{allowed.mean():.0%}",
            f"{recall:.0%}", f"{confident.mean():.0%}", selective,
        ]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", required=True, metavar="FOLDER", help="folder of labelled photos")
    parser.add_argument("--model", default="bundled", metavar="FOLDER", help="model folder")
    parser.add_argument("--count", type=int, default=PHOTOS, metavar="N", help="photos of a set (default: %(default)s)")
    options = parser.parse_args()
    recognizer, random = Recognizer.load(options.model), np.random.default_rng(SEED)
    every, lines = {way: [] for way in WAYS}, []
    for photos in list_photo_sets(options.photos, recognizer.labels):
        rows = collect(recognizer, photos, options.count, random)
        lines += describe(photos.name, rows)
        for way, own in rows.items():
            every[way] += own
    headers = [
        "faces", "found", f"detection score at least {MIN_CONFIDENT_SCORE:g}", "balanced accuracy", "confident answers",
        "selective accuracy",
    ]  # fmt: skip
    print(table(headers, [*lines, *describe("all", every)]))


if __name__ == "__main__":
    main()
