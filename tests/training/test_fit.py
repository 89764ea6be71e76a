import shutil
import signal
from dataclasses import replace

import keras
import numpy as np
import pytest
from conftest import SMALL

from fer.data.faces import Faces, load_faces
from fer.data.items import DataError
from fer.errors import UserError
from fer.models.model_folder import read_history
from fer.models.networks import build_network
from fer.training import callbacks
from fer.training import fit as training
from fer.training.augmentation import RandomAffine, build_augmentation
from fer.training.batches import FaceBatches
from fer.training.fit import Run, TrainingData, fit
from fer.training.recipes import RECIPES, Recipe
from fer.training.targets import one_hot, soft_targets
from training.conftest import without_seconds

CLASSES = ("angry", "happy", "surprise")


@pytest.fixture(scope="module")
def faces(draw_dataset, tmp_path_factory):
    """`Faces` of 48 training pictures and of 12 validation pictures, of 16 pixels."""
    folder = draw_dataset(tmp_path_factory.mktemp("faces"), CLASSES, per_class=16)
    train, validation = (load_faces(folder, split, classes=CLASSES, image_size=16) for split in ("train", "validation"))
    return train, validation.take(np.arange(0, 48, 4))


def build_linear():
    """Build a linear classifier, for tests that do not depend on the network."""
    x = image = keras.Input((16, 16, 1))
    for layer in (keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")):
        x = layer(x)
    return keras.Model(image, x)


def run(faces, folder, resume=False, **recipe):
    """Train a small network, and return it and its history."""
    keras.utils.set_random_seed(7)
    network = build_network("se_resnet", 16, len(CLASSES), **SMALL)
    folder.mkdir(exist_ok=True)
    return network, fit(network, TrainingData(*faces), Recipe(seed=7, **recipe), Run(folder, resume))


def test_augmentation_changes_pictures_in_training_only():
    pictures = np.random.default_rng(0).uniform(0, 255, (6, 48, 48, 1)).astype("float32")
    varied = same = pictures
    for layer in build_augmentation(seed=1, zoom=0.15):
        varied, same = layer(varied, training=True), layer(same, training=False)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(same), pictures)
    varied = keras.ops.convert_to_numpy(varied)
    assert varied.shape == pictures.shape
    assert varied.min() >= 0
    assert varied.max() <= 255
    assert all(np.abs(new - old).mean() > 1 for new, old in zip(varied, pictures, strict=True))


