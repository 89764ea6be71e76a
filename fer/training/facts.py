"""How a model was trained, as its `config.json` tells."""

from dataclasses import asdict
from pathlib import Path

import keras

from fer.training.options import command_to_publish


def describe_training(plan, network, history, data):
    """Return the facts of a training, to which those of `fer.training.origins.Origins` are added.

    Args:
        plan: `fer.training.plan.Plan`.
        network: as it was trained.
        history: its log, of `fer.training.fit.fit`.
        data: `fer.training.fit.TrainingData`.
    """
    options = plan.options
    to_the_end = options.keep == "last" and len(history) == plan.recipe.epochs
    kept = history[-1] if to_the_end else min(history, key=lambda row: row["val_loss"])
    return {
        **asdict(plan.recipe),
        "command": command_to_publish(options),
        "kept_epoch": int(kept["epoch"]) + 1,
        "seconds": round(sum(row["seconds"] for row in history)),
        "parameters": network.count_params(),
        "train_pictures": len(data.train),
        "validation_pictures": len(data.validation),
        "backend": keras.backend.backend(),
        "dtype_policy": keras.config.dtype_policy().name,
        "keras": keras.__version__,
        "votes": options.votes and Path(options.votes).name,
    }
