"""Picture in, faces with probabilities out: the one served path, used by the app, the command line and evaluation."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from fer.detection.alignment import crop_face
from fer.detection.blazeface import THREADS, FaceDetector, is_sure_face
from fer.errors import UserError, check_finite
from fer.images.loading import Photo, grey_square, to_image
from fer.models.calibration import UNCALIBRATED, Calibration
from fer.models.model_folder import find_model
from fer.recognition.classification import classify
from fer.recognition.litert_network import LiteRTFile, read_litert_file

MAX_FACES = 256
"""Faces that are read of a picture, the largest: more are a pattern rather than people, and take everybody's time."""


@dataclass(frozen=True)
class Face:
    """A face and what its expression looks like.

    box: left, top, right, bottom in whole pixels, within the picture.
    label: the most probable emotion.
    probabilities: by emotion, in the model's order, calibrated; they sum to 1.
    detection_score: 0-1, how sure the detector is that this is a face; None where the caller said that it is.
    confident: whether the top probability reaches the model's threshold, and the detection score
        `fer.detection.blazeface.MIN_SURE_SCORE`; False is "not sure".
    crop: what the network saw, a grey uint8 array `(image_size, image_size)`.
    """

    box: tuple[int, int, int, int]
    label: str
    probabilities: dict[str, float]
    detection_score: float | None
    confident: bool
    crop: np.ndarray = field(repr=False, compare=False)

    @property
    def answer(self) -> str:
        """The label in words, which say where it is not sure."""
        return self.label if self.confident else f"not sure, perhaps {self.label}"


class FaceList(list[Face]):
    """The faces of a picture, `Face`s, the largest first.

    left_out: number of smaller faces that were found and not read.
    """

    def __init__(self, faces: Iterable[Face] = (), left_out: int = 0):
        super().__init__(faces)
        self.left_out = left_out


