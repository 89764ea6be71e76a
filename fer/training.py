"""Fit a network on faces: augmentation, schedule, checkpoints. Plain Keras 3, for its TensorFlow, JAX and PyTorch."""

import csv
import importlib.util
import json
import math
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops
from sklearn.linear_model import LogisticRegression

from fer.backbones import freeze_to_joint
from fer.distillation import build_student
from fer.distribution import ALONE
from fer.documents import to_json
from fer.errors import UserError
from fer.model_folder import HISTORY, LOGS
from fer.outputs import write_text, written_whole

CHECKPOINT = "checkpoint"
HEAD_CHECKPOINT = "checkpoint/head"
BEST = "best.weights.h5"
RANDOM_STATES = "random_states.json"
VOTES_SHARE = 0.7
"""How much of a soft target its votes decide; the rest is the label."""


def fit(network, train, validation, recipe, folder, resume=False, targets=None, keep="best", teachers=(), group=ALONE):
    """Trains `network` in place and leaves it with the weights of its best or its last epoch.

    After every epoch `folder` holds the state to resume from, the best weights by validation loss (of their moving
    average, where the recipe averages), the CSV log and the TensorBoard log. Where the recipe has `head_epochs` there
    are two trainings after each other, with one log: of the head on what the frozen base makes of the pictures, which
    is computed once; then of the last part of the base with it.

    Args:
        network: of `fer.models.build_network`, with as many outputs as `train` has classes; one of
            `fer.backbones.build_backbone`, where the recipe has `head_epochs`.
        train, validation: `fer.data.Faces`.
        recipe: `fer.recipes.Recipe`.
        folder: where the files go; it exists.
        resume: go on from the last finished epoch found in `folder`.
        targets: float `(n, classes)`, what to teach instead of the labels of `train`, as `soft_targets` gives.
        keep: `best`, the epoch of the lowest validation loss, or `last`, where the schedule ends.
        teachers: frozen networks of `fer.distillation.load_teachers` to learn from, beside the targets; not for the
            head alone.
        group: `fer.distribution.Group` that trains together; its process 0 alone reads and writes `folder`. Without
            `head_epochs`, where it is more than one process.

    Returns:
        The log, one dict of floats an epoch: `epoch` from 0, `accuracy`, `loss`, `val_accuracy`, `val_loss`, `seconds`.

    Raises:
        UserError: if the loss is no longer a number before the first epoch is over.
    """
    folder = Path(folder)

    def fit_epochs(epochs, model, train, validation, learning_rate, checkpoint, started):
        """Fits `model`, which has the weights of `network` or some of them, for a range of epochs."""
        how = {"targets": targets, "mixup": recipe.mixup, "whole": recipe.whole_batches, "group": group}
        batches = FaceBatches(train, recipe.batch_size, recipe.seed, True, **how)
        model.compile(
            optimizer=_optimizer(recipe, learning_rate, len(epochs) * len(batches)),
            loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
            metrics=["accuracy"],
            jit_compile=_jit_compile(),
        )
        rest = FaceBatches(validation, 2 * recipe.batch_size, recipe.seed, shuffle=False, group=group)
        group.fit_without_padding(model, *((len(each.faces), each.batch_size) for each in (batches, rest)))
        model.fit(
            batches,
            validation_data=rest,
            initial_epoch=epochs.start,
            epochs=epochs.stop,
            shuffle=False,  # Keras would shuffle with a generator that no checkpoint holds; the batches come shuffled.
            callbacks=_callbacks(network, folder, folder / checkpoint, batches, recipe.average, started, group),
        )

    done = len(group.tell(_restart, folder, resume))
    if recipe.head_epochs:
        # The checkpoint of the second training has the head.
        if done <= recipe.head_epochs:
            started = time.perf_counter()
            head = network.get_layer("probabilities")
            base = keras.Model(network.input, head.input)
            base.compile(jit_compile=_jit_compile())
            seen = [replace(faces, images=base_features(base, faces)) for faces in (train, validation)]
            model = keras.Sequential([keras.Input(head.input.shape[1:]), head])
            fit_epochs(range(recipe.head_epochs), model, *seen, recipe.learning_rate, HEAD_CHECKPOINT, started)
        freeze_to_joint(network)
    if all(_is_finite(row) for row in group.tell(read_history, folder)):
        varied = augmentation(recipe.seed, recipe.zoom) if recipe.augment else []
        if teachers:
            model = build_student(network, teachers, varied)
        else:
            model = keras.Sequential([keras.Input(network.input_shape[1:]), *varied, network])
        rate = recipe.tuning_rate if recipe.head_epochs else recipe.learning_rate
        epochs = range(recipe.head_epochs, recipe.epochs)
        fit_epochs(epochs, model, train, validation, rate, CHECKPOINT, time.perf_counter())
    history = group.tell(read_history, folder)
    finite = [row for row in history if _is_finite(row)]
    if not finite:
        raise UserError(f"The loss is no longer a number. Try a lower learning rate. Received: {recipe.learning_rate}")
    if len(finite) < len(history):
        print(f"The loss is no longer a number after epoch {len(finite)}; the best weights until then are kept.")
    if keep == "best" or finite != history:
        with group.copy(folder, BEST) as there:
            network.load_weights(there / BEST)
    return finite


