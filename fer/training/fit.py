"""Fit a network on faces: augmentation, schedule, checkpoints. It uses Keras 3 on TensorFlow, JAX or PyTorch."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from fer.data.faces import Faces
from fer.errors import UserError
from fer.models.backbones import freeze_base
from fer.models.keras_backend import choose_jit_compile
from fer.models.model_folder import read_history
from fer.training.augmentation import build_augmentation
from fer.training.batches import FaceBatches
from fer.training.callbacks import build_callbacks
from fer.training.checkpoints import ANEW, BEST, CHECKPOINT, HEAD_CHECKPOINT, is_finite, restart_run
from fer.training.distillation import build_student
from fer.training.distributed import ALONE, Group
from fer.training.recipes import Recipe


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Data of a training.

    train: training pictures.
    validation: validation pictures, which the network is measured on after each epoch.
    targets: targets instead of the labels of `train`, float `(n, classes)`, of `fer.training.targets.soft_targets`.
    teachers: frozen networks of `fer.training.distillation.load_teachers` that the network is distilled from; the
        epochs that train only the head do not use them.
    votes_sha256: sha256 of the votes that `targets` are made of, in hexadecimal; None without votes. The targets
        themselves depend on the processor, by rounding.
    """

    train: Faces
    validation: Faces
    targets: np.ndarray | None = None
    teachers: Sequence = ()
    votes_sha256: str | None = None

    def sha256(self) -> str:
        """Return the sha256 of the pictures and labels in hexadecimal; the same data have the same digest."""
        return hashlib.sha256(f"{self.train.sha256()} {self.validation.sha256()}".encode()).hexdigest()

    def resize(self, size: int) -> "TrainingData":
        """Return the same data with pictures of `size` pixels per side."""
        return replace(self, train=self.train.resize(size), validation=self.validation.resize(size))


@dataclass(frozen=True)
class Run:
    """Settings of a run that do not affect what the network learns.

    folder: existing folder for the files.
    resume: whether to continue after the last finished epoch in `folder`.
    keep: epoch whose weights are kept: `best`, the one with the lowest validation loss, or `last`.
    group: processes that train together; only process 0 reads and writes `folder`. Several processes cannot train with
        `head_epochs`.
    """

    folder: Path
    resume: bool = False
    keep: str = "best"
    group: Group = ALONE


@dataclass(frozen=True)
class Stage:
    """A range of epochs with one learning rate schedule.

    epochs: numbers of the epochs.
    learning_rate: highest learning rate of the schedule.
    checkpoint: name of the folder of the checkpoint.
    started: time of `time.perf_counter` at the beginning.
    """

    epochs: range
    learning_rate: float
    checkpoint: str
    started: float


def fit(network: keras.Model, data: TrainingData, recipe: Recipe, run: Run) -> list[dict[str, float]]:
    """Train a network, and leave it with the weights of its best or its last epoch.

    After every epoch the run's folder holds the state from which the run is resumed, the best weights by validation
    loss (their moving average, if the recipe averages), the CSV log and the TensorBoard log.

    A recipe with `head_epochs` has two stages, with a common log. In the first, only the head is trained, on the
    features that the frozen base computes from the pictures once. In the second, the head is trained together with the
    part of the base that the recipe tunes.

    Args:
        network: network with one output per class, of `fer.models.networks.build_network`; a backbone if the recipe has
            `head_epochs`.
        data: pictures, targets and teachers.
        recipe: hyperparameters.
        run: folder and settings of the run.

    Returns:
        The log, one dict of floats per epoch: `epoch` from 0, `accuracy`, `loss`, `val_accuracy`, `val_loss`,
        `seconds`.

    Raises:
        UserError: if the loss is not finite before the first epoch has ended, or if a file of a run that is resumed is
            missing or damaged.
    """
    run = replace(run, folder=Path(run.folder))
    done = run.group.broadcast(restart_run, run.folder, run.resume)
    if recipe.head_epochs:
        # The checkpoint of the second stage includes the head.
        if done <= recipe.head_epochs:
            _fit_head(network, data, recipe, run)
        freeze_base(network, recipe.tune)
    if recipe.tune != "head" and all(is_finite(row) for row in run.group.broadcast(read_history, run.folder)):
        _fit_network(network, data, recipe, run)
    history = run.group.broadcast(read_history, run.folder)
    finite = [row for row in history if is_finite(row)]
    if not finite:
        raise UserError(f"The loss is no longer a number. Try a lower learning rate. Received: {recipe.learning_rate}")
    if len(finite) < len(history):
        print(f"The loss is no longer a number after epoch {len(finite)}; the best weights until then are kept.")
    if run.keep == "best" or finite != history:
        with run.group.copy(run.folder, BEST) as there:
            try:
                network.load_weights(there / BEST)
            except OSError:  # The machine went off while it was written.
                raise UserError(f"{run.folder / BEST}: damaged. {ANEW}") from None
    return finite