def test_random_affine_without_strength_only_mirrors():
    pictures = np.random.default_rng(0).uniform(0, 255, (16, 48, 48, 1)).astype("float32")
    answers = keras.ops.convert_to_numpy(RandomAffine(0, 0, 0, seed=3)(pictures, training=True))
    mirrored = [np.allclose(new, old[:, ::-1], atol=0.1) for new, old in zip(answers, pictures, strict=True)]
    kept = [np.allclose(new, old, atol=0.1) for new, old in zip(answers, pictures, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 2 < sum(mirrored) < 14


@pytest.mark.parametrize("zoom", [0.15, 0.5])
def test_zoom_enlarges_and_reduces_pictures_by_at_most_that_share(zoom):
    pictures = np.zeros((100, 48, 48, 1), "float32")
    pictures[:, 16:32, 16:32] = 255
    answers = keras.ops.convert_to_numpy(RandomAffine(0, zoom, 0, seed=3)(pictures, training=True))
    sides = np.sqrt(answers.sum(axis=(1, 2, 3)) / 255) / 16
    assert sides.min() == pytest.approx(1 / (1 + zoom), abs=0.03)
    assert sides.max() == pytest.approx(1 + zoom, abs=0.03)


@pytest.mark.usefixtures("eager")
def test_training_uses_the_zoom_of_the_recipe(faces, tmp_path):
    little, much = (
        without_seconds(run(faces, tmp_path / str(zoom), epochs=1, batch_size=48, zoom=zoom)[1]) for zoom in (0.0, 1.0)
    )
    assert little != much


def test_each_epoch_has_all_pictures_in_its_own_order(faces):
    batches = FaceBatches(faces[0], batch_size=5, seed=7, shuffle=True)
    orders = []
    for epoch in (0, 1, 0):
        batches.start_epoch(epoch)
        orders.append(np.concatenate([batches[index][0] for index in range(len(batches))]))
    np.testing.assert_array_equal(orders[0], orders[2])
    assert not np.array_equal(orders[0], orders[1])
    assert sorted(picture.sum() for picture in orders[1]) == sorted(float(p.sum()) for p in faces[0].images)


def test_an_epoch_with_repeats_passes_over_all_pictures_several_times(faces):
    count = len(faces[0])
    batches = FaceBatches(faces[0], batch_size=5, seed=7, shuffle=True, repeats=3)
    passes = batches.order.reshape(3, count)
    for one in passes:
        assert sorted(one) == list(range(count))
    assert not np.array_equal(passes[0], passes[1])
    assert len(batches) == -(-3 * count // 5)
    assert sum(len(batches[index][0]) for index in range(len(batches))) == 3 * count
    np.testing.assert_array_equal(passes[0], FaceBatches(faces[0], batch_size=5, seed=7, shuffle=True).order)


def test_mixup_mixes_pictures_and_targets_with_the_same_shares(faces):
    def all_batches(epoch, **how):
        batches = FaceBatches(faces[0], batch_size=16, seed=7, shuffle=True, **how)
        batches.start_epoch(epoch)
        pairs = [batches[index] for index in range(len(batches))]
        return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])

    plain, labels = all_batches(0)
    mixed, targets = all_batches(0, mixup=1.0)
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    shares = targets.max(axis=1)
    assert 0.1 < (shares < 0.95).mean() < 1
    # A picture whose target has the shares a and 1 - a is a times one picture and 1 - a times another of its batch.
    for index in np.flatnonzero(shares < 0.95):
        own = targets[index] @ labels[index]
        rest = (mixed[index] - own * plain[index]) / (1 - own)
        start = index // 16 * 16
        gaps = np.abs(plain[start : start + 16] - rest).mean(axis=(1, 2, 3))
        assert gaps.min() < 0.1
        assert targets[index] @ labels[start + gaps.argmin()] == pytest.approx(1 - own, abs=1e-5)
    np.testing.assert_array_equal(all_batches(0, mixup=1.0)[0], mixed)
    assert not np.array_equal(all_batches(1, mixup=1.0)[0], mixed)


@pytest.mark.usefixtures("eager")
def test_the_moving_average_of_the_weights_is_validated_and_kept(faces, tmp_path, monkeypatch):
    network = build_linear()
    steps, validated = [], []

    def weights():
        return np.concatenate([keras.ops.convert_to_numpy(each).ravel() for each in network.trainable_weights])

    def recorded(*arguments, original=training.build_callbacks, **how):
        recorder = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: steps.append(weights()),
            on_test_batch_end=lambda batch, logs: validated.append(weights()),
        )
        return [recorder, *original(*arguments, **how)]

    monkeypatch.setattr(training, "build_callbacks", recorded)
    # 12 batches of training pictures per epoch.
    recipe = Recipe(epochs=2, batch_size=4, learning_rate=2e-2, augment=False, seed=7)
    fit(network, TrainingData(*faces), recipe, Run(tmp_path, keep="last"))
    momentum = 1 - 20 / len(steps)
    averages = steps[:1]
    for step in steps[1:]:
        averages.append(momentum * averages[-1] + (1 - momentum) * step)
    np.testing.assert_allclose(validated[1::2], averages[11::12], atol=1e-5)
    np.testing.assert_allclose(weights(), averages[-1], atol=1e-5)
    assert np.abs(averages[11] - steps[11]).max() > 1e-3


