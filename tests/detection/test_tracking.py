import copy
import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pytest

from fer.detection.assignment import assign
from fer.detection.blazeface import MIN_CONFIDENT_SCORE
from fer.detection.tracking import LOST_SECONDS, SMOOTHING_SECONDS, FaceTracker, likeness
from fer.models.calibration import UNCALIBRATED, Calibration

HAPPY, SAD = {"happy": 0.9, "sad": 0.1}, {"happy": 0.1, "sad": 0.9}


@dataclass(frozen=True)
class Seen:
    """The fields of a `fer.recognition.recognizer.Face` that the tracker reads."""

    box: tuple
    probabilities: dict
    detection_score: float = 0.9


def seen(left, top=100, side=80, probabilities=HAPPY):
    return Seen((left, top, left + side, top + side), probabilities)


def numbers(faces):
    return [face.number for face in faces]


def test_moving_faces_keep_their_numbers_in_any_order():
    tracker = FaceTracker(UNCALIBRATED)
    assert numbers(tracker.update([seen(0), seen(400)], 0.0)) == [1, 2]
    for step in range(1, 11):
        left, right = seen(15 * step, top=100 + 5 * step), seen(400 - 10 * step)
        faces = tracker.update([right, left] if step % 2 else [left, right], step / 10)
        assert numbers(faces) == ([2, 1] if step % 2 else [1, 2])
        assert faces[0].box == (right if step % 2 else left).box


def test_a_step_of_one_width_keeps_the_number_and_a_long_jump_does_not():
    tracker = FaceTracker(UNCALIBRATED)
    tracker.update([seen(0)], 0.0)
    assert numbers(tracker.update([seen(80)], 0.1)) == [1]
    assert numbers(tracker.update([seen(400)], 0.2)) == [2]


def test_two_faces_never_have_the_same_number():
    tracker = FaceTracker(UNCALIBRATED)
    tracker.update([seen(0)], 0.0)
    assert numbers(tracker.update([seen(5), seen(50)], 0.1)) == [1, 2]


def test_a_face_keeps_its_number_over_a_short_gap_but_not_over_a_long_one():
    tracker = FaceTracker(UNCALIBRATED)
    tracker.update([seen(0)], 0.0)
    assert tracker.update([], LOST_SECONDS / 2) == []
    assert numbers(tracker.update([seen(10)], LOST_SECONDS)) == [1]
    assert numbers(tracker.update([seen(10)], 2.01 * LOST_SECONDS)) == [2]


def follow(positions, every=0.2, side=80):
    """Track moving faces.

    Args:
        positions: for each frame, the left edges of the faces by name; None for a hidden face.
        every: seconds between frames.
        side: side of the boxes in pixels.

    Returns:
        The sorted numbers that each face got, by name.
    """
    tracker, found = FaceTracker(UNCALIBRATED), {}
    for frame, places in enumerate(positions):
        names = [name for name, left in places.items() if left is not None]
        names = names[:: 1 if frame % 2 else -1]
        faces = tracker.update([seen(places[name], side=side) for name in names], frame * every)
        for name, face in zip(names, faces, strict=True):
            found.setdefault(name, []).append(face.number)
    return {name: sorted(set(numbers)) for name, numbers in found.items()}


@pytest.mark.parametrize("step", [10, 25, 40])
@pytest.mark.parametrize("hidden", [False, True])
def test_faces_that_cross_keep_their_numbers(step, hidden):
    positions = [{"one": 300 + step * (k + 0.5), "other": 300 - step * (k + 0.5)} for k in range(-7, 8)]
    if hidden:
        positions = [p | {"other": None} if abs(p["one"] - p["other"]) < 50 else p for p in positions]
    assert {len(numbers) for numbers in follow(positions).values()} == {1}


def test_a_passing_face_does_not_take_the_number_of_a_standing_one():
    positions = [{"stands": None if abs(30 * k) < 40 else 300, "passes": 300 + 30 * k} for k in range(-7, 8)]
    assert {len(numbers) for numbers in follow(positions).values()} == {1}


def test_faces_that_meet_and_turn_back_keep_their_numbers():
    positions = [{"left": 200 - 12 * abs(k), "right": 320 + 12 * abs(k)} for k in range(-8, 9)]
    assert {len(numbers) for numbers in follow(positions).values()} == {1}


def test_a_moving_face_keeps_its_number_while_it_is_hidden():
    positions = [{"one": None if 5 <= k < 8 else 20 * k} for k in range(16)]
    assert follow(positions) == {"one": [1]}


def test_lost_seconds_sets_how_long_a_face_may_be_unseen():
    tracker = FaceTracker(UNCALIBRATED, lost_seconds=120)
    assert [numbers(tracker.update([seen(5 * minute)], 60.0 * minute)) for minute in range(3)] == [[1]] * 3


def test_the_assignment_is_optimal():
    random = np.random.default_rng(0)
    for _ in range(60):
        values = np.round(random.random(random.integers(1, 6, 2)) * 4)
        pairs = assign(values)
        longer = values if values.shape[0] <= values.shape[1] else values.T
        orders = permutations(range(longer.shape[1]), len(longer))
        best = max(longer[range(len(longer)), list(order)].sum() for order in orders)
        assert len(pairs) == len({row for row, _ in pairs}) == len({column for _, column in pairs}) == min(values.shape)
        assert sum(values[pair] for pair in pairs) == best


@pytest.mark.parametrize("rate", [2, 5, 30])
def test_smoothing_does_not_depend_on_the_frame_rate(rate):
    tracker = FaceTracker(UNCALIBRATED)
    tracker.update([seen(0, probabilities=HAPPY)], 0.0)
    for frame in range(1, rate + 1):
        (face,) = tracker.update([seen(0, probabilities=SAD)], frame / rate)
    left_of_before = math.exp(-1 / SMOOTHING_SECONDS)
    assert face.probabilities["sad"] == pytest.approx(0.9 - 0.8 * left_of_before)
    assert sum(face.probabilities.values()) == pytest.approx(1)


def test_one_frame_does_not_change_the_label_but_a_second_does():
    tracker = FaceTracker(UNCALIBRATED)
    tracker.update([seen(0, probabilities=HAPPY)], 0.0)
    (face,) = tracker.update([seen(0, probabilities=SAD)], 0.1)
    assert face.label == "happy"
    (face,) = tracker.update([seen(0, probabilities=SAD)], 1.1)
    assert face.label == "sad"


def test_the_threshold_applies_to_the_smoothed_probability():
    tracker = FaceTracker(Calibration(threshold=0.8))
    (face,) = tracker.update([seen(0, probabilities=HAPPY)], 0.0)
    assert face.confident
    (face,) = tracker.update([seen(0, probabilities=SAD)], 0.2)
    assert not face.confident
    (face,) = tracker.update([seen(0, probabilities=SAD)], 3.0)
    assert face.confident


def test_a_low_detection_score_is_never_confident():
    tracker = FaceTracker(UNCALIBRATED)
    faces = [Seen((0, 0, 80, 80), HAPPY, score) for score in (MIN_CONFIDENT_SCORE - 0.01, MIN_CONFIDENT_SCORE, None)]
    confident = [tracker.update([face], second)[0].confident for second, face in enumerate(faces)]
    assert confident == [False, True, True]


def test_a_deep_copy_is_independent():
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
