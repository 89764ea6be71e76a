import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from fer.data.faces import Faces
from fer.errors import ImageError
from fer.evaluation.photos import PhotoAnswer
from fer.evaluation.report import Request, describe_lost, save_report
from fer.evaluation.summary import format_metrics
from fer.images.loading import load_image
from fer.labels import EMOTIONS
from fer.models.calibration import UNCALIBRATED, scale_temperature
from fer.models.config import CONFIG, ModelConfig, load_config, save_calibration
from fer.models.model_folder import BUNDLED, METRICS, load_model, save_model
from fer.publishing.card import render_card
from fer.recognition.classification import classify


def always_right_with_low_confidence(probabilities, labels):
    """Return probabilities with a lower negative log-likelihood than any temperature gives, and an ECE of 40%."""
    return 0.6 * np.eye(len(EMOTIONS))[labels] + 0.4 / 6 * (1 - np.eye(len(EMOTIONS))[labels])


@pytest.mark.parametrize(
    ("sharpness", "held_out", "helps"),
    [
        (2.0, None, True),
        # Without a real effect, chance decides.
        (1.0, lambda probabilities, labels: scale_temperature(probabilities, 3.0), False),
        (1.0, always_right_with_low_confidence, True),
    ],
    ids=["overconfident", "calibrated", "likelihood decides"],
)
def test_a_temperature_is_kept_only_where_it_helps(untrained, monkeypatch, sharpness, held_out, helps):
    if held_out:
        monkeypatch.setattr("fer.evaluation.confidence.cross_validate_temperature", held_out)
    random = np.random.default_rng(3)
    folder = untrained
    save_calibration(folder, UNCALIBRATED)  # Without the prior of the bundled model.
    truth = random.dirichlet(np.full(len(EMOTIONS), 0.4), 600)
    labels = np.array([random.choice(len(EMOTIONS), p=row) for row in truth])
    images = random.integers(0, 256, (600, 48, 48, 1), np.uint8)
    names = tuple(f"{index}.png" for index in range(600))
    faces = Faces(images, labels, EMOTIONS, names, ())
    other = Faces(255 - images[:50], labels[:50], EMOTIONS, names[:50], ())
    answers = scale_temperature(truth, 1 / sharpness)
    monkeypatch.setattr("fer.evaluation.report.classify", lambda network, crops: answers)
    metrics = save_report(folder, other, faces, "mine", "data")

    fitted, temperature = metrics["calibration"]["fitted_temperature"], load_config(folder).calibration.temperature
    assert fitted == pytest.approx(sharpness, rel=0.15)
    assert temperature == json.loads((folder / CONFIG).read_text())["calibration"]["temperature"]
    assert temperature == (fitted if helps else 1.0)
    assert metrics["ece"] == pytest.approx(metrics["calibration"]["ece_fitted" if helps else "ece_before"])
    assert metrics["confident"]["accuracy"] >= metrics["calibration"]["target"]
    # The folder had the metrics of the bundled model, which include the end-to-end accuracy.
    assert metrics["end_to_end"] is None
    card = " ".join(render_card(folder, "mine").split())
    assert "Not measured: " in card
    others = metrics["calibration"]["confident_held_out"]
    assert "(confident: cross-validated) |" in card
    assert f"| {others['coverage']:.0%} | {others['accuracy']:.0%} |" in card


def test_happy_or_sad_and_the_end_to_end_accuracy_are_measured(tmp_path, astronaut):
    folder = shutil.copytree(BUNDLED, tmp_path / "model")
    smile = np.asarray(load_image(astronaut).crop((160, 45, 290, 175)).convert("L").resize((48, 48)))
    images = np.stack([smile, smile, np.full_like(smile, 90), smile])[..., None]
    labels = np.array([EMOTIONS.index(name) for name in ("happy", "sad", "happy", "fear")])
    faces = Faces(images, labels, EMOTIONS, tuple("abcd"), ())
    metrics = save_report(folder, faces, faces, "mine", "data", Request(end_to_end=True))
    dark = classify(load_model(folder)[0], images[2:3, ..., 0])[0]
    read_as_happy = dark[EMOTIONS.index("happy")] > dark[EMOTIONS.index("sad")]
    assert metrics["happy_or_sad"]["accuracy"] == pytest.approx((1 + read_as_happy) / 3)
    measured = metrics["end_to_end"]
    assert (measured["pictures"], measured["found"]) == (4, 3)
    assert measured["accuracy"] == measured["accuracy_without_scenes"] == pytest.approx(1 / 3)
    assert json.loads((folder / METRICS).read_text())["end_to_end"] == measured
    assert "3 of 4 pasted faces were found" in " ".join(render_card(folder, "mine").split())


