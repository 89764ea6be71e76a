"""Find faces: Google MediaPipe's BlazeFace.

The two networks (Bazarevsky et al., 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs",
arXiv:1907.05047) run on LiteRT; `blazeface/NOTICE` names their source. Anchors, boxes and key points are decoded after
MediaPipe's published graphs `face_detection_short_range` and `face_detection_back_desktop_live`.
"""

import hashlib
import math
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from fer.errors import UserError, check_finite
from fer.fair_lock import FairLock

NETWORKS = Path(__file__).parent / "weights"
NEAR, FAR = NETWORKS / "face_detection_short_range.tflite", NETWORKS / "face_detection_back.tflite"
SHA256 = {
    NEAR.name: "dd8765ec1b70da73242da294c08e0390292b6f47b868916f019b07c6c98a06e4",
    FAR.name: "5655e5eb6228594b52f403bfcecbcac7d8950279935e266d69a26f808bceb0a0",
}
"""Digests of the networks' files, those of `blazeface/NOTICE`; checked before LiteRT opens one."""
MIN_SCORE = 0.5
"""MediaPipe's own threshold for both networks (`min_score_thresh`). With 0.6, 76 of 170 patterns that are taken for
faces would be left, and 1 of 100 faces in photos would be lost, 2 of 100 in the wild (`python -m benchmarks.no_faces`);
those below `MIN_SURE_SCORE` are shown as "not sure" instead."""
MIN_SURE_SCORE = 0.75
"""Detection score from which the answer for a face may be a sure one. Of 1,078 drawn patterns, textures and enlarged
cuts without a face 37 had a sure answer by its probability alone, and 1 has it with this score too; it takes 2 of 100
right sure answers on photos (`python -m benchmarks.no_faces`, docs/benchmarks.md)."""
MAX_OVERLAP = 0.3
"""MediaPipe's own threshold for both networks (`min_suppression_threshold`): above it two boxes are one face."""
MAX_INSIDE = 0.6
"""A box that lies in another with more than this share of its area is a part of that face."""
THREADS = min(2, os.cpu_count() or 1)
"""Number of threads of LiteRT per pass. Two halve the time; the networks are too small to gain from more."""
FAR_SIDE = 256
"""Side of the far network's own input in pixels."""
MIN_REGION = 300
"""Least side, in pixels of the picture, of the region that fills the far network's own input. The network finds real
faces from 6 % of its input on (measured with NASA's astronaut, scaled), which is 18 of 300 pixels; smaller faces show
no expression at 48 pixels."""
FAR_SIDES = {500: 384, 800: 512}
"""Side of the far network's input in pixels, by the least longer side of the picture. Smaller pictures, such as webcam
frames, are given to the network at `FAR_SIDE`."""
MAX_WORK = 21
"""Work limit of the far network per picture, counted in passes of `FAR_SIDE`: about 0.2 s on one core. A square picture
of 1,200 pixels takes two passes, which count 4 and 16."""
MIN_CLOSER_SCORE = 0.68
"""Score threshold of the second and third pass. It is higher, since each pass is many more chances to mistake a pattern
for a face."""
MAX_CANDIDATES = 4_000
"""Number of boxes per picture that non-maximum suppression takes, those with the best scores. A pattern can have 19,000
boxes, which take seconds; each of 256 faces side by side has up to 11 (measured with NASA's astronaut, 100 pixels)."""
CELLS = 8
"""Coarse cells along each side of a network's own input."""
ANCHOR_GRIDS = ((2, 2), (1, 6))
"""Grids of anchors: how many fine cells lie along each side of a coarse one, and the anchors of a fine cell."""
MAX_CLOSER_FACE = 0.5
"""Share of its own field that a face may fill in a second or third pass; the one before sees larger ones whole."""


@dataclass(frozen=True)
class DetectedFace:
    """A face in a picture, in the picture's pixels.

    box: left, top, right, bottom; may reach beyond the picture's edge.
    points: float32 `(6, 2)`, x and y of the person's right eye, left eye, nose tip, mouth, right ear, left ear.
    score: 0-1, how sure the detector is.
    """

    box: tuple
    points: np.ndarray = field(compare=False)
    score: float