def base_features(base, faces):
    """What a frozen base makes of faces, in inference mode, as float32 `(n, channels)`."""
    print(f"The base's features of {len(faces)} pictures:")
    return base.predict(FaceBatches(faces, 64, seed=0, shuffle=False)).astype("float32")


class FaceBatches(keras.utils.PyDataset):
    """Batches of float32 pictures `(n, size, size, 1)`, or features that stand for them, and targets `(n, classes)`, by
    default one-hot labels.

    Order and mixup are functions of the seed and the epoch alone, so that a resumed run sees what an uninterrupted one
    does, and several processes together what one does: each has its own rows of the same batches.
    """

    def __init__(self, faces, batch_size, seed, shuffle, targets=None, mixup=0.0, whole=False, group=ALONE):
        super().__init__()
        self.targets = (one_hot(faces) if targets is None else targets).astype("float32")
        self.faces, self.batch_size, self.seed, self.shuffle = faces, batch_size, seed, shuffle
        self.mixup, self.whole, self.group = mixup, whole, group
        self.start_epoch(0)

    def __len__(self):
        if self.whole:
            return max(1, len(self.faces) // self.batch_size)
        return math.ceil(len(self.faces) / self.batch_size)

    def __getitem__(self, index):
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        own = self.group.rows(len(chosen), self.batch_size)
        images, targets = self._read(chosen[own])
        if not self.mixup:
            return images, targets
        random = np.random.default_rng((self.seed, self.epoch, index))
        shares = random.beta(self.mixup, self.mixup, len(chosen)).astype("float32")[own]
        others = random.permutation(len(chosen))[own]

        def mix(values, other_values):
            share = shares.reshape(-1, *[1] * (values.ndim - 1))
            return share * values + (1 - share) * other_values

        other_images, other_targets = self._read(chosen[others])
        return mix(images, other_images), mix(targets, other_targets)

    def _read(self, indices):
        return self.faces.images[indices].astype("float32"), self.targets[indices]

    def start_epoch(self, epoch):
        """Draws the order of the pictures for `epoch`."""
        self.epoch = epoch
        self.order = np.arange(len(self.faces))
        if self.shuffle:
            np.random.default_rng((self.seed, epoch)).shuffle(self.order)


class RandomStates(keras.callbacks.Callback):
    """Keeps the states of augmentation and dropout beside Keras' own backup, which leaves them out."""

    def __init__(self, path, group):
        super().__init__()
        self.path, self.group = path, group

    def on_train_begin(self, logs=None):
        states = self.group.tell(lambda: json.loads(self.path.read_text()) if self.path.exists() else None)
        if states:
            for variable, state in zip(self._variables(), states, strict=True):
                variable.assign(np.array(state, variable.dtype))

    def on_epoch_end(self, epoch, logs=None):
        if not self.group.first:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        states = [keras.ops.convert_to_numpy(variable).tolist() for variable in self._variables()]
        write_text(self.path, to_json(states))

    def _variables(self):
        return [variable for variable in self.model.variables if variable.name == "seed_generator_state"]


class Backup(keras.callbacks.BackupAndRestore):
    """Keras' own, from which every process of a group starts and which process 0 writes."""

    def __init__(self, folder, group):
        super().__init__(folder, delete_checkpoint=False, double_checkpoint=True)
        self.group = group

    def on_train_begin(self, logs=None):
        with self.group.copy(self.backup_dir, "*") as folder:
            reader = keras.callbacks.BackupAndRestore(folder)
            reader.set_model(self.model)
            reader.on_train_begin()

    def on_epoch_end(self, epoch, logs=None):
        if self.group.first:
            with self.group.apart():  # Keras creates an optimizer to see what need not be saved of one.
                super().on_epoch_end(epoch, logs)


class BestWeights(keras.callbacks.ModelCheckpoint):
    """Saves all of a network at its lowest validation loss, whatever part of it is being fitted."""

    def __init__(self, network, path, lowest):
        super().__init__(path, "val_loss", save_best_only=True, save_weights_only=True, initial_value_threshold=lowest)
        self.network = network

    def set_model(self, model):
        super().set_model(self.network)


class EpochSeconds(keras.callbacks.Callback):
    """Adds `seconds` to the log: an epoch's wall time with all that belongs to it, the first's from `started` on."""

    def __init__(self, started):
        super().__init__()
        self.started = started

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        logs["seconds"], self.started = now - self.started, now


def one_hot(faces):
    """The labels of `fer.data.Faces` as float64 `(n, classes)`."""
    return np.eye(len(faces.classes))[faces.labels]


def soft_targets(faces, votes):
    """Targets that know how sure people are: each picture's label, and what its votes say of FER2013's label.

    FER+ asked other people, who agree with FER2013's labels on 63 % of the pictures, so its majority is not what is to
    be predicted. A multinomial logistic regression from votes to labels over all pictures gives the probability of each
    label among pictures with such votes; it varies less from picture to picture than the single label it stands for.

    Args:
        faces: `fer.data.Faces`.
        votes: of `fer.data.load_votes`, `(n, categories)`; pictures without votes keep their label.

    Returns:
        float64 array `(n, classes)`; rows sum to 1.
    """
    known = ~np.isnan(votes).any(axis=1)
    features = np.hstack([votes[known], np.sqrt(votes[known]), votes[known] >= 0.5])
    regression = LogisticRegression(max_iter=1000).fit(features, faces.labels[known])
    targets = one_hot(faces)
    columns = np.ix_(known, regression.classes_)
    said = np.zeros_like(targets)
    said[columns] = regression.predict_proba(features)
    targets[known] = (1 - VOTES_SHARE) * targets[known] + VOTES_SHARE * said[known]
    return targets


def augmentation(seed, zoom):
    """Layers that vary training pictures `(n, size, size, 1)` of values 0-255 and are the identity in inference.

    Args:
        seed: of the draws.
        zoom: as `RandomAffine` takes it.
    """
    return [
        RandomAffine(rotation=12, zoom=zoom, shift=0.12, seed=seed, dtype="float32"),
        layers.RandomBrightness(0.15, seed=seed + 1, dtype="float32"),
        layers.RandomContrast(0.3, seed=seed + 2, dtype="float32"),
        layers.RandomErasing(0.3, scale=(0.02, 0.15), seed=seed + 3, dtype="float32"),
    ]


class RandomAffine(layers.Layer):
    """Mirrors, turns, zooms and shifts each picture in a single resampling.

    Keras' four layers for this would resample, and blur, 48-pixel pictures three times.

    Args:
        rotation: largest angle in degrees, to either side.
        zoom: largest change of scale, up or down, as a share.
        shift: largest shift in each direction as a share of the side.
        seed: of the draws.
    """

    def __init__(self, rotation, zoom, shift, seed, **kwargs):
        super().__init__(**kwargs)
        self.rotation, self.zoom, self.shift, self.seed = rotation, zoom, shift, seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        if not training:
            return images
        height, width = images.shape[1:3]

        def draw(limit):
            return keras.random.uniform((ops.shape(images)[0],), -limit, limit, seed=self.generator)

        angle, scale = draw(math.radians(self.rotation)), ops.exp(draw(math.log1p(self.zoom)))
        mirror = ops.where(draw(1.0) < 0, -1.0, 1.0)
        cosine, sine = scale * ops.cos(angle), scale * ops.sin(angle)
        center_x, center_y = (width - 1) / 2, (height - 1) / 2
        # Output pixel (x, y) reads the input at (a x + b y + c, d x + e y + f), turned about the centre.
        a, b, d, e = cosine * mirror, -sine * mirror, sine, cosine
        c = center_x - a * center_x - b * center_y + draw(self.shift) * width
        f = center_y - d * center_x - e * center_y + draw(self.shift) * height
        zero = ops.zeros_like(a)
        transform = ops.stack([a, b, c, d, e, f, zero, zero], axis=1)
        return ops.image.affine_transform(images, transform, fill_mode="reflect", data_format="channels_last")

    def compute_output_shape(self, input_shape):
        return input_shape


def read_history(folder):
    """The CSV log of `fit` as a list of dicts of floats, one an epoch; empty if there is none."""
    path = Path(folder) / HISTORY
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def _is_finite(row):
    return math.isfinite(row["loss"] + row["val_loss"])


def _jit_compile():
    """Compiled by default on JAX. TensorFlow's own kernels were 1.3 times as fast as XLA's on a CPU."""
    return "auto" if keras.backend.backend() == "jax" else False


def _optimizer(recipe, learning_rate, steps):
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(learning_rate)
    warmup = steps // 10
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 25,
        decay_steps=max(1, steps - warmup),
        warmup_target=learning_rate,
        warmup_steps=warmup,
    )
    # The average reaches back over a twentieth of the training, so that it works for ten steps as for ten thousand.
    momentum = 1 - 1 / max(1.0, steps / 20)
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=recipe.weight_decay, use_ema=recipe.average, ema_momentum=momentum
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _callbacks(network, folder, checkpoint, batches, averaged, started, group):
    averages = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    callbacks = [
        keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.start_epoch(epoch)),
        keras.callbacks.TerminateOnNaN(),
        *([averages] if averaged else []),
        *(_writers(network, folder, started) if group.first else []),
    ]
    if averaged:
        # The state to resume from has the weights that training goes on with, so the averages go back first.
        callbacks.append(
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: averages.on_epoch_begin(epoch))
        )
    return [
        *callbacks,
        RandomStates(checkpoint / RANDOM_STATES, group),
        Backup(checkpoint, group),
    ]