@pytest.fixture
def biased(tmp_path, monkeypatch):
    """A model of two classes whose probabilities are biased like its training pictures, nine happy to one sad.

    Returns the model folder, its training pictures, 200 validation pictures of which half are happy, and the biased
    probabilities of these.
    """
    folder = tmp_path / "biased"
    folder.mkdir()
    config = ModelConfig("se_resnet", ("happy", "sad"), 16, {"stem": 8, "widths": [8], "depth": 1})
    save_model(folder, config.build(), config)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (200, 16, 16, 1), np.uint8)
    labels = np.arange(200) % 2
    own = random.beta(4, 2, 200)
    sad = np.where(labels, own, 1 - own)
    leaning = np.stack([0.9 * (1 - sad), 0.1 * sad], axis=1)
    leaning /= leaning.sum(axis=1, keepdims=True)
    names = tuple(map(str, range(200)))
    validation = Faces(images, labels, config.labels, names)
    train = Faces(255 - images[:20], (np.arange(20) >= 18).astype(int), config.labels, names[:20])
    monkeypatch.setattr("fer.evaluation.report.classify", lambda network, crops: leaning)
    return folder, train, validation, leaning


def test_a_prior_is_divided_out_before_the_temperature_is_fitted_and_is_kept(biased):
    folder, train, validation, leaning = biased
    plain = save_report(folder, train, validation, "mine", "data")
    assert load_config(folder).calibration.prior_exponent == 0
    metrics = save_report(folder, train, validation, "mine", "data", Request(prior=1.0))
    calibration = load_config(folder).calibration
    assert (calibration.prior_exponent, calibration.class_shares) == (1.0, (0.9, 0.1))
    adjusted = leaning / (0.9, 0.1)
    assert metrics["accuracy"] == np.mean(adjusted.argmax(axis=1) == validation.labels) > plain["accuracy"]
    assert metrics["nll"] < plain["nll"]
    assert [row["exponent"] for row in metrics["prior"]["tried"]] == [0.0, 1.0]
    again = save_report(folder, train, validation, "mine", "data")
    assert again["accuracy"] == metrics["accuracy"]
    assert again["prior"] == metrics["prior"]


def test_the_target_is_kept_until_another_is_asked_for(biased):
    """A second `fer calibrate` went back to 85%, and the app called more answers sure."""
    folder, train, validation, _ = biased
    asked = save_report(folder, train, validation, "mine", "data", Request(target=0.95))
    threshold = load_config(folder).calibration.threshold
    again = save_report(folder, train, validation, "mine", "data")
    assert again["calibration"]["target"] == 0.95 == asked["calibration"]["target"]
    assert load_config(folder).calibration.threshold == threshold
    held_out = again["calibration"]["confident_held_out"]
    share = f"{held_out['accuracy']:.2%} of {held_out['n']}"
    assert f"(of the confident answers; in 5-fold cross-validation {share})" in format_metrics(again)
    again["calibration"]["confident_held_out"] = {"coverage": 0.0, "n": 0, "accuracy": None}
    assert "(of the confident answers; in 5-fold cross-validation none)" in format_metrics(again)
    for target in (None, "high", 2):
        (folder / METRICS).write_text(json.dumps({"calibration": {"target": target}}))
        assert save_report(folder, train, validation, "mine", "data")["calibration"]["target"] == 0.85


