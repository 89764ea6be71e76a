"""Fit a network on faces: augmentation, schedule, checkpoints. Plain Keras 3, for its TensorFlow, JAX and PyTorch."""

import csv
import json
import time
from dataclasses import replace
from pathlib import Path

import keras

from fer.errors import UserError
from fer.models.backbones import freeze_to_joint
from fer.models.model_folder import HISTORY, read_history
from fer.outputs import written_whole
from fer.training.augmentation import augmentation
from fer.training.batches import FaceBatches
from fer.training.callbacks import BEST, CHECKPOINT, HEAD_CHECKPOINT, build_callbacks, is_finite
from fer.training.distillation import build_student
from fer.training.distributed import ALONE


def fit(network, train, validation, recipe, folder, resume=False, targets=None, keep="best", teachers=(), group=ALONE):
    """Trains `network` in place and leaves it with the weights of its best or its last epoch.

    After every epoch `folder` holds the state to resume from, the best weights by validation loss (of their moving
    average, where the recipe averages), the CSV log and the TensorBoard log. Where the recipe has `head_epochs` there
    are two trainings after each other, with one log: of the head on what the frozen base makes of the pictures, which
    is computed once; then of the last part of the base with it.

    Args:
        network: of `fer.models.networks.build_network`, with as many outputs as `train` has classes; one of
            `fer.models.backbones.build_backbone`, where the recipe has `head_epochs`.
        train, validation: `fer.data.fer2013.Faces`.
        recipe: `fer.training.recipes.Recipe`.
        folder: where the files go; it exists.
        resume: go on from the last finished epoch found in `folder`.
        targets: float `(n, classes)`, what to teach instead of the labels of `train`, as `soft_targets` gives.
        keep: `best`, the epoch of the lowest validation loss, or `last`, where the schedule ends.
        teachers: frozen networks of `fer.training.distillation.load_teachers` to learn from, beside the targets; not
            for the head alone.
        group: `fer.training.distributed.Group` that trains together; its process 0 alone reads and writes `folder`.
            Without `head_epochs`, where it is more than one process.

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
            weighted_metrics=["accuracy"],
            jit_compile=_jit_compile(),
        )
        rest = FaceBatches(validation, 2 * recipe.batch_size, recipe.seed, shuffle=False, group=group)
        model.fit(
            batches,
            validation_data=rest,
            initial_epoch=epochs.start,
            epochs=epochs.stop,
            shuffle=False,  # Keras would shuffle with a generator that no checkpoint holds; the batches come shuffled.
            callbacks=build_callbacks(network, folder, folder / checkpoint, batches, recipe.average, started, group),
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
    if all(is_finite(row) for row in group.tell(read_history, folder)):
        varied = augmentation(recipe.seed, recipe.zoom) if recipe.augment else []
        if teachers:
            model = build_student(network, teachers, varied)
        else:
            model = keras.Sequential([keras.Input(network.input_shape[1:]), *varied, network])
        rate = recipe.tuning_rate if recipe.head_epochs else recipe.learning_rate
        epochs = range(recipe.head_epochs, recipe.epochs)
        fit_epochs(epochs, model, train, validation, rate, CHECKPOINT, time.perf_counter())
    history = group.tell(read_history, folder)
    finite = [row for row in history if is_finite(row)]
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
