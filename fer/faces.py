"""Find, align and crop faces: Google MediaPipe's BlazeFace, and the crop that FER2013's own pictures have.

The two networks (Bazarevsky et al., 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs",
arXiv:1907.05047) run on LiteRT; `blazeface/NOTICE` names their source. Anchors, boxes and key points are decoded after
MediaPipe's published graphs `face_detection_short_range` and `face_detection_back_desktop_live`.
"""

import json
import math
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

NETWORKS = Path(__file__).parent / "blazeface"
MIN_SCORE = 0.5
"""MediaPipe's own threshold for both networks (`min_score_thresh`)."""
MAX_OVERLAP = 0.3
"""MediaPipe's own threshold for both networks (`min_suppression_threshold`): above it two boxes are one face."""
MAX_INSIDE = 0.6
"""A box that lies in another with more than this share of its area is a part of that face."""

MIN_TILE = 300
"""Smallest side of a tile in pixels. In any region the far network finds real faces from 6 % of its side on (measured
with NASA's astronaut, scaled): 18 pixels of 300; smaller ones show no expression at 48 pixels."""
LARGE_PICTURE = 800
SMALL_FACE = 0.2
"""Pictures from `LARGE_PICTURE` pixels on are always tiled. In smaller ones, webcam frames above all, tiles can only
help where nothing was found at first sight or a face below this share of the longer side."""
MAX_TILES = 32
"""Tiles a picture at most: about 0.3 s on one core."""
MIN_TILE_SCORE = 0.65
"""Each tile is one more chance to take a pattern for a face."""

CROP_FIT = Path(__file__).parent / "crop_fit.json"
"""Where FER2013 would have cut a face, fitted by `python -m benchmarks.crop_fit` on training pictures.

`weights`: for right, down, the logarithm of the side and the turn, a weight for each coordinate of the six points in
their `FaceFrame`, and a constant. `bounds`: what each of the four was at least and at most on those pictures.
"""


@dataclass(frozen=True)
class DetectedFace:
    """A face in a picture, in the picture's pixels.

    box: left, top, right, bottom; may reach beyond the picture's edge.
    points: float32 `(6, 2)`, x and y of the person's right eye, left eye, nose tip, mouth, right ear, left ear.
    score: 0-1, how sure the detector is.
    """

    box: tuple
    points: np.ndarray
    score: float


class FaceDetector:
    """Finds all faces of a picture; may be shared between threads.

    Args:
        threads: of LiteRT, a pass.
    """

    def __init__(self, threads=1):
        self._near = _BlazeFace("face_detection_short_range.tflite", threads)
        self._far = _BlazeFace("face_detection_back.tflite", threads)
        self._lock = threading.Lock()

    def detect(self, image):
        """Faces of a PIL image of mode RGB as `DetectedFace`s, the largest first; an empty list if there is none.

        Both networks see the whole picture; the one for small faces also sees overlapping tiles of it where there is
        something to gain (`MIN_TILE`, `LARGE_PICTURE`, `SMALL_FACE`), at most `MAX_TILES`.
        """
        whole, longer = (0, 0, *image.size), max(image.size)
        with self._lock:
            near, far = self._near.detect(image, whole, MIN_SCORE), self._far.detect(image, whole, MIN_SCORE)
            smallest = min((face.box[2] - face.box[0] for face in near + far), default=0)
            closer = longer >= LARGE_PICTURE or smallest < SMALL_FACE * longer
            for tile in _tiles(*image.size) if closer else ():
                faces = self._far.detect(image, tile, MIN_TILE_SCORE)
                far += [face for face in faces if not _is_cut(face.box, tile, whole)]
        # The far network sees more pixels of a face, and its eyes follow a turned head better (to 1 degree where the
        # near one's are 10 off), so the near one only adds what the far one missed: faces that fill the picture.
        found = _merge(far)
        found += [face for face in _merge(near) if not any(_is_same(face, other) for other in found)]
        return sorted(found, key=lambda face: _area(face.box), reverse=True)


@dataclass(frozen=True)
class FaceFrame:
    """A face's own axes: its box's centre and side, turned as its eyes are.

    origin: x and y in the picture's pixels.
    unit: pixels.
    angle: of the eyes' line to the picture's rows, in radians; positive is clockwise.
    across, down: the axes, float `(2,)` of length 1.
    points: the six points in these axes, float `(6, 2)`.
    """

    origin: np.ndarray
    unit: float
    angle: float
    across: np.ndarray
    down: np.ndarray
    points: np.ndarray