@pytest.mark.usefixtures("eager")
def test_keep_chooses_the_best_or_the_last_epoch(faces, tmp_path):
    train, validation = faces
    # Training knows one class and validation only another, so the validation loss rises with each epoch.
    taught, asked = replace(train, labels=np.full(48, 1)), replace(validation, labels=np.full(12, 0))
    recipe = Recipe(epochs=3, batch_size=16, learning_rate=1e-3, augment=False, seed=7)
    network = build_linear()
    losses = [row["val_loss"] for row in fit(network, TrainingData(taught, asked), recipe, Run(tmp_path, keep="last"))]
    assert losses[0] < losses[1] < losses[2]

    def loss():
        measure = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
        return float(measure(one_hot(asked), network(asked.images.astype("float32"))))

    assert loss() == pytest.approx(losses[2], rel=1e-4)
    fit(network, TrainingData(taught, asked), recipe, Run(tmp_path, resume=True, keep="best"))
    assert loss() == pytest.approx(losses[0], rel=1e-4)


@pytest.mark.usefixtures("eager")
def test_the_original_recipe_has_whole_batches_without_augmentation(faces, tmp_path, monkeypatch):
    train, validation = faces
    monkeypatch.setattr(training, "build_augmentation", lambda *how: pytest.fail("varied"))
    batches = []

    class Recorded(FaceBatches):
        def __getitem__(self, index):
            batch = super().__getitem__(index)
            if self.drop_remainder:
                batches.append(batch)
            return batch

    monkeypatch.setattr(training, "FaceBatches", Recorded)
    network = build_network("original_cnn", 16, len(CLASSES))
    recipe = replace(RECIPES["original_cnn"], epochs=1, batch_size=5)
    fit(network, TrainingData(train, validation), recipe, Run(tmp_path))
    assert len(train) % 5
    assert {len(images) for images, _ in batches} == {5}
    assert len({image.tobytes() for images, _ in batches for image in images}) == len(train) // 5 * 5
    known = {image.tobytes() for image in train.images.astype("float32")}
    assert {image.tobytes() for images, _ in batches for image in images} <= known


@pytest.mark.slow  # Three trainings.
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(("callback", "method"), [("EpochSeconds", "on_epoch_begin"), ("Backup", "on_epoch_end")])
def test_an_interrupted_run_is_resumed_with_the_same_result(faces, tmp_path, monkeypatch, callback, method):
    recipe = {"epochs": 2, "batch_size": 48}
    whole, expected = run(faces, tmp_path / "whole", **recipe)

    before = getattr(getattr(callbacks, callback), method)

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt
        before(self, epoch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(getattr(callbacks, callback), method, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(faces, tmp_path / "cut", **recipe)
    # The same seed gives the same history.
    assert without_seconds(read_history(tmp_path / "cut"))[:1] == without_seconds(expected)[:1]
    resumed, history = run(faces, tmp_path / "cut", resume=True, **recipe)
    assert without_seconds(history) == without_seconds(expected)
    for weights, same in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(weights, same, atol=1e-6)
    # A finished run is not changed.
    assert run(faces, tmp_path / "cut", resume=True, **recipe)[1] == history


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_a_checkpoint_is_complete(number):
    done, received = [], []
    before = signal.signal(number, lambda number, frame: received.append(number))
    try:
        with callbacks.delayed_signals():
            signal.raise_signal(number)
            done.append(not received)
        assert (done, received) == ([True], [number])
    finally:
        signal.signal(number, before)


@pytest.mark.usefixtures("eager")
def test_a_run_whose_first_checkpoint_was_cut_starts_anew(faces, tmp_path, monkeypatch):
    """As on a full disk; the log of the epoch was cut too."""
    recipe = {"epochs": 1, "batch_size": 48}
    expected = run(faces, tmp_path / "whole", **recipe)[1]
    cut = shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    weights = cut / "checkpoint" / "latest.weights.h5"
    weights.write_bytes(weights.read_bytes()[:1000])
    (cut / "checkpoint" / "training_metadata.json").unlink()
    (cut / "history.csv").write_text("epoch,accuracy,loss,seconds,val_accuracy,val_loss\n0,0.5,1.1\n")
    assert read_history(cut) == []
    assert without_seconds(run(faces, cut, resume=True, **recipe)[1]) == without_seconds(expected)


@pytest.mark.usefixtures("eager")
def test_best_weights_that_are_damaged_are_named(faces, tmp_path):
    fit(build_linear(), TrainingData(*faces), Recipe(epochs=1, batch_size=48), Run(tmp_path))
    weights = tmp_path / "best.weights.h5"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"best\.weights\.h5: damaged\. Train again, into another --output\.$"):
        fit(build_linear(), TrainingData(*faces), Recipe(epochs=1, batch_size=48), Run(tmp_path, resume=True))


@pytest.mark.slow  # Two hundred steps, with a graph.
def test_training_reduces_the_validation_loss(draw_dataset, tmp_path):
    data = draw_dataset(tmp_path / "faces", CLASSES, per_class=16)
    faces = [load_faces(data, split, classes=CLASSES) for split in ("train", "validation")]
    keras.utils.set_random_seed(7)
    network = build_network("se_resnet", 48, len(CLASSES), stem=8, widths=(8, 16), depth=1)
    recipe = Recipe(epochs=15, batch_size=4, learning_rate=5e-3, label_smoothing=0.0, seed=7)
    history = fit(network, TrainingData(*faces), recipe, Run(tmp_path))
    assert max(row["val_accuracy"] for row in history) > 0.6
    best = min(row["val_loss"] for row in history)
    assert best < 0.8 * history[0]["val_loss"]


@pytest.mark.usefixtures("eager")
def test_a_loss_that_is_not_finite_is_reported(faces, tmp_path):
    with pytest.raises(UserError, match="lower learning rate"):
        run(faces, tmp_path / "run", epochs=1, batch_size=16, learning_rate=1e30)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": -1},
        {"head_epochs": 24},
        {"tuning_rate": 0.0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"label_smoothing": 1.0},
        {"mixup": -0.1},
        {"zoom": -0.1},
        {"zoom": 1.5},
        {"zoom": float("nan")},
        {"degrade": -0.1},
        {"degrade": float("nan")},
        {"votes_share": -0.1},
        {"votes_share": 1.1},
        {"average": True, "optimizer": "sgd"},
        {"seed": -1},
        {"seed": 2**32},
    ],
)
def test_invalid_values_of_a_recipe_are_refused(wrong):
    with pytest.raises(UserError, match=f"`{next(iter(wrong))}` must be"):
        Recipe(**wrong)


