"""What happens beside the epochs: checkpoints, random states, the best weights, logs."""

import importlib.util
import json
import math
import time

import keras
import numpy as np

from fer.documents import to_json
from fer.models.model_folder import HISTORY, LOGS, read_history
from fer.outputs import write_text

CHECKPOINT = "checkpoint"
HEAD_CHECKPOINT = "checkpoint/head"
BEST = "best.weights.h5"
RANDOM_STATES = "random_states.json"


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


def is_finite(row):
    return math.isfinite(row["loss"] + row["val_loss"])


def build_callbacks(network, folder, checkpoint, batches, averaged, started, group):
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