class Recognizer:
    """Finds the faces of a picture and reads their expressions; may be shared between threads.

    Args:
        network: `fer.recognition.litert_network.LiteRTNetwork` or `UncalibratedNetwork`.
        labels: names of its outputs, in order.
        detector: `fer.detection.blazeface.FaceDetector`.
        model: what to call the model in answers.
        calibration: `fer.models.calibration.Calibration` of the network.
    """

    def __init__(
        self,
        network,
        labels: Iterable[str],
        detector: FaceDetector,
        model: str,
        calibration: Calibration = UNCALIBRATED,
    ):
        self.network, self.labels, self.detector, self.model = network, tuple(labels), detector, model
        self.calibration = calibration
        self.image_size = network.input_shape[1]

    @classmethod
    def load(
        cls, name: str | os.PathLike[str] = "bundled", model: str | None = None, threads: int = THREADS
    ) -> Recognizer:
        """Load a model; one of the Hugging Face Hub is pulled first, or taken from the Hub's cache.

        Args:
            name: `bundled`, a model folder, or `OWNER/NAME` or `OWNER/NAME@REVISION` of the Hub. A folder that exists
                goes first.
            model: what to call the model in answers; by default its name, with the commit for one of the Hub.
            threads: number of LiteRT's threads.

        Raises:
            ModelFolderError: for a folder that does not fit.
            HubError: for a model of the Hub that cannot be had.
        """
        folder, called = find_model(name), model or str(name)
        if not folder.exists():
            from fer.hub.client import resolve_model  # The Hub's client takes longer to import than a photo to answer.

            source = resolve_model(name)
            folder, called = source.folder, model or str(source)
        return cls.open(read_litert_file(folder), called, threads)

    @classmethod
    def open(cls, served: LiteRTFile, model: str, threads: int = THREADS) -> Recognizer:
        """Open what `fer.recognition.litert_network.read_litert_file` read, perhaps in another process.

        Args:
            served: `fer.recognition.litert_network.LiteRTFile`.
            model: what to call the model in answers.
            threads: number of LiteRT's threads.
        """
        calibration = served.config.calibration.without_correction()
        return cls(served.open(threads), served.config.labels, FaceDetector(threads), model, calibration)

    def warm_up(self) -> None:
        """Run dummy inputs so that the first request does not pay for lazy initialisation."""
        classify(self.network, np.zeros((1, self.image_size, self.image_size), np.uint8))

    def recognize(
        self, photo: Photo, already_cropped: bool = False, smallest_face: float = 0.0, most: int | None = MAX_FACES
    ) -> FaceList:
        """Read every face of a picture.

        Args:
            photo: path, bytes, binary file object, PIL image of any mode, or RGB uint8 array `(height, width, 3)`; see
                `fer.images.loading.to_image`.
            already_cropped: the whole picture is one face, as FER2013's are; the detector is not asked.
            smallest_face: leave out faces whose box is narrower than this share (0-1) of the picture's longer side.
            most: read at most so many faces, the largest; None for all.

        Returns:
            A `FaceList`, the largest face first; empty if no face is found.

        Raises:
            UserError: for a `smallest_face` that is no such share, or a photo that cannot be read.
        """
        return self.recognize_batch([photo], already_cropped, smallest_face, most)[0]

    def recognize_batch(
        self,
        photos: Iterable[Photo],
        already_cropped: bool = False,
        smallest_face: float = 0.0,
        most: int | None = MAX_FACES,
    ) -> list[FaceList]:
        """Read every face of several pictures, whose faces share the network's passes.

        Args:
            photos: as `recognize` takes them. Each is let go once its faces are cut.
            already_cropped, smallest_face, most: as `recognize` takes them.

        Returns:
            A list of `FaceList`, one per picture.

        Raises:
            UserError: for a `smallest_face` that is no such share, or a photo that cannot be read.
        """
        if not 0 <= smallest_face <= 1:
            raise UserError(f"`smallest_face` must be from 0 to 1. Received: {smallest_face:g}")
        cuts = [self._cut(to_image(photo), already_cropped, smallest_face, most) for photo in photos]
        faces = iter(self._classify([face for own, _ in cuts for face in own]))
        return [FaceList(islice(faces, len(own)), left_out) for own, left_out in cuts]

    def explain(self, face: Face) -> np.ndarray | None:
        """Return where the network looked for a face's label, a class activation map.

        Args:
            face: of `recognize`.

        Returns:
            float32 array of the last feature map's size, `(6, 6)` for a 48-pixel crop. Positive places speak for the
            label, negative ones against it. None for a network that ends otherwise than in one dense layer over the
            mean of its last feature map, and so cannot say.
        """
        if not self.network.has_maps:
            return None
        return check_finite(self.network.map(face.crop, self.labels.index(face.label)))

    def _cut(self, image, already_cropped, smallest_face, most):
        """Return a picture's largest faces as boxes in whole pixels, crops and scores, and the number of the others."""
        if already_cropped:
            return [((0, 0, *image.size), grey_square(image, self.image_size), None)], 0
        smallest = smallest_face * max(image.size)
        found = [face for face in self.detector.detect(image) if face.box[2] - face.box[0] >= smallest]
        faces = found[:most]
        crops = [crop_face(image, face, self.image_size) for face in faces]
        boxes = [_whole_pixels(face.box, image.size) for face in faces]
        cuts = zip(boxes, crops, (face.score for face in faces), strict=True)
        return list(cuts), len(found) - len(faces)

    def _classify(self, cuts):
        """A `Face` for each of what `_cut` gives."""
        if not cuts:
            return []
        probabilities = self.calibration.apply(classify(self.network, np.stack([crop for _, crop, _ in cuts])))
        confident = self.calibration.confident(probabilities)
        return [
            Face(
                box,
                self.labels[row.argmax()],
                dict(zip(self.labels, map(float, row), strict=True)),
                score,
                sure and is_sure_face(score),
                crop,
            )
            for (box, crop, score), row, sure in zip(cuts, probabilities, map(bool, confident), strict=True)
        ]


def _whole_pixels(box, size):
    left, top, right, bottom = np.round(box).astype(int)
    width, height = size
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return int(left), int(top), int(min(max(right, left + 1), width)), int(min(max(bottom, top + 1), height))
