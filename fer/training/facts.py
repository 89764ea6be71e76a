"""Facts about a training, for `config.json` and the model card."""

from pathlib import Path
from typing import Any

import keras

from fer.data.facts import describe_data
from fer.training.train import Trained


def describe_training(trained: Trained, command: str) -> dict[str, Any]:
    """Return the facts about a training and its origins, for `fer.models.config.ModelConfig.training`.

    Args:
        trained: result of the training.
        command: command line of the training, as it may be published.
    """
    plan, history, data = trained.plan, trained.history, trained.data
    options = plan.options
    to_the_end = plan.keep == "last" and len(history) == plan.recipe.epochs
    own = describe_data(options.data, train=data.train, validation=data.validation)
    if own:
        own["layout"] = options.layout
        if options.limit is None:  # Otherwise `fer calibrate` measures on more pictures.
            own["validation_sha256"] = data.validation.sha256()
    kept = history[-1] if to_the_end else min(history, key=lambda row: row["val_loss"])
    return {
        **plan.recipe.to_record(),
        "command": command,
        "kept_epoch": int(kept["epoch"]) + 1,
        "seconds": round(sum(row["seconds"] for row in history)),
        "parameters": trained.network.count_params(),
        "data": own,
        "license": options.license,
        "train_pictures": len(data.train),
        "validation_pictures": len(data.validation),
        "backend": keras.backend.backend(),
        "dtype_policy": keras.config.dtype_policy().name,
        "keras": keras.__version__,
        "votes": options.votes and Path(options.votes).name,
        **trained.origins.describe(),
    }