class FaceDetector:
    """Finds all faces of a picture; may be shared between threads.

    Args:
        threads: of LiteRT, a pass.
    """

    def __init__(self, threads=THREADS):
        self._threads = threads
        self._near = _BlazeFace(NEAR, self._threads)
        self._far = {}
        self._lock = FairLock()

    def detect(self, image):
        """Faces of a PIL image of mode RGB as `DetectedFace`s, the largest first; an empty list if there is none.

        Both networks see the whole picture: the one for small faces at the sides that `look_sides` gives, the other the
        first of these again, made smaller.
        """
        (first, *closer), longer = look_sides(*image.size), max(image.size)
        seen = _shrink(image, first)
        with self._lock:
            near = self._near.detect(seen.reduce(first // self._near.side), longer, MIN_SCORE)
        far = self._look(seen, longer, first, MIN_SCORE)
        for side in closer:
            faces = self._look(_shrink(image, side), longer, side, MIN_CLOSER_SCORE)
            largest = MAX_CLOSER_FACE * longer * FAR_SIDE / side
            far += [face for face in faces if face.box[2] - face.box[0] <= largest]
        # The far network sees more pixels of a face, and its eyes follow a turned head better (to 1 degree where the
        # near one's are 10 off), so the near one only adds what the far one missed: faces that fill the picture.
        found, others = _merge(far), _merge(near)
        _, same = _compare(_boxes(others), _boxes(found))
        found += [face for face, known in zip(others, same.any(axis=1), strict=True) if not known]
        return [found[index] for index in np.argsort(-_areas(_boxes(found)), kind="stable")]

    def _look(self, picture, longer, side, min_score):
        # One pass at a time, and not all of a picture's: those of other pictures come in between.
        with self._lock:
            # A network for each side: to change its picture's size costs one half a pass.
            if side not in self._far:
                self._far[side] = _BlazeFace(FAR, self._threads, side)
            return self._far[side].detect(picture, longer, min_score)


def is_sure_face(score):
    """Return whether a detection score allows a sure answer; None, where the caller said that it is a face, does."""
    return score is None or score >= MIN_SURE_SCORE


def look_sides(width, height):
    """Sides in pixels that a picture's longer one is scaled to for each pass of the far network."""
    shorter, longer = sorted((width, height))
    side, work, sides = max((side for least, side in FAR_SIDES.items() if longer >= least), default=FAR_SIDE), 0, []
    while not sides or longer * FAR_SIDE / side >= MIN_REGION:
        work += (side / FAR_SIDE) ** 2 * max(shorter / longer, FAR_SIDE / CELLS / side)  # At least one row of cells.
        if work > MAX_WORK:
            break
        sides.append(side)
        side *= 2
    return sides


def _shrink(image, side):
    """A picture, its longer side of so many pixels."""
    scale = side / max(image.size)
    size = [max(1, round(length * scale)) for length in image.size]
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _merge(faces):
    """Non-maximum suppression: the best of each group of overlapping boxes.

    As in MediaPipe, box and points are the mean of those that overlap the best by more than `MAX_OVERLAP`, weighted by
    their scores.
    """
    faces = sorted(faces, key=lambda face: face.score, reverse=True)[:MAX_CANDIDATES]
    boxes, scores = _boxes(faces), np.array([face.score for face in faces])
    merged, left = [], np.arange(len(faces))
    # One row of the comparison at a time: a crowd has thousands of boxes, and all pairs of them would be gigabytes.
    while len(left):
        best, left = left[0], left[1:]
        overlaps, same = (row[0] for row in _compare(boxes[best, None], boxes[left]))
        group = np.append(best, left[overlaps > MAX_OVERLAP])
        weights = scores[group] / scores[group].sum()
        points = np.stack([faces[index].points for index in group])
        box, points = weights @ boxes[group], np.tensordot(weights, points, 1)
        merged.append(DetectedFace(tuple(box.tolist()), points.astype(np.float32), faces[best].score))
        left = left[~same]
    return merged


def _boxes(faces):
    """Boxes of faces, float `(n, 4)`."""
    return np.array([face.box for face in faces], float).reshape(-1, 4)


def _areas(boxes):
    """Areas of boxes `(..., 4)`; of one with a side below zero, none."""
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(axis=-1)


def _compare(ones, others):
    """How boxes `(n, 4)` lie to others `(m, 4)`.

    Returns:
        Their intersection over union, float `(n, m)`, and which are of one face, since they overlap or one lies in the
        other, bool `(n, m)`.
    """
    ones, others = ones[:, None], others[None]
    corners = np.maximum(ones[..., :2], others[..., :2]), np.minimum(ones[..., 2:], others[..., 2:])
    common, areas = _areas(np.concatenate(corners, axis=-1)), (_areas(ones), _areas(others))
    overlaps = common / (sum(areas) - common).clip(1e-9)
    inside = common / np.minimum(*areas).clip(1e-9)
    return overlaps, (overlaps > MAX_OVERLAP) | (inside > MAX_INSIDE)


class _BlazeFace:
    """One of the two networks: RGB picture in, `DetectedFace`s out.

    Args:
        file: `NEAR` or `FAR`.
        threads: of LiteRT.
        side: of its input in pixels, a multiple of the network's own cells; by default its own.
    """

    def __init__(self, file, threads, side=None):
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest != SHA256[file.name]:
            raise UserError(f"{file}: sha256 {SHA256[file.name]} expected. Received: {digest}")
        self.interpreter = Interpreter(model_content=content, num_threads=threads)
        self.input = self.interpreter.get_input_details()[0]["index"]
        own = int(self.interpreter.get_input_details()[0]["shape"][1])
        self.side, self.cell = side or own, own // CELLS
        self.size = None

    def detect(self, picture, longer, min_score):
        """Faces of an image in its own pixels.

        Args:
            picture: PIL image of mode RGB: the image, scaled so that its longer side has `side` pixels.
            longer: how many it has in the image.
            min_score: 0-1.
        """
        width, height = picture.size
        # Like MediaPipe's letterbox black (before scaling to -1..1) around the centred picture, to whole cells.
        rows, columns = (math.ceil(length / self.cell) * self.cell for length in (height, width))
        offset_x, offset_y = (columns - width) // 2, (rows - height) // 2
        self._resize((1, rows, columns, 3))
        self._fill(picture, offset_x, offset_y)
        logits, boxes = map(check_finite, self._run())
        found = np.flatnonzero(logits > math.log(min_score / (1 - min_score)))
        # Rows are box centre, box size and six points; all but the size are relative to the anchor. In input pixels.
        anchors = _anchors(rows // self.cell, columns // self.cell)[found, None] * self.cell
        boxes = boxes[found].reshape(-1, 8, 2) + anchors * np.array([1, 0, 1, 1, 1, 1, 1, 1])[:, None]
        shift, scale = np.array([offset_x, offset_y]), self.side / longer
        center, half, points = (boxes[:, 0] - shift) / scale, boxes[:, 1] / scale / 2, (boxes[:, 2:] - shift) / scale
        corners = np.concatenate([center - half, center + half], axis=1)
        scores = 1 / (1 + np.exp(-logits[found]))
        return [
            DetectedFace(tuple(box.tolist()), face_points.astype(np.float32), float(score))
            for box, face_points, score in zip(corners, points, scores, strict=True)
        ]

    def _resize(self, size):
        if size != self.size:
            self.interpreter.resize_tensor_input(self.input, size)
            self.interpreter.allocate_tensors()
            self.size = size

    def _fill(self, picture, left, top):
        # Within the interpreter's own memory: megabytes asked for and given back each time cost a millisecond.
        canvas = self.interpreter.tensor(self.input)()[0]
        canvas.fill(-1)
        inside = canvas[top : top + picture.height, left : left + picture.width]
        np.divide(picture, np.float32(127.5), out=inside)
        inside -= 1

    def _run(self):
        """Scores before the sigmoid, `(n,)`, and boxes, `(n, 16)`."""
        self.interpreter.invoke()
        maps = [self.interpreter.get_tensor(output["index"]) for output in self.interpreter.get_output_details()]
        return np.concatenate([scores.ravel() for scores in maps[:2]]), np.concatenate(
            [boxes.reshape(-1, 16) for boxes in maps[2:]]
        )


@cache
def _anchors(rows, columns):
    """Anchor centres of a picture of `rows` by `columns` coarse cells, in cells from its corner, float `(n, 2)`.

    Two a fine cell, of which four are a coarse one, then six a coarse cell: what MediaPipe's SsdAnchorsCalculator makes
    of strides 8, 16, 16, 16 at 128 px and of 16, 32, 32, 32 at 256 px, with one aspect ratio, an interpolated scale and
    fixed anchor size.
    """
    grids = []
    for finer, per_cell in ANCHOR_GRIDS:
        y, x = np.mgrid[: finer * rows, : finer * columns]
        grids.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5, per_cell, axis=0) / finer)
    return np.concatenate(grids)