def _writers(network, folder, started):
    history = read_history(folder)
    callbacks = [
        BestWeights(network, folder / BEST, lowest=min((row["val_loss"] for row in history), default=None)),
        EpochSeconds(started),
        keras.callbacks.CSVLogger(folder / HISTORY, append=bool(history)),
    ]
    if importlib.util.find_spec("tensorflow") and importlib.util.find_spec("tensorboard"):
        return [*callbacks, keras.callbacks.TensorBoard(folder / LOGS)]
    print("No TensorBoard log: Keras' callback for it needs TensorFlow and tensorboard, which are not installed here.")
    return callbacks


def _restart(folder, resume):
    """The log up to the epoch that a resumed run starts from; an epoch logged but not saved is run again."""
    states = [folder / name / "training_metadata.json" for name in (CHECKPOINT, HEAD_CHECKPOINT)]
    finished = next((json.loads(state.read_text())["epoch"] for state in states if resume and state.exists()), 0)
    history = [row for row in read_history(folder) if row["epoch"] < finished]
    if not history:
        (folder / HISTORY).unlink(missing_ok=True)
        return []
    with written_whole(folder / HISTORY) as whole, whole.open("w", newline="") as file:
        writer = csv.DictWriter(file, history[0])
        writer.writeheader()
        writer.writerows({**row, "epoch": int(row["epoch"])} for row in history)
    return history
