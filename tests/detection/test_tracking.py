import copy
import math
from dataclasses import dataclass

import pytest

from fer.detection.tracking import LOST_SECONDS, SMOOTHING_SECONDS, FaceTracker, likeness
from fer.models.calibration import UNCALIBRATED, Calibration

HAPPY, SAD = {"happy": 0.9, "sad": 0.1}, {"happy": 0.1, "sad": 0.9}


@dataclass(frozen=True)
class Seen:
    """What the tracker reads of a `fer.recognition.recognizer.Face`, without Keras."""

    box: tuple
    probabilities: dict
    detection_score: float = 0.9


def seen(left, top=100, side=80, probabilities=HAPPY):
    return Seen((left, top, left + side, top + side), probabilities)


def numbers(faces):
    return [face.number for face in faces]


def test_faces_keep_their_numbers_while_they_move_whatever_their_order():
    tracker = FaceTracker(UNCALIBRATED)
    assert numbers(tracker.update([seen(0), seen(400)], 0.0)) == [1, 2]
    for step in range(1, 11):
        left, right = seen(15 * step, top=100 + 5 * step), seen(400 - 10 * step)
        faces = tracker.update([right, left] if step % 2 else [left, right], step / 10)
        assert numbers(faces) == ([2, 1] if step % 2 else [1, 2])
        assert faces[0].box == (right if step % 2 else left).box


def test_a_step_of_its_own_width_is_the_same_face_and_a_jump_across_the_picture_another():
    tracker = FaceTracker(UNCALIBRATED)
    tracker.update([seen(0)], 0.0)
    assert numbers(tracker.update([seen(80)], 0.1)) == [1]
    assert numbers(tracker.update([seen(400)], 0.2)) == [2]


def test_two_faces_are_never_one():
    tracker = FaceTracker(UNCALIBRATED)
    tracker.update([seen(0)], 0.0)
    assert numbers(tracker.update([seen(5), seen(50)], 0.1)) == [1, 2]


def test_a_face_unseen_for_a_short_time_keeps_its_number_and_for_longer_it_gets_a_new_one():
    tracker = FaceTracker(UNCALIBRATED)
    tracker.update([seen(0)], 0.0)
    assert tracker.update([], 0.5) == []
    assert numbers(tracker.update([seen(10)], LOST_SECONDS)) == [1]
    assert numbers(tracker.update([seen(10)], 2.01 * LOST_SECONDS)) == [2]


@pytest.mark.parametrize("rate", [2, 5, 30])
def test_smoothing_does_not_depend_on_the_frame_rate(rate):
    tracker = FaceTracker(UNCALIBRATED)
    tracker.update([seen(0, probabilities=HAPPY)], 0.0)
    for frame in range(1, rate + 1):
        (face,) = tracker.update([seen(0, probabilities=SAD)], frame / rate)
    left_of_before = math.exp(-1 / SMOOTHING_SECONDS)
    assert face.probabilities["sad"] == pytest.approx(0.9 - 0.8 * left_of_before)
    assert sum(face.probabilities.values()) == pytest.approx(1)


def test_one_other_frame_does_not_change_the_label_but_a_second_of_them_does():
    tracker = FaceTracker(UNCALIBRATED)
    tracker.update([seen(0, probabilities=HAPPY)], 0.0)
    (face,) = tracker.update([seen(0, probabilities=SAD)], 0.1)
    assert face.label == "happy"
    (face,) = tracker.update([seen(0, probabilities=SAD)], 1.1)
    assert face.label == "sad"


def test_the_threshold_judges_the_smoothed_probability():
    tracker = FaceTracker(Calibration(threshold=0.8))
    (face,) = tracker.update([seen(0, probabilities=HAPPY)], 0.0)
    assert face.confident
    (face,) = tracker.update([seen(0, probabilities=SAD)], 0.2)
    assert not face.confident
    (face,) = tracker.update([seen(0, probabilities=SAD)], 3.0)
    assert face.confident


def test_a_copy_goes_its_own_way():
    tracker = FaceTracker(UNCALIBRATED)
    tracker.update([seen(0)], 0.0)
    other = copy.deepcopy(tracker)
    other.update([seen(0), seen(300)], 0.1)
    assert numbers(tracker.update([seen(300)], 0.2)) == [2]
    assert numbers(other.update([seen(600)], 0.2)) == [3]


def test_likeness_falls_with_overlap_and_distance():
    box = (0, 0, 10, 10)
    values = [likeness(box, (left, 0, left + 10, 10)) for left in (0, 5, 10, 20)]
    assert values == pytest.approx([1, 1 / 3 - 25 / 325, -0.2, -0.4])
