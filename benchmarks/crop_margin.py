"""Where do the faces stand in FER2013's own pictures? The source of FACE_SIDE and EYES_HEIGHT in fer/faces.py.

    python -m benchmarks.crop_margin --data fer2013.zip

borders each training picture by half its side, finds its face, and prints medians and spreads (interquartile
range / 1.35) in shares of the picture's side. About a minute for 1,500 pictures on 2 cores.
"""

import argparse

import numpy as np
from PIL import Image

from fer.data import load_faces
from fer.faces import FaceDetector

COLUMNS = ("box x", "box y", "box side", "eyes x", "eyes y", "eyes apart")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--limit", type=int, default=1500)
    options = parser.parse_args()
    pictures = load_faces(options.data, "train", limit=options.limit).images[..., 0]
    side = pictures.shape[1]
    detector = FaceDetector()
    rows = []
    for picture in pictures:
        bordered = (
            Image.fromarray(np.pad(picture, side // 2)).convert("RGB").resize((256, 256), Image.Resampling.BICUBIC)
        )
        found = detector.detect(bordered)
        if found:
            rows.append(place(found[0]))
    # The picture fills the middle half of the bordered one.
    rows = np.array(rows)
    print(f"{len(rows)} of {len(pictures)} found ({len(rows) / len(pictures):.1%})")
    low, middle, high = np.percentile(rows, (25, 50, 75), axis=0)
    for name, median, spread in zip(COLUMNS, middle, (high - low) / 1.35, strict=True):
        print(f"{name:12}{median:7.3f} ± {spread:.3f}")


def place(face):
    """Place of a face in shares of the unbordered picture's side, as `COLUMNS` names them."""
    left, top, right, bottom = face.box
    right_eye, left_eye = face.points[0], face.points[1]
    eyes = (right_eye + left_eye) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    center = [(value - 64) / 128 for value in (x, y)]
    return [*center, (right - left) / 128, *((eyes - 64) / 128), np.hypot(*(left_eye - right_eye)) / 128]


if __name__ == "__main__":
    main()
