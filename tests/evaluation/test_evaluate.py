"""Tests of what is measured on a split, apart from the metrics themselves."""

import numpy as np
import pytest

from fer.data.faces import Faces
from fer.evaluation import evaluate as evaluation
from fer.evaluation.evaluate import measure
from fer.evaluation.summary import CUT_AGAIN, format_metrics
from fer.models.calibration import Calibration
from fer.models.config import ModelConfig

LABELS = ("happy", "neutral", "sad")
CONFIG = ModelConfig("se_resnet", LABELS, 48, calibration=Calibration(threshold=0.6))
PROBABILITIES = np.array([[0.1, 0.8, 0.1], [0.4, 0.5, 0.1], [0.1, 0.2, 0.7]])


def make_faces(labels, classes, **facts):
    return Faces(
        np.zeros((len(labels), 8, 8, 1), np.uint8), np.array(labels), classes, tuple(map(str, labels)), **facts
    )


def test_confident_answers_are_those_among_the_classes_that_are_chosen_from():
    # Sure of a class that is not asked for; unsure, but sure between the two; sure.
    metrics = measure(PROBABILITIES, CONFIG, make_faces([0, 0, 1], ("happy", "sad")), "test", "a")
    assert metrics["confident"] == {"threshold": 0.6, "coverage": pytest.approx(2 / 3), "accuracy": 1.0}
    whole = measure(PROBABILITIES, CONFIG, make_faces([1, 0, 0], LABELS), "test", "a")["confident"]
    assert whole == {"threshold": 0.6, "coverage": pytest.approx(2 / 3), "accuracy": 0.5}


def test_an_answer_that_the_detection_does_not_allow_is_not_confident():
    allowed = np.array([False, True, True])
    metrics = measure(PROBABILITIES, CONFIG, make_faces([1, 0, 2], LABELS), "test", "a", allowed)
    assert metrics["confident"] == {"threshold": 0.6, "coverage": pytest.approx(1 / 3), "accuracy": 1.0}


def test_pictures_without_a_found_face_are_named_beside_the_others(monkeypatch):
    """The digest is that of the data, and the first line says how many of its pictures were measured."""
    faces = make_faces([1, 0, 2], LABELS)
    found = faces.take(np.array([0, 2]))
    scenes = found, PROBABILITIES[[0, 2]], np.array([True, True]), {"pictures": 3, "accuracy_without_scenes": 1.0}
    monkeypatch.setattr(evaluation, "_resolve", lambda model: (model, "a"))
    monkeypatch.setattr(evaluation, "load_config", lambda folder: CONFIG)
    monkeypatch.setattr(evaluation, "load_faces", lambda *_, **how: faces)
    monkeypatch.setattr(evaluation, "read_in_scenes", lambda *_: scenes)
    metrics, _ = evaluation.evaluate_model("a", "data", end_to_end=True)
    assert (metrics["n"], metrics["data_sha256"]) == (2, faces.sha256())
    assert format_metrics(metrics).splitlines()[0] == "2 of 3 pictures of the validation split, model a"
    assert format_metrics(metrics | {"cut_again": True}).splitlines()[1] == CUT_AGAIN


def test_a_validation_split_that_was_cut_from_the_training_pictures_is_called_so():
    for held_out, cut in ((True, ", a tenth of the training pictures that was held out"), (False, "")):
        metrics = measure(PROBABILITIES, CONFIG, make_faces([1, 0, 2], LABELS, held_out=held_out), "validation", "a")
        assert metrics["held_out"] == held_out
        assert format_metrics(metrics).splitlines()[0] == f"3 pictures of the validation split{cut}, model a"
    rest = measure(PROBABILITIES, CONFIG, make_faces([1, 0, 2], LABELS, held_out=True), "train", "a")
    assert not rest["held_out"]
