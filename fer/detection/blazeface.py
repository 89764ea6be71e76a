"""Detect faces with BlazeFace, of Google's MediaPipe.

The two networks (Bazarevsky et al., 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs",
arXiv:1907.05047) run on LiteRT; `weights/NOTICE` names their source. Anchors, boxes and key points are decoded as in
MediaPipe's published graphs `face_detection_short_range` and `face_detection_back_desktop_live`.
"""

import hashlib
import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from fer.detection.boxes import measure_areas, measure_overlaps
from fer.errors import UserError
from fer.litert import THREADS, FairLock, check_finite

NETWORKS = Path(__file__).parent / "weights"
"""Folder of the networks' files."""
NEAR, FAR = NETWORKS / "face_detection_short_range.tflite", NETWORKS / "face_detection_back.tflite"
"""Paths of the network for faces that fill the picture, and of the network for smaller faces."""
SHA256 = {
    NEAR.name: "dd8765ec1b70da73242da294c08e0390292b6f47b868916f019b07c6c98a06e4",
    FAR.name: "5655e5eb6228594b52f403bfcecbcac7d8950279935e266d69a26f808bceb0a0",
}
"""SHA-256 of the networks' files, as in `weights/NOTICE`; checked before LiteRT opens a file."""
MIN_SCORE = 0.5
"""Score threshold of both networks, the same as MediaPipe's (`min_score_thresh`). With a threshold of 0.6, 76 of 170
patterns would still be detected as faces, and 1 of 100 faces would be lost in photos, 2 of 100 in pictures taken in the
wild (`python -m benchmarks.no_faces`). Faces below `MIN_CONFIDENT_SCORE` are shown as "not sure" instead."""
MIN_CONFIDENT_SCORE = 0.75
"""Detection score from which the answer for a face may be confident. Of 1,078 drawn patterns, textures and enlarged
cuts without a face, 50 had a confident answer by probability alone, and 1 has one with this threshold. It makes 3 of
100 correct confident answers on photos "not sure" (`python -m benchmarks.no_faces`, docs/faces.md)."""
MAX_OVERLAP = 0.3
"""Intersection over union above which two boxes are the same face; MediaPipe's `min_suppression_threshold`."""
MAX_INSIDE = 0.6
"""Share of a box's area above which a box that lies in another belongs to the same face."""
FAR_SIDE = 256
"""Side of the far network's own input in pixels."""
MIN_REGION = 300
"""Least side, in pixels of the picture, of the region that fills the far network's own input. The network finds real
faces from 6% of its input on (measured with NASA's astronaut, scaled), which is 18 of 300 pixels; smaller faces show
no expression at 48 pixels."""
FAR_SIDES = {500: 384, 800: 512}
"""Side of the far network's input in pixels, by the least longer side of the picture. Smaller pictures, such as webcam
frames, are given to the network at `FAR_SIDE`."""
LIVE_SIDE = 480
"""Longest side in pixels to which a live camera's frame is scaled. It is below the least side in `FAR_SIDES`, so that
the detector makes its fastest pass, which is enough for people in front of a camera."""
MAX_WORK = 21
"""Work limit of the far network per picture, counted in passes of `FAR_SIDE`: about 0.2 s on one core. A square picture
of 1,200 pixels takes two passes, which count 4 and 16."""
MIN_CLOSER_SCORE = 0.68
"""Score threshold of the passes after the first. It is higher because each pass adds many chances to mistake a pattern
for a face."""
MAX_CANDIDATES = 4_000
"""Largest number of boxes per picture that enter non-maximum suppression, those with the best scores. A pattern can
have 19,000 boxes, which would take seconds; each of 256 faces side by side has up to 11 (measured with NASA's
astronaut, 100 pixels)."""
CELLS = 8
"""Number of coarse cells along each side of a network's own input."""
ANCHOR_GRIDS = ((2, 2), (1, 6))
"""Grids of anchors, each as the number of fine cells along a side of a coarse cell, and the anchors per fine cell."""
MAX_CLOSER_FACE = 0.5
"""Share of a side of the network's own input that a face may fill in the passes after the first. The pass before sees
larger faces as a whole."""


@dataclass(frozen=True)
class DetectedFace:
    """A detected face, in the picture's pixels.

    box: left, top, right, bottom; may reach beyond the picture's edge.
    points: float32 `(6, 2)`, x and y of the person's right eye, left eye, nose tip, mouth, right ear, left ear.
    score: detection score, 0-1.
    """

    box: tuple[float, float, float, float]
    points: np.ndarray = field(compare=False)
    score: float