def test_votes_for_one_class_alone_are_refused():
    faces = Faces(np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 0, 1, 2]), CLASSES, ("a", "b", "c", "d"))
    votes = np.array([[0.9, 0.1], [0.8, 0.2], [np.nan] * 2, [np.nan] * 2])
    rule = r"Votes must be of pictures of two classes or more\. Received: votes for 2 of 4 training pictures"
    with pytest.raises(DataError, match=rule):
        soft_targets(faces, votes)


def test_soft_targets_estimate_classes_from_votes():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    # The votes follow the labels, but half of those for the second class go to the third.
    seen = np.where((labels == 1) & (rng.random(600) < 0.5), 2, labels)
    votes = 0.8 * np.eye(3)[seen] + 0.1
    votes[:10] = np.nan
    faces = Faces(np.zeros((600, 8, 8, 1), np.uint8), labels, CLASSES, tuple(map(str, range(600))))
    targets = soft_targets(faces, votes)
    np.testing.assert_allclose(targets.sum(axis=1), 1)
    np.testing.assert_array_equal(targets[:10], np.eye(3)[labels[:10]])
    known = np.arange(600) >= 10
    assert targets[known & (seen == 0)][:, 0].min() > 0.9
    doubtful = targets[known & (seen == 2) & (labels == 2)].mean(axis=0)
    share = (labels[seen == 2] == 1).mean()
    assert doubtful[1] == pytest.approx(Recipe.votes_share * share, abs=0.05)
    # Share 0 gives the labels, share 1 the votes, and other shares a mean of both.
    np.testing.assert_array_equal(soft_targets(faces, votes, 0), one_hot(faces))
    said = soft_targets(faces, votes, 1)
    np.testing.assert_array_equal(said[known & (seen == 2)].std(axis=0).round(6), 0)
    np.testing.assert_allclose(targets[known], 0.3 * one_hot(faces)[known] + 0.7 * said[known])
    # The targets are unbiased: their mean is that of the labels.
    np.testing.assert_allclose(targets.mean(axis=0), np.eye(3)[labels].mean(axis=0), atol=0.02)
