"""Checkpoints of a training run: the names of their files, and which state a resumed run starts from."""

import csv
import json
import math
import shutil
from pathlib import Path

import h5py

from fer.errors import UserError
from fer.models.model_folder import HISTORY, read_history
from fer.outputs import written_whole

CHECKPOINT = "checkpoint"
"""Name of the folder with the state from which a run is resumed."""
HEAD_CHECKPOINT = "checkpoint/head"
"""Name of the folder with the state from which the training of the head is resumed."""
CHECKPOINT_WEIGHTS, CHECKPOINT_EPOCHS = "latest.weights.h5", "training_metadata.json"
"""Names of the files in a checkpoint with the weights and the number of epochs, which Keras gives them."""
RANDOM_STATES = "random_states.json"
"""Name of the file in a checkpoint with the states of the random generators."""
BEST = "best.weights.h5"
"""Name of the file with the weights of the lowest validation loss."""
ANEW = "Train again, into another --output."
"""Advice for a run that cannot be resumed."""


def count_finished(checkpoint: Path) -> int:
    """Return the number of epochs after which Keras wrote a checkpoint; 0 if there is none."""
    path = checkpoint / CHECKPOINT_EPOCHS
    return json.loads(path.read_text())["epoch"] if path.exists() else 0


def restart_run(folder: Path, resume: bool) -> int:
    """Return the number of finished epochs after which a run goes on, and cut its log to these.

    An epoch that was logged but not saved is run again.

    Args:
        folder: folder of the run.
        resume: whether the run is resumed; otherwise it begins anew, without a log.

    Raises:
        UserError: if a file that the resumption needs is missing or damaged.
    """
    finished = recover_checkpoint(folder / CHECKPOINT) or recover_checkpoint(folder / HEAD_CHECKPOINT) if resume else 0
    history = [row for row in read_history(folder) if row["epoch"] < finished]
    if len(history) < finished:
        rule = f"{folder / HISTORY}: it must have a row for each of the {finished} epochs that are finished. {ANEW}"
        raise UserError(f"{rule} Received: {len(history)}")
    if any(map(is_finite, history)) and not (folder / BEST).exists():
        raise UserError(f"{folder / BEST}: no such file, and --resume needs it. {ANEW}")
    if not history:
        (folder / HISTORY).unlink(missing_ok=True)
        return 0
    with written_whole(folder / HISTORY) as whole, whole.open("w", newline="") as file:
        writer = csv.DictWriter(file, history[0])
        writer.writeheader()
        writer.writerows({**row, "epoch": int(row["epoch"])} for row in history)
    return len(history)


def recover_checkpoint(checkpoint: Path) -> int:
    """Return the number of epochs after which a checkpoint was written; 0 if there is none.

    A checkpoint that is damaged, because the machine went off while it was written, is replaced by that of the epoch
    before, which Keras keeps as `*.bkp`: by itself Keras would replace the weights after everything else was read.

    Raises:
        UserError: if both are damaged.
    """
    if not (checkpoint / CHECKPOINT_EPOCHS).exists():
        # The first checkpoint may have been cut: the disk was full, or the process was killed.
        (checkpoint / CHECKPOINT_WEIGHTS).unlink(missing_ok=True)
        return 0
    if not _is_whole(checkpoint):
        if not _is_whole(checkpoint, ".bkp"):
            raise UserError(f"{checkpoint / CHECKPOINT_WEIGHTS}: damaged. {ANEW}")
        for name in (CHECKPOINT_EPOCHS, CHECKPOINT_WEIGHTS):  # Weights that are cut now are replaced again.
            shutil.copy(checkpoint / f"{name}.bkp", checkpoint / name)
    return count_finished(checkpoint)


def _is_whole(checkpoint, suffix=""):
    """Return whether both files of a checkpoint can be read."""
    try:
        with h5py.File(checkpoint / f"{CHECKPOINT_WEIGHTS}{suffix}"):
            return "epoch" in json.loads((checkpoint / f"{CHECKPOINT_EPOCHS}{suffix}").read_text())
    except (OSError, ValueError):
        return False


def is_finite(row: dict[str, float]) -> bool:
    """Return whether both losses of a row of the log are numbers."""
    return math.isfinite(row["loss"] + row["val_loss"])