def face_frame(face):
    """The `FaceFrame` of a `DetectedFace`."""
    left, top, right, bottom = face.box
    origin, unit = np.array([(left + right) / 2, (top + bottom) / 2]), max(right - left, bottom - top, 1.0)
    to_left_eye = face.points[1] - face.points[0]
    angle = math.atan2(to_left_eye[1], to_left_eye[0])
    across, down = _axes(angle)
    points = (face.points - origin) @ np.stack([across, down], axis=1) / unit
    return FaceFrame(origin, unit, angle, across, down, points)


def crop_face(image, face, size):
    """Cuts a face out of a picture as FER2013's pictures are cut, nearly upright by the eyes.

    Place, side and turn come from the fit of `CROP_FIT`. The turn is not the whole of the eyes' angle: their places are
    off by some degrees, and FER2013's own heads are tilted.

    Args:
        image: PIL image of mode RGB.
        face: a `DetectedFace` of that image.
        size: side of the crop in pixels.

    Returns:
        Grey uint8 array `(size, size)`. Beyond the picture's edge its outermost pixels are repeated.
    """
    frame = face_frame(face)
    weights, (low, high) = _crop_fit()
    x, y, log_side, turn = np.clip(weights @ [*frame.points.ravel(), 1], low, high)
    center = frame.origin + frame.unit * (x * frame.across + y * frame.down)
    side = frame.unit * math.exp(log_side)
    across, down = _axes(frame.angle + turn)

    # Shrink first, then turn: an affine transform reads single pixels and would alias.
    reach = side * (abs(across[0]) + abs(across[1])) / 2 + 2
    box = [math.floor(center[0] - reach), math.floor(center[1] - reach)]
    box += [math.ceil(center[0] + reach), math.ceil(center[1] + reach)]
    patch = _cut(image, box).convert("L")
    factor = max(1, int(side / (2 * size)))
    patch = patch.reduce(factor)
    side, center = side / factor, (center - box[:2]) / factor
    step = side / (2 * size)
    origin = center - side / 2 * (across + down)
    turned = patch.transform(
        (2 * size, 2 * size),
        Image.Transform.AFFINE,
        (step * across[0], step * down[0], origin[0], step * across[1], step * down[1], origin[1]),
        resample=Image.Resampling.BICUBIC,
    )
    return np.asarray(turned.resize((size, size), Image.Resampling.BOX))


def _axes(angle):
    """Unit vectors to the right and downwards of what is turned by an angle."""
    across = np.array([math.cos(angle), math.sin(angle)])
    return across, np.array([-across[1], across[0]])


@cache
def _crop_fit():
    """Weights `(4, 13)`, and lower and upper bounds `(2, 4)` of `CROP_FIT`."""
    document = json.loads(CROP_FIT.read_text())
    return np.array(document["weights"]), np.array(document["bounds"]).T


def _cut(image, box):
    """The region `[left, top, right, bottom]` of a picture, its edge pixels repeated where it reaches beyond."""
    left, top, right, bottom = box
    columns = np.arange(left, right).clip(0, image.width - 1)
    rows = np.arange(top, bottom).clip(0, image.height - 1)
    inside = image.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    return Image.fromarray(np.asarray(inside)[rows - rows[0]][:, columns - columns[0]])


def _tiles(width, height):
    """Square tiles that overlap by at least a quarter: of half the picture, then of half of that, within the budget."""
    tiles = []
    side = max(width, height) / 2
    while side >= MIN_TILE:
        columns, rows = _starts(width, side), _starts(height, side)
        if len(tiles) + len(columns) * len(rows) > MAX_TILES:
            break
        tiles += [(left, top, min(left + side, width), min(top + side, height)) for top in rows for left in columns]
        side /= 2
    return tiles


def _starts(length, side):
    count = math.ceil((length - side) / (0.75 * side)) + 1 if length > side else 1
    return np.linspace(0, max(0, length - side), count).tolist()


def _is_cut(box, tile, whole):
    """Whether a box touches a tile's edge that is not the picture's: the next tile, or the whole, has it better."""
    margin = 0.02 * (tile[2] - tile[0])
    return any(
        abs(edge - border) > 1 and inside < margin
        for edge, border, inside in (
            (tile[0], whole[0], box[0] - tile[0]),
            (tile[1], whole[1], box[1] - tile[1]),
            (tile[2], whole[2], tile[2] - box[2]),
            (tile[3], whole[3], tile[3] - box[3]),
        )
    )