def _fit_head(network, data, recipe, run):
    """Train the head of a backbone on the features that its base computes from the pictures."""
    stage = Stage(range(recipe.head_epochs), recipe.learning_rate, HEAD_CHECKPOINT, time.perf_counter())
    head = network.get_layer("probabilities")
    base = keras.Model(network.input, head.input)
    base.compile(jit_compile=choose_jit_compile())
    train, validation = (replace(faces, images=base_features(base, faces)) for faces in (data.train, data.validation))
    model = keras.Sequential([keras.Input(head.input.shape[1:]), head])
    _fit_stage(network, model, replace(data, train=train, validation=validation), recipe, run, stage)


def _fit_network(network, data, recipe, run):
    """Train the layers of a network that are not frozen, on augmented pictures if the recipe augments."""
    rate = recipe.tuning_rate if recipe.head_epochs else recipe.learning_rate
    stage = Stage(range(recipe.head_epochs, recipe.epochs), rate, CHECKPOINT, time.perf_counter())
    varied = build_augmentation(recipe.seed, recipe.zoom, recipe.degrade) if recipe.augment else []
    if data.teachers:
        model = build_student(network, data.teachers, varied)
    else:
        model = keras.Sequential([keras.Input(network.input_shape[1:]), *varied, network])
    _fit_stage(network, model, data, recipe, run, stage)


def _fit_stage(network, model, data, recipe, run, stage):
    """Fit `model`, which has the weights of `network` or some of them, for the epochs of a stage."""
    batches = FaceBatches(
        data.train,
        recipe.batch_size,
        recipe.seed,
        shuffle=True,
        targets=data.targets,
        mixup=recipe.mixup,
        repeats=recipe.repeats,
        drop_remainder=recipe.drop_remainder,
        group=run.group,
    )
    model.compile(
        optimizer=_optimizer(recipe, stage.learning_rate, len(stage.epochs) * len(batches)),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        weighted_metrics=["accuracy"],
        jit_compile=choose_jit_compile(),
    )
    rest = FaceBatches(data.validation, 2 * recipe.batch_size, recipe.seed, shuffle=False, group=run.group)
    checkpoint = run.folder / stage.checkpoint
    model.fit(
        batches,
        validation_data=rest,
        initial_epoch=stage.epochs.start,
        epochs=stage.epochs.stop,
        shuffle=False,  # Keras would shuffle with a generator that no checkpoint holds; the batches come shuffled.
        callbacks=build_callbacks(network, run.folder, checkpoint, batches, recipe.average, stage.started, run.group),
    )


def base_features(base: keras.Model, faces: Faces) -> np.ndarray:
    """Return the features that a frozen base computes from faces in inference mode, float32 `(n, channels)`."""
    print(f"The base's features of {len(faces)} pictures:")
    return base.predict(FaceBatches(faces, 64, seed=0, shuffle=False)).astype("float32")


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
    # The average covers about the last twentieth of the steps, so that it suits short and long trainings alike.
    momentum = 1 - 1 / max(1.0, steps / 20)
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=recipe.weight_decay, use_ema=recipe.average, ema_momentum=momentum
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
