"""Fit the square that FER2013 would have cut out around a face, from the detector's six landmarks.

    python -m benchmarks.crop_fit --data fer2013.zip

Pastes training pictures into scenes (`fer.data.scenes`), detects their faces, and fits a ridge regression from the
positions of the six landmarks to the centre, the side and the rotation of the pasted picture. Prints the error of the
fit beside that of a constant (interquartile range / 1.35), and writes fer/detection/crop_fit.json. Takes about four
minutes for 3,000 pictures on 2 cores.
"""

import argparse
import math

import numpy as np
from sklearn.linear_model import Ridge

from fer.data.faces import load_faces
from fer.data.scenes import SEED, build_scene
from fer.detection.alignment import CROP_FIT, face_frame
from fer.detection.blazeface import FaceDetector
from fer.documents import to_json

PENALTY = 0.3
"""Penalty of the ridge regression. Without it the fit is hardly better (0.113 instead of 0.12 of the side), and weights
of up to 10 make the crop jump when a landmark moves by a pixel."""
OUTLIER = 4
"""Distance from the median, in standard deviations, from which a face is left out as a false detection."""
BOUNDS = (0.5, 99.5)
"""Percentiles of the training faces to which the app clips the result of the fit."""
NAMES = ("right", "down", "log of the side", "turn in radians")
"""Names of the four quantities that are fitted."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="PATH", help="folder, zip or CSV of FER2013")
    parser.add_argument("--limit", type=int, default=3000, metavar="N", help="training pictures")
    options = parser.parse_args()
    pictures = load_faces(options.data, "train", limit=options.limit).images[..., 0]
    detector, random = FaceDetector(), np.random.default_rng(SEED)
    points, places = [], []
    for picture in pictures:
        scene = build_scene(picture, random)
        found = scene.pick(detector.detect(scene.image))
        if found:
            frame = face_frame(found)
            points.append(frame.points.ravel())
            center, side, turn = scene.square
            shift = (center - frame.origin) / frame.unit
            places.append([shift @ frame.across, shift @ frame.down, math.log(side / frame.unit), turn - frame.angle])
    points, places = np.array(points), np.array(places)
    print(f"{len(points)} of {len(pictures)} found ({len(points) / len(pictures):.1%})")

    weights, bounds = [], []
    for name, place in zip(NAMES, places.T, strict=True):
        kept = np.abs(place - np.median(place)) < OUTLIER * place.std()
        fit = Ridge(PENALTY).fit(points[kept], place[kept])
        weights.append([*fit.coef_, fit.intercept_])
        bounds.append(np.percentile(place, BOUNDS))
        rest = place - fit.predict(points)
        print(f"{name:18} constant ± {robust_deviation(place):.3f}   fit ± {robust_deviation(rest):.3f}")
    document = {"weights": np.round(weights, 4).tolist(), "bounds": np.round(bounds, 3).tolist()}
    CROP_FIT.write_text(to_json(document, indent=1) + "\n")


def robust_deviation(values):
    """Return the standard deviation of a normal distribution with the same quartiles."""
    low, high = np.percentile(values, (25, 75))
    return (high - low) / 1.35


if __name__ == "__main__":
    main()
