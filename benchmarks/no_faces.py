"""False detections on pictures without faces, and the cost of a higher detection threshold on photos of faces.

    python -m benchmarks.no_faces --photos PHOTOS --pictures PICTURES

PHOTOS is a folder of photos as `fer evaluate --photos` takes it, with one face each. PICTURES is a folder of pictures
without a human face, such as `skimage/data` in scikit-image's wheel. Drawn patterns are added to these. Random crops of
all of them are enlarged, so that small structures get the size of a face. Prints tables.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.labelled_photos import load_photos
from benchmarks.tables import table
from fer.data.photos import list_photo_sets
from fer.errors import ImageError
from fer.images.loading import load_image
from fer.recognition.recognizer import Recognizer

SEED = 2013
WITH_FACES = ("astronaut", "camera", "chelsea", "coins", "lbpcascade", "lfw", "_disp", "multipage")
"""Parts of the names of files to leave out: scikit-image's pictures with faces, a cat or coins, and other files."""
THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
"""Detection scores that are compared, from `fer.detection.blazeface.MIN_SCORE` on."""
PATTERNS = ("noise", "clouds", "discs", "polygons", "stripes", "checks", "lines", "rings")


def draw_pattern(kind, random):
    """Return a drawn picture of 640x640 pixels without a face, of one of the `PATTERNS`."""
    size = 640
    colours = [tuple(map(int, colour)) for colour in random.integers(0, 256, (40, 3))]
    image = Image.new("RGB", (size, size), colours[0])
    draw = ImageDraw.Draw(image)
    if kind in ("noise", "clouds"):
        # Noise of several scales, as clouds, bark and gravel have.
        total = np.zeros((size, size, 3))
        for power in range(2, 8) if kind == "clouds" else (int(random.integers(3, 9)),):
            grain = random.integers(0, 256, (2**power, 2**power, 3), dtype=np.uint8)
            grain = Image.fromarray(grain).resize((size, size), Image.Resampling.BICUBIC)
            total += np.asarray(grain, float) / power
        total -= total.min()
        return Image.fromarray((total / total.max() * 255).astype(np.uint8))
    for colour in colours[1:]:
        x, y, wide, high = random.integers(0, size, 4) // (1, 1, 3, 3)
        if kind == "discs":
            draw.ellipse((x, y, x + wide, y + high), colour)
        elif kind == "rings":
            draw.ellipse((x, y, x + wide, y + wide), outline=colour, width=int(random.integers(2, 20)))
        elif kind == "lines":
            draw.line((*random.integers(0, size, 4),), colour, width=int(random.integers(1, 20)))
        elif kind == "polygons":
            draw.polygon([tuple(point) for point in random.integers(0, size, (4, 2)).tolist()], colour)
    step = int(random.integers(8, 120))
    for start in range(0, size, 2 * step):
        if kind == "stripes":
            draw.rectangle((start, 0, start + step, size), colours[1])
        elif kind == "checks":
            for top in range(0, size, step):
                left = start + step * (top // step % 2)
                draw.rectangle((left, top, left + step, top + step), colours[1])
    if kind in ("stripes", "checks"):
        image = image.rotate(float(random.uniform(0, 90)), Image.Resampling.BICUBIC, fillcolor=colours[2])
    return image.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 4))))


def enlarge_cut(image, random):
    """Return a random square cut of a picture, a fifteenth to a third of it, enlarged to 300 to 1200 pixels."""
    shorter = min(image.size)
    side = int(random.uniform(shorter / 15, shorter / 3)) + 8
    left, top = (int(random.integers(0, max(1, length - side))) for length in image.size)
    target = int(random.integers(300, 1200))
    return image.crop((left, top, left + side, top + side)).resize((target, target), Image.Resampling.BICUBIC)


def without_faces(folder, drawn, cuts, random):
    """Yield the kind of each picture without a face, and the picture."""
    for kind in PATTERNS:
        for _ in range(drawn):
            image = draw_pattern(kind, random)
            yield "drawn", image
            yield "cut of a drawn one", enlarge_cut(image, random)
    for path in sorted(folder.iterdir()) if folder else ():
        if any(part in path.name for part in WITH_FACES):
            continue
        try:
            image = load_image(path)
        except ImageError:
            continue
        yield "photo", image
        for _ in range(cuts):
            yield "cut of a photo", enlarge_cut(image, random)


def collect(recognizer, pictures):
    """Return a pair for each picture: its kind, and a list of its faces.

    A face is its detection score, whether its top probability reaches the model's threshold, and its label.
    """
    rows, threshold = [], recognizer.calibration.threshold
    for kind, image in pictures:
        faces = recognizer.recognize(image, most=None)
        rows.append(
            (kind, [(face.detection_score, face.probabilities[face.label] >= threshold, face.label) for face in faces])
        )
        if len(rows) % 100 == 0:
            print(f"{len(rows)} pictures", file=sys.stderr)
    return rows


def photos(sets):
    """Yield a pair for each photo that can be read: the name of its set and its expression, and the photo."""
    for each in sets:
        for image, label in load_photos(each):
            yield (each.name, label), image


def count(rows, keep):
    """Return the number of pictures with a counted face, for each of the `THRESHOLDS`.

    Args:
        rows: rows of `collect`.
        keep: function of a face and the kind of its picture; a face counts if it returns true and the detection score
            reaches the threshold.
    """
    return [
        sum(any(face[0] >= threshold and keep(face, kind) for face in faces) for kind, faces in rows)
        for threshold in THRESHOLDS
    ]


def table_without(rows):
    """Return the rows of the table of pictures without a face."""
    for kind in dict.fromkeys(kind for kind, _ in rows):
        own = [row for row in rows if row[0] == kind]
        yield [f"{kind} ({len(own)}): a face found", *map(str, count(own, lambda face, kind: True))]
        yield [f"{kind} ({len(own)}): a confident answer", *map(str, count(own, lambda face, kind: face[1]))]


def table_with(rows):
    """Return the rows of the table of photos with a face."""
    ways = {
        "a face found": lambda face, kind: True,
        "a confident answer": lambda face, kind: face[1],
        "a confident answer that is right": lambda face, kind: face[1] and face[2] == kind[1],
    }
    for name in dict.fromkeys(kind[0] for kind, _ in rows):
        own = [row for row in rows if row[0][0] == name]
        for words, keep in ways.items():
            yield [f"{name} ({len(own)}): {words}", *(f"{number / len(own):.0%}" for number in count(own, keep))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="folder of photos with one face each")
    parser.add_argument("--pictures", type=Path, help="folder of pictures without a face")
    parser.add_argument("--drawn", type=int, default=30, help="drawn pictures of each pattern (default: %(default)s)")
    parser.add_argument("--cuts", type=int, default=25, help="cuts of each picture (default: %(default)s)")
    options = parser.parse_args()
    recognizer = Recognizer.load("bundled")
    sets = list_photo_sets(options.photos, recognizer.labels) if options.photos else []
    random = np.random.default_rng(SEED)
    headers = ["detection score at least", *(f"{threshold:g}" for threshold in THRESHOLDS)]
    rows = collect(recognizer, without_faces(options.pictures, options.drawn, options.cuts, random))
    print(table(headers, table_without(rows)), flush=True)
    if sets:
        print("\n" + table(headers, table_with(collect(recognizer, photos(sets)))))


if __name__ == "__main__":
    main()
