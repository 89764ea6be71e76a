"""Tests of limits for pictures with very many faces: memory, number of results, waiting time of others."""

import threading
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from fer.cli.commands import main
from fer.detection import blazeface as faces_module
from fer.detection.blazeface import DetectedFace, _merge
from fer.detection.tracking import FaceTracker
from fer.images.clips import Frame
from fer.labels import EMOTIONS
from fer.litert import FairLock
from fer.models.calibration import UNCALIBRATED
from fer.recognition.classification import classify
from fer.recognition.clip_reading import read_faces
from fer.recognition.recognizer import MAX_FACES, MAX_TRACKED, Face, FaceList, Recognizer
from fer.recognition.records import photo_record, photo_rows


class CrowdDetector:
    """Detector that finds `count` faces, side by side, each smaller than the one before."""

    def __init__(self, count):
        self.count = count

    def detect(self, image):
        points = np.array([[3, 3], [7, 3], [5, 5], [5, 7], [1, 4], [9, 4]], np.float32)
        sides = np.linspace(10, 9, self.count)
        places = [(10 * (number % 20), 10 * (number // 20)) for number in range(self.count)]
        return [
            DetectedFace((left, top, left + side, top + side), points + (left, top), 0.9)
            for side, (left, top) in zip(sides, places, strict=True)
        ]


class UniformNetwork:
    """Network that returns uniform probabilities, and records the number of faces in each pass."""

    input_shape = (None, 48, 48, 1)

    def __init__(self):
        self.asked = []

    def predict_on_batch(self, pixels):
        self.asked.append(len(pixels))
        return np.full((len(pixels), len(EMOTIONS)), 1 / len(EMOTIONS), np.float32)


@pytest.fixture
def crowd():
    """A recognizer that finds 300 faces in every picture."""
    return Recognizer(UniformNetwork(), EMOTIONS, CrowdDetector(300), "even")


def test_the_largest_faces_are_classified_in_batches_and_the_others_are_counted(crowd):
    image = Image.new("RGB", (200, 200))
    faces = crowd.recognize(image)
    assert (len(faces), faces.left_out) == (MAX_FACES, 300 - MAX_FACES)
    assert (sum(crowd.network.asked), max(crowd.network.asked)) == (MAX_FACES, 64)
    assert photo_record("crowd.jpg", image, faces, "even")["faces_left_out"] == 300 - MAX_FACES
    assert len(crowd.recognize(image, most=None)) == 300
    wide = crowd.recognize(image, smallest_face=9.9 / 200)
    assert wide.left_out == 0
    assert len(wide) < 50


def test_all_outputs_say_how_many_faces_were_left_out(crowd, tmp_path, monkeypatch, capsys):
    from fer.app.pages.photo import _summary

    path = tmp_path / "crowd.png"
    Image.new("RGB", (200, 200)).save(path)
    monkeypatch.setattr(Recognizer, "open", lambda *_, **__: crowd)
    assert main(["predict", str(path)]) == 0
    assert f"{path}: 256 faces; smaller ones left out: 44\n" in capsys.readouterr().out
    faces = crowd.recognize(Image.open(path))
    assert photo_rows("crowd.png", faces)[0]["message"] == "Smaller faces that were left out: 44."
    assert _summary("en", faces, 0).endswith(" Smaller faces that were left out: 44.")
    assert "left out" not in _summary("en", FaceList(faces), 0)


def test_the_largest_faces_of_a_frame_are_tracked(crowd):
    frames = [Frame(0.1 * number, Image.new("RGB", (200, 200)), (200, 200)) for number in range(3)]
    readings = list(read_faces(frames, crowd))
    assert [reading.numbers for reading in readings] == [list(range(1, MAX_TRACKED + 1))] * 3
    assert {reading.faces.left_out for reading in readings} == {300 - MAX_TRACKED}


def test_many_new_faces_per_frame_are_tracked():
    tracker, answer = FaceTracker(UNCALIBRATED), dict.fromkeys(EMOTIONS, 1 / len(EMOTIONS))
    for frame in range(20):  # Each frame has new faces, so that the last 64 are compared with 1,216 known ones.
        places = [1000 * frame + 12 * number for number in range(MAX_TRACKED)]
        faces = [Face((left, 0, left + 10, 10), "happy", answer, 0.9, True, None) for left in places]
        tracked = tracker.update(faces, frame / 20)
    assert [face.number for face in tracked] == list(range(19 * MAX_TRACKED + 1, 20 * MAX_TRACKED + 1))


def test_thousands_of_boxes_are_merged_in_little_memory():
    places = np.random.default_rng(0).uniform(0, 2048, (3_000, 2))
    points = np.zeros((6, 2), np.float32)
    boxes = [DetectedFace((x, y, x + 200, y + 200), points, 0.9 - x / 1e5) for x, y in places.tolist()]
    tracemalloc.start()
    try:
        faces = _merge(boxes)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 100 < len(faces) < 1000
    assert peak < 20e6


def test_only_the_best_boxes_are_merged(monkeypatch):
    monkeypatch.setattr(faces_module, "MAX_CANDIDATES", 3)
    points = np.zeros((6, 2), np.float32)
    boxes = [DetectedFace((20.0 * n, 0.0, 20.0 * n + 10, 10.0), points, 0.5 + n / 100) for n in range(10)]
    assert [face.score for face in _merge(boxes)] == pytest.approx([0.59, 0.58, 0.57])


def test_a_waiting_thread_gets_the_lock_before_it_is_acquired_again():
    turns, order = FairLock(), []

    def other():
        with turns:
            order.append("other")

    thread = threading.Thread(target=other)
    with turns:
        thread.start()
        while not turns._next.locked():  # Busy-wait until the other thread waits.
            pass
        order.append("first part")
    with turns:
        order.append("second part")
    thread.join()
    assert order == ["first part", "other", "second part"]


def test_results_of_classify_do_not_depend_on_the_number_of_faces(recognizer):
    crops = np.random.default_rng(0).integers(0, 256, (70, 48, 48), np.uint8)
    together = classify(recognizer.network, crops)
    np.testing.assert_allclose(together[64:], classify(recognizer.network, crops[64:]), atol=1e-5)
