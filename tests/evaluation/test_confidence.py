import numpy as np
import pytest

from fer.errors import UserError
from fer.evaluation.confidence import (
    TEMPERATURES,
    choose_prior_exponent,
    choose_threshold,
    cross_validate_temperature,
    cross_validate_threshold,
    fit_temperature,
    risk_coverage,
)
from fer.evaluation.metrics import expected_calibration_error
from fer.models.calibration import Calibration, scale_temperature


@pytest.fixture(scope="module")
def overconfident():
    """Probabilities whose logits are too large by a factor of two, and labels drawn from the true probabilities."""
    rng = np.random.default_rng(0)
    true = rng.dirichlet((0.7, 0.7, 0.7), 4000)
    labels = (rng.random((4000, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(max=2)
    return true**2 / (true**2).sum(axis=1, keepdims=True), labels


def test_the_temperature_corrects_overconfidence(overconfident):
    probabilities, labels = overconfident
    temperature = fit_temperature(probabilities, labels)
    assert temperature == pytest.approx(2, abs=0.15)
    before = expected_calibration_error(probabilities, labels)
    assert expected_calibration_error(scale_temperature(probabilities, temperature), labels) < 0.3 * before
    assert expected_calibration_error(cross_validate_temperature(probabilities, labels), labels) < 0.3 * before


def test_held_out_temperatures_are_fitted_on_other_pictures(overconfident):
    probabilities, labels = overconfident
    held_out = cross_validate_temperature(probabilities, labels)
    one = scale_temperature(probabilities, fit_temperature(probabilities, labels))
    assert not np.allclose(held_out, one, atol=1e-6)
    np.testing.assert_allclose(held_out, one, atol=0.05)


def test_a_temperature_keeps_the_order_and_1_changes_nothing():
    probabilities = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]], np.float32)
    np.testing.assert_allclose(scale_temperature(probabilities, 1.0), probabilities, atol=1e-6)
    for temperature in TEMPERATURES:
        answer = scale_temperature(probabilities, temperature)
        assert np.isfinite(answer).all()
        np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=1e-5)
        assert list(answer.argmax(axis=1)) == [0, 0]
    assert scale_temperature(probabilities, 2.0)[0].max() < 0.7 < scale_temperature(probabilities, 0.5)[0].max()


def test_accuracy_rises_as_coverage_falls():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]])
    thresholds, coverages, accuracies = risk_coverage(probabilities, np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(thresholds, [0.9, 0.8, 0.6])
    np.testing.assert_allclose(coverages, [0.25, 0.75, 1])
    np.testing.assert_allclose(accuracies, [1, 2 / 3, 1 / 2])


@pytest.mark.parametrize(("target", "threshold"), [(0.5, 0.6), (0.6, 0.8), (0.9, 0.9), (1.1, 1.0)])
def test_the_threshold_gives_the_largest_coverage_that_reaches_the_target(target, threshold):
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]])
    chosen = choose_threshold(probabilities, np.array([0, 0, 1, 1]), target)
    assert chosen == pytest.approx(threshold, abs=1e-4)
    assert Calibration(threshold=chosen).confident(probabilities).sum() == (probabilities.max(axis=1) >= chosen).sum()


def test_a_rounded_threshold_lets_no_wrong_answer_pass():
    probabilities = np.array([[0.99996, 0.00004]] * 90 + [[0.99992, 0.00008]] * 10)
    labels = np.array([0] * 90 + [1] * 10)
    threshold = choose_threshold(probabilities, labels, 0.95)
    confident = probabilities.max(axis=1) >= threshold
    assert (labels[confident] == 0).mean() >= 0.95
    assert choose_threshold(probabilities[:90], labels[:90], 0.95) == 0.9999


def test_the_threshold_is_measured_on_pictures_that_did_not_choose_it():
    """On 40 pictures, a threshold chosen by confidences that say nothing promised 85%, and 70% were right."""
    random, stated, held_out = np.random.default_rng(0), [], []
    for _ in range(200):
        top = random.uniform(0.5, 1, 40)
        probabilities = np.stack([top, 1 - top], axis=1)
        labels = (random.random(40) > 0.7).astype(int)
        confident = top >= choose_threshold(probabilities, labels, 0.85)
        stated.append((labels[confident] == 0).sum() / max(1, confident.sum()))
        measured = cross_validate_threshold(probabilities, labels, 0.85)
        held_out.append(((measured["accuracy"] or 0) * measured["n"], measured["n"]))
    assert np.mean([share for share in stated if share]) > 0.85
    right, count = np.sum(held_out, axis=0)
    assert right / count == pytest.approx(0.7, abs=0.03)


@pytest.mark.parametrize(("count", "confident", "accuracy"), [(1, 0, None), (2, 2, 1.0), (6, 6, 1.0)])
def test_the_threshold_of_very_few_pictures_is_measured_too(count, confident, accuracy):
    measured = cross_validate_threshold(np.tile([0.9, 0.1], (count, 1)), np.zeros(count, int), 0.85)
    assert measured == {"coverage": confident / count, "n": confident, "accuracy": accuracy}


def test_the_prior_divides_by_the_class_shares_before_the_temperature():
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]], np.float32)
    shares = (0.7, 0.2, 0.1)
    adjusted = probabilities / np.power(shares, 1.0)
    adjusted /= adjusted.sum(axis=1, keepdims=True)
    calibration = Calibration(1.5, 0.0, 1.0, shares)
    answers = calibration.apply(probabilities)
    np.testing.assert_allclose(answers, scale_temperature(adjusted, 1.5), atol=1e-6)
    assert answers.dtype == np.float32
    assert (answers.argmax(axis=1) == [1, 2]).all()
    np.testing.assert_array_equal(Calibration(1.5).apply(probabilities), scale_temperature(probabilities, 1.5))


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ((3.0, (0.5, 0.5)), "`prior_exponent` must be a number from 0.0 to 2.0. Received: 3.0"),
        ((float("nan"), (0.5, 0.5)), "`prior_exponent` must be"),
        ((0.5, ()), "`prior_exponent` needs the `class_shares`"),
        ((0.5, (0.5, 0.6)), "must be above 0 and sum to 1"),
        ((0.5, (1.0, 0.0)), "must be above 0 and sum to 1"),
        ((0.5, ("a", 1)), "must be above 0 and sum to 1"),
    ],
)
def test_an_invalid_prior_is_refused(prior, message):
    with pytest.raises(UserError, match=message):
        Calibration(1.0, 0.0, *prior)


def test_a_larger_exponent_must_gain_half_a_point():
    assert choose_prior_exponent({0.0: 0.70, 0.25: 0.72, 0.5: 0.741, 0.75: 0.744, 1.0: 0.7445}.get) == 0.5
    assert choose_prior_exponent({0.0: 0.70, 0.25: 0.60, 0.5: 0.60, 0.75: 0.60, 1.0: 0.71}.get) == 1.0
