"""Tests of trainings on small data sets: their settings, messages and cards."""

import json
import re

import keras
import numpy as np
import pytest
from conftest import SMALL as SMALL_OPTIONS
from conftest import draw_face
from huggingface_hub import ModelCard

import train
from fer.labels import EMOTIONS
from fer.models.config import CONFIG, ModelConfig, load_config
from fer.models.model_folder import load_model, save_model
from fer.publishing.card import render_card
from fer.training.batch_norm import measure_statistics
from fer.training.origins import load_origins
from fer.training.recipes import RECIPES
from fer.training.small_sets import FEW_STEPS, SMALL, adapt_plan, count_steps, schedule_for, warn_if_trivial
from training.conftest import plan

OWN = ("wink", "Yawn")


@pytest.fixture
def own_data(tmp_path):
    """A data set of two own classes, ten drawn faces each, without splits."""
    for number, name in enumerate(OWN):
        folder = tmp_path / "mine" / name
        folder.mkdir(parents=True)
        for index in range(10):
            draw_face(("happy", "surprise")[number], 10 * number + index).save(folder / f"{index}.png")
    return tmp_path / "mine"


@pytest.fixture
def seven_emotions(tmp_path):
    """A model folder of a small network with the seven emotions."""
    folder = tmp_path / "seven"
    folder.mkdir()
    config = ModelConfig(
        "se_resnet", EMOTIONS, 16, SMALL_OPTIONS, {"command": "python train.py", "epochs": 24, "seconds": 60}
    )
    keras.utils.set_random_seed(5)
    save_model(folder, config.build(), config)
    return folder


def test_small_sets_are_fine_tuned_from_the_bundled_network_with_their_own_schedule():
    settled, notes = adapt_plan(plan("--classes", *OWN), 60)
    assert (settled.start, settled.keep) == ("bundled", "last")
    assert settled.recipe == schedule_for(RECIPES["se_resnet"], 60)
    assert notes[0].startswith("60 training pictures are few: fine-tuning from bundled, 21 epochs of 16 pictures")
    assert "--from-scratch" in notes[1]
    recipes = [schedule_for(RECIPES["se_resnet"], pictures) for pictures in (2, 40, 120, 400, 1_200, SMALL - 1)]
    for less, more in zip(recipes, recipes[1:], strict=False):
        assert less.epochs >= more.epochs
        assert less.batch_size <= more.batch_size
        assert less.learning_rate <= more.learning_rate
    assert all(60 <= count_steps(schedule_for(RECIPES["se_resnet"], n), n) <= 300 for n in (36, 108, 360, 1_080, 4_999))
    asked = adapt_plan(plan("--epochs", "3", "--learning-rate", "0.1", "--keep", "best"), 60)[0]
    assert (asked.recipe.epochs, asked.recipe.learning_rate, asked.keep) == (3, 0.1, "best")
    assert asked.recipe.batch_size == 16


@pytest.mark.parametrize("name", RECIPES)
def test_a_start_does_not_raise_the_learning_rate_of_a_network(name):
    """VGG16 without batch normalization got ten times its own; plain SGD got a tenth of what it needs."""
    recipe, small = RECIPES[name], schedule_for(RECIPES[name], 1_000)
    assert small.learning_rate <= recipe.learning_rate
    if recipe.optimizer == "sgd":
        assert (small.learning_rate, small.epochs) == (recipe.learning_rate, recipe.epochs)


@pytest.mark.parametrize(
    ("options", "pictures"),
    [
        ([], SMALL),
        ([], 28_709),
        (["--from-scratch"], 60),
        (["--network", "vgg16"], 60),
        (["--network", "vgg16", "--weights", "imagenet"], 60),
        (["--teacher", "bundled"], 60),
        (["--hosts", "localhost:1", "--processes", "2", "--process-id", "0"], 60),
    ],
)
def test_other_trainings_are_not_changed(options, pictures):
    before = plan(*options)
    after, notes = adapt_plan(before, pictures)
    assert after == before
    assert (after.start, after.keep) == (None, "best")
    warned = count_steps(after.recipe, pictures) < FEW_STEPS and "imagenet" not in options
    assert len(notes) == warned
    if warned:
        assert re.match(r"Warning: \d+ steps are few to train from scratch, where some 1000 are needed; ", notes[0])


def test_a_model_that_is_no_better_than_a_constant_answer_is_reported():
    metrics = {"accuracy": 0.4, "n": 10, "per_class": {"wink": {"support": 4}, "Yawn": {"support": 3}}}
    note = warn_if_trivial(metrics, plan("--from-scratch"), 60)
    assert note.startswith(
        "This model is no better than answering wink every time (40.0% of 10 validation pictures aga"
    )
    assert "Try it without --from-scratch, or with more --epochs;" in note
    assert "Try more pictures of each class;" in warn_if_trivial(metrics, plan("--start", "bundled"), 60)
    assert warn_if_trivial(metrics | {"accuracy": 0.5}, plan("--from-scratch"), 60) == ""


@pytest.mark.parametrize(
    ("given", "advice"), [([], "--start bundled"), (["--from-scratch"], "--start bundled instead of --from-scratch")]
)
def test_a_student_of_few_pictures_is_advised_to_start_from_the_bundled_network(given, advice):
    note = adapt_plan(plan("--teacher", "bundled", *given), 108)[1][0]
    assert "few to train from scratch" in note
    assert f"Try it with {advice}, or with more --epochs." in note