class FaceDetector:
    """Detector of all faces in a picture; may be shared between threads.

    Args:
        threads: number of threads of LiteRT per pass.
    """

    def __init__(self, threads: int = THREADS):
        self._threads = threads
        self._near = _BlazeFace(NEAR, self._threads)
        self._far = {}
        self._lock = FairLock()

    def detect(self, image: Image.Image) -> list[DetectedFace]:
        """Return the faces of a PIL image of mode RGB, the largest first.

        Both networks see the whole picture. The far network makes one pass for each side that `look_sides` returns; the
        near network sees the picture of the first pass, scaled down.
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
        # The far network sees more pixels of a face, and finds the eyes of a tilted head more exactly (their angle is
        # off by 1 degree where the near network's is off by 10). So the near network only adds the faces that the far
        # network missed: those that fill the picture.
        found, others = _merge(far), _merge(near)
        _, same = _compare(_boxes(others), _boxes(found))
        found += [face for face, known in zip(others, same.any(axis=1), strict=True) if not known]
        return [found[index] for index in np.argsort(-measure_areas(_boxes(found)), kind="stable")]

    def _look(self, picture, longer, side, min_score):
        # The lock is held for one pass, not for all passes of a picture, so that other pictures take turns with it.
        with self._lock:
            # One interpreter per side: to change the size of an input takes half the time of a pass.
            if side not in self._far:
                self._far[side] = _BlazeFace(FAR, self._threads, side)
            return self._far[side].detect(picture, longer, min_score)


def allows_confident_answer(score: float | None) -> bool:
    """Return whether a detection score allows a confident answer. None, for a face that the caller cut out, does."""
    return score is None or score >= MIN_CONFIDENT_SCORE


def look_sides(width: int, height: int) -> list[int]:
    """Return the length in pixels to which a picture's longer side is scaled, for each pass of the far network."""
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
    """Return a picture scaled so that its longer side has `side` pixels."""
    scale = side / max(image.size)
    size = [max(1, round(length * scale)) for length in image.size]
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _merge(faces):
    """Return one face for each group of overlapping boxes, by non-maximum suppression.

    As in MediaPipe, its box and points are the mean of those that overlap the best box by more than `MAX_OVERLAP`,
    weighted by their scores.
    """
    faces = sorted(faces, key=lambda face: face.score, reverse=True)[:MAX_CANDIDATES]
    boxes, scores = _boxes(faces), np.array([face.score for face in faces])
    merged, left = [], np.arange(len(faces))
    # Boxes are compared with one box at a time: for the thousands of boxes of a crowd, all pairs would take gigabytes.
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
    """Return the boxes of faces, float `(n, 4)`."""
    return np.array([face.box for face in faces], float).reshape(-1, 4)


def _compare(ones, others):
    """Compare boxes `(n, 4)` with others `(m, 4)`.

    Returns:
        The intersection over union of each pair, float `(n, m)`; and whether the two belong to the same face because
        they overlap or one lies in the other, bool `(n, m)`.
    """
    overlaps, inside = measure_overlaps(ones[:, None], others[None])
    return overlaps, (overlaps > MAX_OVERLAP) | (inside > MAX_INSIDE)


class _BlazeFace:
    """One of the two networks, with an input of a fixed side.

    Args:
        file: `NEAR` or `FAR`.
        threads: number of threads of LiteRT.
        side: side of the input in pixels, a multiple of the network's cells; by default the network's own side.
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
        """Return the `DetectedFace`s of an image, in the pixels of the original image.

        Args:
            picture: PIL image of mode RGB, scaled so that its longer side has `side` pixels.
            longer: longer side of the original image in pixels.
            min_score: score threshold, 0-1.
        """
        width, height = picture.size
        # As in MediaPipe, the picture is centred and padded with black to whole cells.
        rows, columns = (math.ceil(length / self.cell) * self.cell for length in (height, width))
        offset_x, offset_y = (columns - width) // 2, (rows - height) // 2
        self._resize((1, rows, columns, 3))
        self._fill(picture, offset_x, offset_y)
        logits, boxes = map(check_finite, self._run())
        found = np.flatnonzero(logits > math.log(min_score / (1 - min_score)))
        # Rows are box centre, box size and six points, in pixels of the input; all but the size relative to the anchor.
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
        # The input is written into the interpreter's own memory: to allocate megabytes each time takes a millisecond.
        canvas = self.interpreter.tensor(self.input)()[0]
        canvas.fill(-1)
        inside = canvas[top : top + picture.height, left : left + picture.width]
        np.divide(picture, np.float32(127.5), out=inside)
        inside -= 1

    def _run(self):
        """Run the network, and return the scores before the sigmoid, `(n,)`, and the boxes, `(n, 16)`."""
        self.interpreter.invoke()
        maps = [self.interpreter.get_tensor(output["index"]) for output in self.interpreter.get_output_details()]
        return np.concatenate([scores.ravel() for scores in maps[:2]]), np.concatenate(
            [boxes.reshape(-1, 16) for boxes in maps[2:]]
        )


@cache
def _anchors(rows, columns):
    """Return the anchors' centres for an input of `rows` by `columns` coarse cells, float `(n, 2)` in coarse cells.

    There are two anchors per fine cell (a quarter of a coarse cell), then six per coarse cell, as MediaPipe's
    SsdAnchorsCalculator computes them for strides 8, 16, 16, 16 at 128 pixels and 16, 32, 32, 32 at 256 pixels, with
    one aspect ratio, an interpolated scale and fixed anchor size.
    """
    grids = []
    for finer, per_cell in ANCHOR_GRIDS:
        y, x = np.mgrid[: finer * rows, : finer * columns]
        grids.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5, per_cell, axis=0) / finer)
    return np.concatenate(grids)
