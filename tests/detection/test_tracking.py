import copy
import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pytest

from fer.detection.assignment import assign
from fer.detection.blazeface import MIN_SURE_SCORE
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
    assert tracker.update([], LOST_SECONDS / 2) == []
    assert numbers(tracker.update([seen(10)], LOST_SECONDS)) == [1]
    assert numbers(tracker.update([seen(10)], 2.01 * LOST_SECONDS)) == [2]


def follow(positions, every=0.2, side=80):
    """Numbers of faces that move: of each frame, the left edge of each face by its name, or None where it is hidden."""
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


def test_a_face_that_passes_one_that_stands_takes_nothing_from_it():
    positions = [{"stands": None if abs(30 * k) < 40 else 300, "passes": 300 + 30 * k} for k in range(-7, 8)]
    assert {len(numbers) for numbers in follow(positions).values()} == {1}


def test_faces_that_meet_and_turn_back_keep_their_numbers():
    positions = [{"left": 200 - 12 * abs(k), "right": 320 + 12 * abs(k)} for k in range(-8, 9)]
    assert {len(numbers) for numbers in follow(positions).values()} == {1}


def test_a_face_that_is_hidden_while_it_moves_comes_back_under_its_number():
    positions = [{"one": None if 5 <= k < 8 else 20 * k} for k in range(16)]
    assert follow(positions) == {"one": [1]}


def test_where_pictures_are_rare_a_face_is_looked_for_for_longer():
    tracker = FaceTracker(UNCALIBRATED, lost_seconds=120)
    assert [numbers(tracker.update([seen(5 * minute)], 60.0 * minute)) for minute in range(3)] == [[1]] * 3


def test_the_best_pairs_are_found():
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


def test_what_is_hardly_a_face_is_no_sure_answer():
    tracker = FaceTracker(UNCALIBRATED)
    faces = [Seen((0, 0, 80, 80), HAPPY, score) for score in (MIN_SURE_SCORE - 0.01, MIN_SURE_SCORE, None)]
    confident = [tracker.update([face], second)[0].confident for second, face in enumerate(faces)]
    assert confident == [False, True, True]


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
