"""Keras callbacks of a training run: checkpoints, random states, the best weights, logs."""

import importlib.util
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from fer.documents import to_json
from fer.models.model_folder import HISTORY, LOGS, read_history
from fer.outputs import write_text
from fer.training.batches import FaceBatches
from fer.training.checkpoints import BEST, RANDOM_STATES, count_finished
from fer.training.distributed import Group


class RandomStates(keras.callbacks.Callback):
    """Save the states of the random generators of augmentation and dropout, which Keras' own backup leaves out.

    The file holds the states after the last two epochs, by the number of epochs that had ended: an interruption between
    this file and the backup leaves a backup of the epoch before.

    Args:
        path: file that the states are written to, and read from at the start.
        group: `fer.training.distributed.Group`.
    """

    def __init__(self, path, group):
        super().__init__()
        self.path, self.group, self._last = path, group, {}

    def on_train_begin(self, logs=None):
        states = self.group.broadcast(self._read)
        if states:
            for variable, state in zip(self._variables(), states, strict=True):
                variable.assign(np.array(state, variable.dtype))

    def on_epoch_end(self, epoch, logs=None):
        if not self.group.first:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        states = {str(epoch + 1): [keras.ops.convert_to_numpy(variable).tolist() for variable in self._variables()]}
        write_text(self.path, to_json(self._last | states))
        self._last = states

    def _read(self):
        """Return the states that belong to the backup; None if there are none."""
        if not self.path.exists():
            return None
        saved, finished = json.loads(self.path.read_text()), str(count_finished(self.path.parent))
        if isinstance(saved, list):  # An earlier version kept the last states alone.
            return saved
        self._last = {finished: saved[finished]} if finished in saved else {}
        return saved.get(finished)

    def _variables(self):
        """Return the states of the model's random generators, Keras variables."""
        return [variable for variable in self.model.variables if variable.name == "seed_generator_state"]


class Backup(keras.callbacks.BackupAndRestore):
    """Keras' backup for a group: process 0 writes it, and every process starts from it.

    Args:
        folder: folder of the checkpoint.
        group: `fer.training.distributed.Group`.
    """

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
            # Apart, because Keras creates an optimizer here, to see which of its attributes need no saving.
            with delayed_signals(), self.group.apart():
                super().on_epoch_end(epoch, logs)


class BestWeights(keras.callbacks.ModelCheckpoint):
    """Save a whole network at its lowest validation loss, even while only a part of it is being fitted.

    Args:
        network: Keras network to save.
        path: file for its weights.
        lowest: lowest validation loss of the epochs before; None if there are none.
    """

    def __init__(self, network, path, lowest):
        super().__init__(path, "val_loss", save_best_only=True, save_weights_only=True, initial_value_threshold=lowest)
        self.network = network

    def set_model(self, model):
        super().set_model(self.network)


class EpochSeconds(keras.callbacks.Callback):
    """Add the wall time of each epoch to the log as `seconds`, validation and checkpoints included.

    Args:
        started: time of `time.perf_counter` from which the first epoch counts.
    """

    def __init__(self, started):
        super().__init__()
        self.started = started

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        logs["seconds"], self.started = now - self.started, now


@contextmanager
def delayed_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block has ended, so that what it writes belongs together."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, frame: received.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in received:
        signal.raise_signal(number)


def build_callbacks(
    network: keras.Model,
    folder: Path,
    checkpoint: Path,
    batches: FaceBatches,
    averaged: bool,
    started: float,
    group: Group,
) -> list[keras.callbacks.Callback]:
    """Build the callbacks of one call of Keras' `fit`.

    Args:
        network: Keras network that is saved.
        folder: folder of the run.
        checkpoint: folder of the state from which the run is resumed.
        batches: batches to train on.
        averaged: whether the optimizer averages the weights.
        started: time of `time.perf_counter` from which the first epoch counts.
        group: processes that train together.

    Returns:
        A list of Keras callbacks, in the order in which they must be called.
    """
    averages = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    callbacks = [
        keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.start_epoch(epoch)),
        keras.callbacks.TerminateOnNaN(),
        *([averages] if averaged else []),
        *(_writers(network, folder, started) if group.first else []),
    ]
    if averaged:
        # Training goes on with the plain weights, so the averages are swapped out before the state is saved.
        callbacks.append(
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: averages.on_epoch_begin(epoch))
        )
    return [
        *callbacks,
        RandomStates(checkpoint / RANDOM_STATES, group),
        Backup(checkpoint, group),
    ]


def _writers(network, folder, started):
    """Return the callbacks that write files into the folder of the run."""
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
