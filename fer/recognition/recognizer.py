"""End-to-end recognition of a picture: detection, alignment, classification, calibration.

The app, the command line, scoring and end-to-end evaluation all use the `Recognizer`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from fer.detection.alignment import crop_face
from fer.detection.blazeface import FaceDetector, allows_confident_answer
from fer.errors import UserError
from fer.images.loading import Photo, grey_square, to_image
from fer.litert import THREADS, check_finite
from fer.models.calibration import UNCALIBRATED, Calibration
from fer.models.model_folder import find_model
from fer.paths import StrPath
from fer.recognition.classification import classify
from fer.recognition.litert_network import LiteRTFile, LiteRTNetwork, UncalibratedNetwork, read_litert_file

MAX_FACES = 256
"""Default limit of faces per picture, the largest first. A picture with more is a pattern rather than people, and would
keep other users waiting."""
MAX_TRACKED = 64
"""Limit of faces per frame of a stream or clip, the largest first; `fer.detection.tracking` tracks them."""


@dataclass(frozen=True)
class Face:
    """A face, and the expression that the network recognized.

    box: left, top, right, bottom in whole pixels, within the picture.
    label: the most probable class.
    probabilities: calibrated probabilities by class, in the order of the model's labels; they sum to 1.
    detection_score: the detector's confidence that this is a face, from 0 to 1; None if there was no detection.
    confident: whether the top probability reaches the model's threshold and the detection score reaches
        `fer.detection.blazeface.MIN_CONFIDENT_SCORE`; otherwise the answer is "not sure".
    crop: aligned face, the input of the network: a grey uint8 array `(image_size, image_size)`.
    """

    box: tuple[int, int, int, int]
    label: str
    probabilities: dict[str, float]
    detection_score: float | None
    confident: bool
    crop: np.ndarray = field(repr=False, compare=False)

    @property
    def answer(self) -> str:
        """Label of the face; if the answer is not confident, the text "not sure, perhaps" and the label."""
        return self.label if self.confident else f"not sure, perhaps {self.label}"


class FaceList(list[Face]):
    """The `Face`s of a picture, the largest first.

    left_out: number of smaller faces that were detected but not classified, because of the limit.
    """

    def __init__(self, faces: Iterable[Face] = (), left_out: int = 0):
        super().__init__(faces)
        self.left_out = left_out


class Recognizer:
    """Recognizer of the faces in pictures and of their expressions. Several threads may use it.

    Args:
        network: `fer.recognition.litert_network.LiteRTNetwork` or `UncalibratedNetwork`.
        labels: names of the outputs of the network, in order.
        detector: `fer.detection.blazeface.FaceDetector`.
        model: name of the model, to be recorded in answers.
        calibration: `fer.models.calibration.Calibration` to apply to the output of the network.
    """

    def __init__(
        self,
        network: LiteRTNetwork | UncalibratedNetwork,
        labels: Iterable[str],
        detector: FaceDetector,
        model: str,
        calibration: Calibration = UNCALIBRATED,
    ):
        self.network, self.labels, self.detector, self.model = network, tuple(labels), detector, model
        self.calibration = calibration
        self.image_size = network.input_shape[1]

    @classmethod
    def load(cls, name: StrPath = "bundled", model: str | None = None, threads: int = THREADS) -> Recognizer:
        """Load a model; download it first if it is on the Hugging Face Hub and not in the Hub's cache.

        Args:
            name: `bundled`, a model folder, or `OWNER/NAME` or `OWNER/NAME@REVISION` on the Hub. An existing folder has
                precedence.
            model: name of the model, to be recorded in answers. By default it is `name`, with the commit of a model on
                the Hub.
            threads: number of LiteRT's threads.

        Raises:
            ModelFolderError: if the model folder is not valid.
            HubError: if the model cannot be downloaded.
        """
        folder, title = find_model(name), model or str(name)
        if not folder.exists():
            from fer.hub.client import resolve_model  # Importing huggingface_hub takes longer than to answer a photo.

            source = resolve_model(name)
            folder, title = source.folder, model or str(source)
        return cls.open(read_litert_file(folder), title, threads)

    @classmethod
    def open(cls, file: LiteRTFile, model: str, threads: int = THREADS) -> Recognizer:
        """Open a LiteRT file that `fer.recognition.litert_network.read_litert_file` has read.

        Args:
            file: `fer.recognition.litert_network.LiteRTFile`.
            model: name of the model, to be recorded in answers.
            threads: number of LiteRT's threads.

        Raises:
            ModelFolderError: if the file is not an export of this model.
        """
        calibration = file.config.calibration.without_correction()
        return cls(file.open(threads), file.config.labels, FaceDetector(threads), model, calibration)

    @classmethod
    def load_uncalibrated(cls, folder: StrPath, model: str, calibration: Calibration = UNCALIBRATED) -> Recognizer:
        """Load a model folder, and replace the calibration that its LiteRT file contains.

        Args:
            folder: path of a model folder, or `bundled`.
            model: name of the model, to be recorded in answers.
            calibration: `fer.models.calibration.Calibration` to apply instead.

        Raises:
            ModelFolderError: if the model folder is not valid.
        """
        file = read_litert_file(folder)
        network = UncalibratedNetwork(file.open(), file.config.calibration)
        return cls(network, file.config.labels, FaceDetector(), model, calibration)

    def warm_up(self) -> None:
        """Run dummy inputs so that the first request does not pay for lazy initialisation."""
        classify(self.network, np.zeros((1, self.image_size, self.image_size), np.uint8))

    def recognize(
        self, photo: Photo, already_cropped: bool = False, smallest_face: float = 0.0, most: int | None = MAX_FACES
    ) -> FaceList:
        """Find the faces in a picture and classify their expressions.

        Args:
            photo: path, bytes, binary file object, PIL image of any mode, or RGB uint8 array `(height, width, 3)`; see
                `fer.images.loading.to_image`.
            already_cropped: whether the whole picture is one face, as in FER2013; if so, there is no detection.
            smallest_face: smallest width of a face's box, as a share (0-1) of the picture's longer side; narrower faces
                are ignored.
            most: largest number of faces to classify, the largest faces first; None for all.

        Returns:
            A `FaceList`, the largest face first; empty if no face is found.

        Raises:
            UserError: if `smallest_face` is not from 0 to 1, or the photo cannot be read.
        """
        return self.recognize_batch([photo], already_cropped, smallest_face, most)[0]

    def recognize_batch(
        self,
        photos: Iterable[Photo],
        already_cropped: bool = False,
        smallest_face: float = 0.0,
        most: int | None = MAX_FACES,
    ) -> list[FaceList]:
        """Find the faces in several pictures, and classify all of them together.

        Args:
            photos: photos as `recognize` takes them. They are read one by one, and only the face crops are kept.
            already_cropped, smallest_face, most: as `recognize` takes them.

        Returns:
            A list of `FaceList`, one per picture.

        Raises:
            UserError: if `smallest_face` is not from 0 to 1, or a photo cannot be read.
        """
        if not 0 <= smallest_face <= 1:
            raise UserError(f"`smallest_face` must be from 0 to 1. Received: {smallest_face:g}")
        cuts = [self._cut(to_image(photo), already_cropped, smallest_face, most) for photo in photos]
        faces = iter(self._classify([face for own, _ in cuts for face in own]))
        return [FaceList(islice(faces, len(own)), left_out) for own, left_out in cuts]

    def explain(self, face: Face) -> np.ndarray | None:
        """Return the class activation map of a face's label.

        Args:
            face: a `Face` that `recognize` returned.

        Returns:
            float32 array of the size of the last feature map, `(6, 6)` for a 48-pixel crop: positive where the crop
            speaks for the label, negative where it speaks against it. None if the network does not end in global
            average pooling and one dense layer, and so has no such maps.
        """
        if not self.network.has_maps:
            return None
        return check_finite(self.network.map(face.crop, self.labels.index(face.label)))

    def _cut(self, image, already_cropped, smallest_face, most):
        """Detect and align the faces in a picture.

        Returns:
            A list of `(box, crop, score)`, the largest face first, and the number of faces beyond `most`.
        """
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
        """Return the `Face`s of a list that `_cut` returned."""
        if not cuts:
            return []
        probabilities = self.calibration.apply(classify(self.network, np.stack([crop for _, crop, _ in cuts])))
        faces = []
        above_threshold = self.calibration.confident(probabilities)
        for (box, crop, score), row, above in zip(cuts, probabilities, above_threshold, strict=True):
            by_label = dict(zip(self.labels, map(float, row), strict=True))
            confident = bool(above) and allows_confident_answer(score)
            faces.append(Face(box, self.labels[row.argmax()], by_label, score, confident, crop))
        return faces


def _whole_pixels(box, size):
    """Round a box to whole pixels, and clip it to a picture of `size` so that it keeps at least one pixel per side."""
    left, top, right, bottom = np.round(box).astype(int)
    width, height = size
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return int(left), int(top), int(min(max(right, left + 1), width)), int(min(max(bottom, top + 1), height))
