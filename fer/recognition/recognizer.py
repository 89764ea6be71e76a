"""Picture in, faces with probabilities out: the one served path, used by the app, the command line and evaluation."""

from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from fer.detection.alignment import crop_face
from fer.detection.blazeface import THREADS, FaceDetector
from fer.errors import UserError, check_finite
from fer.images.loading import grey_square
from fer.models.calibration import UNCALIBRATED
from fer.recognition.activation_maps import find_map
from fer.recognition.classification import classify
from fer.recognition.litert_network import load_served

MAX_FACES = 256
"""Faces that are read of a picture, the largest: more are a pattern rather than people, and take everybody's time."""


@dataclass(frozen=True)
class Face:
    """A face and what its expression looks like.

    box: left, top, right, bottom in whole pixels, within the picture.
    label: the most probable emotion.
    probabilities: by emotion, in the model's order, calibrated; they sum to 1.
    detection_score: 0-1, how sure the detector is that this is a face; None where the caller said that it is.
    confident: whether the top probability reaches the model's threshold; False is "not sure".
    crop: what the network saw, a grey uint8 array `(image_size, image_size)`.
    """

    box: tuple
    label: str
    probabilities: dict
    detection_score: float | None
    confident: bool
    crop: np.ndarray = field(repr=False, compare=False)

    @property
    def answer(self):
        """The label in words, which say where it is not sure."""
        return self.label if self.confident else f"not sure, perhaps {self.label}"


class FaceList(list):
    """The faces of a picture, `Face`s, the largest first.

    left_out: how many smaller ones were found as well and not read.
    """

    def __init__(self, faces=(), left_out=0):
        super().__init__(faces)
        self.left_out = left_out


class Recognizer:
    """Finds the faces of a picture and reads their expressions; may be shared between threads.

    Args:
        network: Keras network of `fer.models.networks`, or `fer.recognition.litert_network.LiteRTNetwork`.
        labels: names of its outputs.
        detector: `fer.detection.blazeface.FaceDetector`.
        model: what to call the model in answers.
        calibration: `fer.models.calibration.Calibration` of the network.
    """

    def __init__(self, network, labels, detector, model, calibration=UNCALIBRATED):
        self.network, self.labels, self.detector, self.model = network, tuple(labels), detector, model
        self.calibration = calibration
        self.image_size = network.input_shape[1]
        self._map = find_map(network)

    @classmethod
    def load(cls, folder="bundled", model=None, threads=THREADS):
        """Loads a model folder (or the `bundled` one): its LiteRT file, if it has one that fits, or else with Keras.

        Args:
            folder: model folder; `fer.hub.client.resolve_model` gives that of a model of the Hub.
            model: what to call it in answers; by default the folder.
            threads: of LiteRT.

        Raises:
            ModelFolderError: for a folder that does not fit.
        """
        network, labels, calibration = load_served(folder, threads)
        return cls(network, labels, FaceDetector(threads), model or str(folder), calibration)

    def warm_up(self):
        """Does once what the first pictures would otherwise wait for."""
        # One face and several: TensorFlow, where it runs the network, traces it for one batch size, then once for any.
        for count in (1, 2, 3):
            crops = np.zeros((count, self.image_size, self.image_size), np.uint8)
            classify(self.network, crops)
        if self._map:
            self._map(crops[0], 0)

    def recognize(self, image, already_cropped=False, smallest_face=0.0, most=MAX_FACES):
        """Read every face of a picture.

        Args:
            image: PIL image of mode RGB, as `fer.images.loading.load_image` gives.
            already_cropped: the whole picture is one face, as FER2013's are; the detector is not asked.
            smallest_face: leave out faces whose box is narrower than this share (0-1) of the picture's longer side.
            most: read at most so many faces, the largest; None for all.

        Returns:
            A `FaceList`, the largest face first; empty if no face is found.

        Raises:
            UserError: for a `smallest_face` that is no such share.
        """
        return self.recognize_batch([image], already_cropped, smallest_face, most)[0]

    def recognize_batch(self, images, already_cropped=False, smallest_face=0.0, most=MAX_FACES):
        """Read every face of several pictures, whose faces share the network's passes.

        Args:
            images: PIL images of mode RGB.
            already_cropped, smallest_face, most: as `recognize` takes them.

        Returns:
            A list of `FaceList`, one per picture.

        Raises:
            UserError: for a `smallest_face` that is no such share.
        """
        if not 0 <= smallest_face <= 1:
            raise UserError(f"`smallest_face` must be from 0 to 1. Received: {smallest_face:g}")
        cuts = [
            ([((0, 0, *image.size), grey_square(image, self.image_size), None)], 0) if already_cropped
            else self._cut(image, smallest_face, most)
            for image in images
        ]  # fmt: skip
        faces = iter(self._classify([face for own, _ in cuts for face in own]))
        return [FaceList(islice(faces, len(own)), left_out) for own, left_out in cuts]

    def explain(self, face):
        """Where the network looked for a face's label, a class activation map.

        Args:
            face: of `recognize`.

        Returns:
            float32 array of the last feature map's size, `(6, 6)` for a 48-pixel crop. Positive places speak for the
            label, negative ones against it. None for a network that ends otherwise than in one dense layer over the
            mean of its last feature map, and so cannot say.
        """
        return self._map and check_finite(self._map(face.crop, self.labels.index(face.label)))

    def _cut(self, image, smallest_face, most):
        """A picture's largest faces as boxes in whole pixels, crops and scores; and how many others there are."""
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
                box, self.labels[row.argmax()], dict(zip(self.labels, map(float, row), strict=True)), score, sure, crop
            )
            for (box, crop, score), row, sure in zip(cuts, probabilities, map(bool, confident), strict=True)
        ]


def _whole_pixels(box, size):
    left, top, right, bottom = np.round(box).astype(int)
    width, height = size
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return int(left), int(top), int(min(max(right, left + 1), width)), int(min(max(bottom, top + 1), height))