@pytest.mark.parametrize("given", [[], ["--from-scratch"]])
def test_only_what_starts_from_the_bundled_network_is_advised_to(given):
    """`--from-scratch` changes nothing of a training of `original_cnn`."""
    metrics = {"accuracy": 0.4, "n": 10, "per_class": {"wink": {"support": 4}, "Yawn": {"support": 3}}}
    made = plan("--network", "original_cnn", *given)
    for note in (warn_if_trivial(metrics, made, 60), *adapt_plan(made, 60)[1]):
        assert "Try more --epochs, or more pictures" in note


@pytest.mark.usefixtures("small_network")
def test_the_new_head_keeps_the_weights_of_known_classes(seven_emotions):
    config = json.loads((seven_emotions / CONFIG).read_text())
    config["labels"][-1] = "Wink"
    (seven_emotions / CONFIG).write_text(json.dumps(config))
    mine = plan("--classes", "wink", "sad", "happy", "--image-size", "16", "--start", str(seven_emotions))
    assert load_origins(mine).columns[-1] == len(EMOTIONS) - 1  # In other letters it was taken for a new class.
    made = plan("--classes", "yawn", "sad", "happy", "--image-size", "16", "--start", str(seven_emotions))
    origins = load_origins(made)
    assert made.config.labels == ("happy", "sad", "yawn")
    assert origins.columns == [EMOTIONS.index("happy"), EMOTIONS.index("sad"), None]
    network = made.config.build()
    fresh = network.get_weights()
    origins.set_start_weights(network)
    earlier, (kernel, bias) = load_model(seven_emotions)[0].get_weights(), network.get_weights()[-2:]
    for place, column in enumerate(origins.columns[:2]):
        np.testing.assert_array_equal(kernel[:, place], earlier[-2][:, column])
        assert bias[place] == earlier[-1][column]
    np.testing.assert_array_equal(kernel[:, 2], fresh[-2][:, 2])
    for mine, theirs in zip(network.get_weights()[:-2], earlier[:-2], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert origins.start_facts["model"] == {
        "name": "seven",
        "sha256": load_config(seven_emotions).weights.sha256,
    }


def test_statistics_are_measured_on_all_pictures():
    images = np.random.default_rng(1).integers(0, 255, (100, 4, 4, 1), np.uint8)
    layer = keras.layers.BatchNormalization()
    network = keras.Sequential([keras.Input((4, 4, 1)), layer])
    measure_statistics(network, images)
    batches = np.array_split(images[np.random.default_rng(0).permutation(100)].astype("float32"), 2)
    assert float(layer.moving_mean[0]) == pytest.approx(images.mean(), rel=1e-5)
    assert float(layer.moving_variance[0]) == pytest.approx(np.mean([batch.var() for batch in batches]), rel=1e-4)
    assert layer.momentum == 0.99


@pytest.mark.slow  # Trains, and writes a whole model folder and its card.
@pytest.mark.usefixtures("small_network", "eager", "conversion_of_another")
def test_the_card_of_a_model_describes_the_users_own_data(own_data, seven_emotions, tmp_path, capsys):
    run = tmp_path / "run"
    command = ["--data", str(own_data), "--classes", *OWN, "--image-size", "16", "--epochs", "1", "--output", str(run)]
    train.main([*command, "--start", str(seven_emotions), "--license", "cc-by-4.0"])
    said = capsys.readouterr().out
    assert "18 training pictures are few: fine-tuning from" in said
    config = load_config(run)
    assert config.labels == OWN
    metrics = json.loads((run / "metrics.json").read_text())
    assert config.training["data"] == {
        "name": "mine",
        "held_out": True,
        "train": {"wink": 9, "Yawn": 9},
        "validation": {"wink": 1, "Yawn": 1},
        "layout": None,
        "validation_sha256": metrics["data_sha256"],
    }
    assert config.training["license"] == "cc-by-4.0"
    assert "--license cc-by-4.0" in config.training["command"]
    text = (run / "README.md").read_text()
    data = ModelCard(text).data
    assert (data.license, data.tags, data.base_model) == ("cc-by-4.0", ["facial-expression-recognition"], None)
    assert data.eval_results[0].dataset_split == "held-out tenth of train"
    card = " ".join(text.split())
    assert "# run: facial expressions (se_resnet, trained on own data: mine)" in card
    assert '2 pictures of own data, "mine": a held-out tenth of its training pictures (1 wink, 1 Yawn).' in card
    assert '18 pictures of own data, "mine" (9 wink, 9 Yawn). 1 epochs' in card
    assert "It started from the weights of `seven` (sha256 `" in card
    assert "validation split of FER2013" not in card
    assert "The licence of the weights is cc-by-4.0; the code that trained them is Apache-2.0." in card

    document = json.loads((run / "config.json").read_text())
    document["training"]["license"] = None
    document["training"]["start"]["model"]["name"] = "someone/model"
    (run / "config.json").write_text(json.dumps(document))
    assert metrics["data"] == {"name": "mine", "held_out": True, "validation": {"wink": 1, "Yawn": 1}}
    metrics["data"]["held_out"] = False
    (run / "metrics.json").write_text(json.dumps(metrics))
    text = render_card(run, "mine", [])
    assert ModelCard(text).data.license is None
    assert ModelCard(text).data.base_model == "someone/model"
    assert "The author states no licence for the weights;" in " ".join(text.split())
    assert 'own data, "mine": its validation split' in " ".join(text.split())