def test_groups_that_are_not_measured_again_are_named():
    earlier = {"photos": {"fairness": {}}, "agreement": None}
    assert describe_lost(earlier, Request(photos="p", groups="(F)")) == ""
    said = "What was measured before with --groups is not measured again, and goes."
    assert describe_lost(earlier, Request(photos="p")) == said


def test_photos_of_one_expression_choose_no_prior(biased, tmp_path, monkeypatch):
    """Every exponent read them rightly, and the prior was set to the smallest."""
    folder, train, validation, leaning = biased
    save_report(folder, train, validation, "mine", "data", Request(prior=1.0))
    (tmp_path / "kids" / "happy").mkdir(parents=True)
    (tmp_path / "kids" / "happy" / "1.png").touch()
    monkeypatch.setattr("fer.evaluation.report._read_photos", lambda *_: [[PhotoAnswer(leaning[0], 0.9)]])
    metrics = save_report(folder, train, validation, "mine", "data", Request(photos=tmp_path))
    assert metrics["prior"]["exponent"] == 1.0 == load_config(folder).calibration.prior_exponent
    assert "prior exponent                 1.00  (of 0, 1)" in format_metrics(metrics)


def test_few_errors_fit_no_temperature(biased, monkeypatch):
    """On pictures that are all read rightly, it fell to its bound, and every answer became 100%."""
    folder, train, validation, _ = biased
    answers = np.full((len(validation), 2), 0.35)
    answers[np.arange(len(validation)), validation.labels] = 0.65
    monkeypatch.setattr("fer.evaluation.report.classify", lambda network, crops: answers)
    metrics = save_report(folder, train, validation, "mine", "data")
    assert metrics["calibration"]["fitted_temperature"] < 0.2
    assert metrics["calibration"]["errors"] == 0
    assert load_config(folder).calibration.temperature == 1


def test_another_data_set_is_named_and_does_not_change_the_class_shares_of_training(biased, monkeypatch):
    folder, train, validation, leaning = biased
    known = replace(validation, is_fer2013=True)
    assert save_report(folder, train, known, "mine", "fer2013.zip", Request(prior=1.0))["data"] is None
    monkeypatch.chdir(folder)
    metrics = save_report(folder, validation, validation, ".", "data/other")
    assert metrics["model"] == "biased"
    assert metrics["data"] == {"name": "other", "held_out": False, "validation": {"happy": 100, "sad": 100}}
    assert load_config(folder).calibration.class_shares == (0.9, 0.1)
    assert metrics["accuracy"] == np.mean((leaning / (0.9, 0.1)).argmax(axis=1) == validation.labels)


def test_the_prior_is_chosen_on_photos_and_they_are_measured(biased, tmp_path, monkeypatch):
    folder, train, validation, leaning = biased
    for label in ("happy", "sad"):
        (tmp_path / "lab" / label).mkdir(parents=True)
        for number in range(100):
            (tmp_path / "lab" / label / f"{number:03}.png").touch()
    answers = [PhotoAnswer(row, 0.9) for row in (*leaning[::2], *leaning[1::2])]
    answers[0], answers[1], notes = None, ImageError("1.png: empty."), []
    monkeypatch.setattr("fer.evaluation.report._read_photos", lambda folder, sets, note: note("1 photo") or [answers])
    metrics = save_report(
        folder, train, validation, "mine", "data", Request(photos=tmp_path / "lab"), note=notes.append
    )
    assert notes == ["1 photo"]
    assert metrics["prior"]["exponent"] == 1.0 == load_config(folder).calibration.prior_exponent
    scores = [row["balanced_accuracy"] for row in metrics["prior"]["tried"]]
    assert len(scores) == 5
    assert metrics["photos"]["sets"]["lab"]["found"] == 198
    assert metrics["photos"]["sets"]["lab"]["unreadable"] == 1
    assert metrics["photos"]["mean"]["balanced_accuracy"] == pytest.approx(max(scores))
    assert json.loads((folder / METRICS).read_text())["photos"] == metrics["photos"]