def _merge(faces):
    """Non-maximum suppression: the best of each group of overlapping boxes.

    As in MediaPipe, box and points are the mean of those that overlap the best by more than `MAX_OVERLAP`, weighted by
    their scores.
    """
    merged = []
    faces = sorted(faces, key=lambda face: face.score, reverse=True)
    while faces:
        best = faces[0]
        same = [face for face in faces if _overlap(best.box, face.box) > MAX_OVERLAP]
        weights = np.array([face.score for face in same])
        box = np.average([face.box for face in same], axis=0, weights=weights)
        points = np.average([face.points for face in same], axis=0, weights=weights)
        merged.append(DetectedFace(tuple(map(float, box)), points.astype(np.float32), best.score))
        faces = [face for face in faces if not _is_same(best, face)]
    return merged


def _is_same(one, other):
    return _overlap(one.box, other.box) > MAX_OVERLAP or _inside(one.box, other.box) > MAX_INSIDE


def _area(box):
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _intersection(one, other):
    return _area((*np.maximum(one[:2], other[:2]), *np.minimum(one[2:], other[2:])))


def _overlap(one, other):
    common = _intersection(one, other)
    return common / max(_area(one) + _area(other) - common, 1e-9)


def _inside(one, other):
    """Share of the smaller box that lies in the larger."""
    return _intersection(one, other) / max(min(_area(one), _area(other)), 1e-9)


class _BlazeFace:
    """One of the two networks: RGB picture in, `DetectedFace`s out."""

    def __init__(self, file_name, threads):
        self.interpreter = Interpreter(str(NETWORKS / file_name), num_threads=threads)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.size = int(self.input["shape"][1])
        outputs = {output["name"]: output["index"] for output in self.interpreter.get_output_details()}
        self.boxes, self.scores = outputs["regressors"], outputs["classificators"]

    def detect(self, image, region, min_score):
        """Faces in the region `(left, top, right, bottom)` of a PIL image, scaled to fit the square input."""
        left, top, right, bottom = region
        scale = self.size / max(right - left, bottom - top)
        width = max(1, round((right - left) * scale))
        height = max(1, round((bottom - top) * scale))
        resized = image.resize((width, height), Image.Resampling.BILINEAR, box=region, reducing_gap=2.0)
        # MediaPipe's letterbox: black (before scaling to -1..1) around the centred picture.
        offset_x, offset_y = (self.size - width) // 2, (self.size - height) // 2
        square = np.zeros((self.size, self.size, 3), np.float32)
        square[offset_y : offset_y + height, offset_x : offset_x + width] = np.asarray(resized)
        self.interpreter.set_tensor(self.input["index"], square[None] / 127.5 - 1)
        self.interpreter.invoke()
        logits = self.interpreter.get_tensor(self.scores)[0, :, 0]
        found = np.flatnonzero(logits > math.log(min_score / (1 - min_score)))
        # Rows are box centre, box size and six points; all but the size are relative to the anchor. In input pixels.
        rows = self.interpreter.get_tensor(self.boxes)[0, found].reshape(-1, 8, 2)
        rows = rows + self.size * ANCHORS[found, None] * np.array([1, 0, 1, 1, 1, 1, 1, 1])[:, None]
        shift = np.array([offset_x, offset_y])
        center, half, points = (rows[:, 0] - shift) / scale, rows[:, 1] / scale / 2, (rows[:, 2:] - shift) / scale
        origin = np.array([left, top])
        return [
            DetectedFace(
                (*map(float, c + origin - h), *map(float, c + origin + h)),
                (p + origin).astype(np.float32),
                float(1 / (1 + np.exp(-logits[index]))),
            )
            for c, h, p, index in zip(center, half, points, found, strict=True)
        ]


def _anchors():
    """Anchor centres as shares of the input, `(896, 2)`: two a cell on a 16x16 grid, six a cell on an 8x8 grid.

    What MediaPipe's SsdAnchorsCalculator makes of strides 8, 16, 16, 16 at 128 px and of 16, 32, 32, 32 at 256 px, with
    one aspect ratio, an interpolated scale and fixed anchor size.
    """
    grids = []
    for cells, per_cell in ((16, 2), (8, 6)):
        y, x = np.mgrid[:cells, :cells]
        grids.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5, per_cell, axis=0) / cells)
    return np.concatenate(grids)


ANCHORS = _anchors()
