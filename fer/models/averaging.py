"""The mean of the weights of several models, as one model of the same size.

Models that were trained on from the same weights lie in one basin of the loss, so that the mean of their weights is a
model too: it combines what each of them learnt (model soups: Wortsman et al., 2022, arXiv:2203.05482; a network and its
fine-tuned version: Wortsman et al., 2022, arXiv:2109.01903).
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer.errors import UserError
from fer.models.config import ModelConfig, load_config
from fer.models.model_folder import find_model, load_model


def average_models(folders: Sequence[str | os.PathLike[str]]) -> tuple[Any, ModelConfig]:
    """Return the model whose weights, batch normalization's statistics among them, are the mean of several models'.

    Args:
        folders: paths of model folders, or `bundled`.

    Returns:
        The Keras network, float32, and its `ModelConfig`: that of the last model, without calibration and exports. Its
        `training` has `mean_of` besides, a list with the `name`, the `sha256` and the `training` of each model.

    Raises:
        UserError: if the models are fewer than two, of different kinds, or not trained on from the same weights.
    """
    members = [_describe(find_model(folder)) for folder in folders]
    hashes = {member["sha256"] for member, _ in members}
    if len(hashes) < 2 or len(hashes) < len(members):
        raise UserError(f"An average needs two or more different models. Received: {_join(folders)}")
    kinds = [(config.network, config.options, config.image_size, config.labels) for _, config in members]
    for folder, kind in zip(folders, kinds, strict=True):
        if kind != kinds[0]:
            network, options, size, labels = kind
            received = f"{folder}, a {network} with {options} for {', '.join(labels)} in {size} pixels"
            raise UserError(f"The models of an average must be of the same kind as {folders[0]}. Received: {received}")
    origins = [{member["sha256"]} | _list_weights(member["training"]) for member, _ in members]
    if not set.intersection(*origins):
        raise UserError(
            "The models of an average must have been trained on from the same weights (`--start`), or their mean "
            f"recognizes nothing. Received: {_join(folders)}"
        )
    networks = [load_model(folder)[0] for folder in folders]
    weights = zip(*(network.get_weights() for network in networks), strict=True)
    network, last = networks[-1], members[-1][1]
    network.set_weights([sum(arrays) / len(networks) for arrays in weights])
    training = {**last.training, "mean_of": [member for member, _ in members]}
    return network, ModelConfig(last.network, last.labels, last.image_size, last.options, training)


def _describe(folder):
    """Return the facts about a model that `average_models` records, and its `ModelConfig`."""
    config, weights = load_config(folder)
    name = Path(folder).resolve().name
    return {"name": name, "sha256": weights["sha256"], "training": config.training}, config


def _list_weights(training):
    """Return the sha256 of all weights that a training started from and that an average consists of, as recorded."""
    start, hashes = training.get("start"), set()
    for averaged in training.get("mean_of") or []:
        hashes |= {averaged["sha256"]} | _list_weights(averaged["training"])
    if start:
        hashes |= ({start["model"]["sha256"]} if start.get("model") else set()) | _list_weights(start)
    return hashes


def _join(folders):
    return ", ".join(map(str, folders)) or "none"
