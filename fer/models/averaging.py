"""The mean of the weights of several models, as one model of the same size.

Models that were trained on from the same weights lie in one basin of the loss, so that the mean of their weights is a
model too: it combines what each of them learnt (model soups: Wortsman et al., 2022, arXiv:2203.05482; a network and its
fine-tuned version: Wortsman et al., 2022, arXiv:2109.01903).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fer.errors import UserError
from fer.models.calibration import Calibration
from fer.models.config import UNSAVED, ModelConfig, load_config
from fer.models.model_folder import find_model, load_model
from fer.paths import StrPath

KEY = "mean_of"
"""Key of an average in the facts about a training (`fer.models.config.ModelConfig.training`)."""


def average_models(folders: Sequence[StrPath]) -> tuple[Any, ModelConfig]:
    """Return the model whose weights, batch normalization's statistics among them, are the mean of several models'.

    Args:
        folders: paths of model folders, or `bundled`.

    Returns:
        The Keras network, float32, and its `ModelConfig`: that of the last model, without exports, and without
        calibration but for the class shares of its training. Its `training` has `KEY` besides: `models`, a list with
        the `name` and `sha256` of each model, and its `training` unless that of the last model records all of it.

    Raises:
        UserError: if the models are fewer than two, of different kinds, or not trained on from the same weights.
    """
    members = [_Member(path.resolve().name, load_config(path)) for path in map(find_model, folders)]
    hashes = {member.sha256 for member in members}
    if len(hashes) < 2 or len(hashes) < len(members):
        raise UserError(f"An average needs two or more different models. Received: {_join(folders)}")
    for folder, member in zip(folders, members, strict=True):
        if member.kind != members[0].kind:
            network, options, size, labels = member.kind
            received = f"{folder}, a {network} with {options} for {', '.join(labels)} in {size} pixels"
            raise UserError(f"The models of an average must be of the same kind as {folders[0]}. Received: {received}")
    if not set.intersection(*({member.sha256} | member.ancestors for member in members)):
        raise UserError(
            "The models of an average must have been trained on from the same weights (`--start`), or their mean "
            f"recognizes nothing. Received: {_join(folders)}"
        )
    networks = [load_model(folder)[0] for folder in folders]
    weights = zip(*(network.get_weights() for network in networks), strict=True)
    network, last = networks[-1], members[-1]
    network.set_weights([sum(arrays) / len(networks) for arrays in weights])
    recorded = {last.sha256} | last.ancestors
    # Of a last model that is an average itself, `training` gets another `KEY` below: its own stands in its description.
    models = [member.describe(member.sha256 not in recorded or KEY in member.config.training) for member in members]
    training = {**last.config.training, KEY: {"models": models}}
    uncalibrated = Calibration(class_shares=last.config.calibration.class_shares)
    return network, replace(last.config, training=training, calibration=uncalibrated, exports={}, weights=UNSAVED)


@dataclass(frozen=True)
class _Member:
    """Member of an average.

    name: name of the model folder.
    config: its `ModelConfig`.
    """

    name: str
    config: ModelConfig

    @property
    def sha256(self):
        return self.config.weights.sha256

    @property
    def kind(self):
        return self.config.network, self.config.options, self.config.image_size, self.config.labels

    @property
    def ancestors(self):
        return _list_weights(self.config.training)

    def describe(self, with_training):
        facts = {"name": self.name, "sha256": self.sha256}
        return facts | ({"training": self.config.training} if with_training else {})


def _list_weights(training):
    """Return the sha256 of all weights that a training started from, or that its result is the average of."""
    hashes = set()
    if start := training.get("start"):
        hashes |= ({start["model"]["sha256"]} if start.get("model") else set()) | _list_weights(start)
    for member in training.get(KEY, {}).get("models", []):
        hashes |= {member["sha256"]} | _list_weights(member.get("training", {}))
    return hashes


def _join(folders):
    return ", ".join(map(str, folders)) or "none"
