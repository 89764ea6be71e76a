"""How wide a face must be to be found, by the size of the picture.

    python -m benchmarks.small_faces --photos PHOTOS

PHOTOS is a folder of photos as `fer evaluate --photos` takes it. A random sample of each set is scaled until the box of
the largest face has a given width, and pasted into the middle of a grey picture. The face counts as found if the centre
of a detected box lies in the box where it was pasted. Prints a table.
"""

import argparse

import numpy as np
from PIL import Image

from benchmarks.labelled_photos import draw_sample, load_photos
from benchmarks.occluded_faces import SEED, pick
from benchmarks.tables import table
from fer.data.photos import list_photo_sets
from fer.detection.blazeface import FaceDetector
from fer.labels import EMOTIONS

PHOTOS = 25
"""Largest number of photos of a set."""
WIDTHS = (12, 16, 20, 24, 32, 40, 48, 64)
"""Widths of a face's box in pixels."""
PICTURES = ((640, 480), (1280, 960), (2560, 1920), (4032, 3024))
"""Sizes of the pictures in pixels."""


def paste(photo, box, width, size):
    """Return a picture of a size with a scaled photo in its middle, and the box of the face in it."""
    scale = width / (box[2] - box[0])
    small = photo.resize([max(1, round(side * scale)) for side in photo.size], Image.Resampling.LANCZOS)
    corner = [(whole - part) // 2 for whole, part in zip(size, small.size, strict=True)]
    picture = Image.new("RGB", size, (128, 128, 128))
    picture.paste(small, tuple(corner))
    return picture, tuple(edge * scale + corner[index % 2] for index, edge in enumerate(box))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", required=True, metavar="FOLDER", help="folder of labelled photos")
    parser.add_argument("--count", type=int, default=PHOTOS, metavar="N", help="photos of a set (default: %(default)s)")
    options = parser.parse_args()
    detector, random = FaceDetector(), np.random.default_rng(SEED)
    found = {size: dict.fromkeys(WIDTHS, 0) for size in PICTURES}
    count = 0
    for photos in list_photo_sets(options.photos, EMOTIONS):
        for photo, _ in load_photos(photos, draw_sample(photos, options.count, random)):
            if not (faces := detector.detect(photo)):
                continue
            count += 1
            for size, row in found.items():
                for width in WIDTHS:
                    picture, box = paste(photo, faces[0].box, width, size)
                    row[width] += pick(detector.detect(picture), box) is not None
    rows = [[f"{size[0]}x{size[1]}", *(f"{row[width] / count:.0%}" for width in WIDTHS)] for size, row in found.items()]
    print(f"{count} faces\n")
    print(table(["picture; width of the face", *(f"{width} px" for width in WIDTHS)], rows))


if __name__ == "__main__":
    main()
