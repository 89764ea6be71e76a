import json

import numpy as np
import pytest

from fer.evaluation.metrics import evaluate, expected_calibration_error, restrict, wilson_interval

CLASSES = ("happy", "neutral", "sad")


def test_metrics_of_a_worked_example():
    probabilities = [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.5, 0.2, 0.3]]
    metrics = evaluate(probabilities, np.array([0, 1, 2, 2]), CLASSES)
    assert metrics["n"] == 4
    assert metrics["accuracy"] == 0.5
    assert metrics["balanced_accuracy"] == pytest.approx((1 + 0 + 0.5) / 3)
    assert metrics["confusion_matrix"] == [[1, 0, 0], [1, 0, 0], [1, 0, 1]]
    assert metrics["per_class"]["sad"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert metrics["macro_f1"] == pytest.approx((0.5 + 0 + 2 / 3) / 3)
    assert metrics["nll"] == pytest.approx(-np.log([0.8, 0.3, 0.7, 0.3]).mean())
    assert metrics["labels"] == list(CLASSES)
    assert json.loads(json.dumps(metrics)) == metrics


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    confident_and_half_right = np.array([[0.9, 0.1]] * 10)
    assert expected_calibration_error(confident_and_half_right, np.array([0, 1] * 5)) == pytest.approx(0.4)
    assert expected_calibration_error(np.eye(2), np.array([0, 1])) == 0


def test_calibration_errors_of_bins_do_not_cancel():
    # One bin is overconfident by 0.1 and one is underconfident by 0.1: they must not cancel.
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)
    labels = np.array([0] * 8 + [1] * 2 + [0] * 7 + [1] * 3)
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0.1)


def test_restrict_renormalizes_to_a_subset_of_classes():
    probabilities = np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
    chosen = restrict(probabilities, CLASSES, ("happy", "sad"))
    np.testing.assert_allclose(chosen[0], [0.4, 0.6])
    assert np.isfinite(chosen).all()


def test_the_interval_narrows_with_the_square_root_of_the_pictures():
    low, high = wilson_interval(300, 400)
    # By the normal approximation 1.96 * sqrt(0.75 * 0.25 / 400) to either side.
    assert (low, high) == (pytest.approx(0.75 - 0.0424, abs=0.003), pytest.approx(0.75 + 0.0424, abs=0.003))


@pytest.mark.parametrize("right", [0, 5])
def test_the_interval_of_five_equal_outcomes_is_that_of_wilson(right):
    low, high = wilson_interval(right, 5)
    # Wilson, 1927: z² / (n + z²) with z = 1.96 is 0.434 away from the share seen.
    assert (low, high) == (pytest.approx(0.566, abs=0.001), 1) if right else (0, pytest.approx(0.434, abs=0.001))
    metrics = evaluate(np.eye(2)[[0] * 5], np.array([0 if right else 1] * 5), ("happy", "sad"))
    assert metrics["accuracy_interval"] == [low, high]


def test_the_interval_of_a_difference_without_disagreements_is_not_zero():
    from benchmarks.ablation import difference

    right = np.arange(20) < 15
    mean, half = difference(right, right)
    assert mean == 0
    assert 5 < half < 15
    # With many disagreements it is the normal interval of a mean.
    many, other = np.arange(1000) % 2 == 0, np.arange(1000) % 3 == 0
    gained = many.astype(float) - other
    assert difference(many, other)[1] == pytest.approx(196 * gained.std() / 1000**0.5)
