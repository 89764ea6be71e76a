"""Origins of a training: the weights that it starts from, and the teachers that its network is distilled from."""

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from fer.errors import UserError
from fer.labels import fold
from fer.models.backbones import load_base
from fer.models.model_folder import load_model
from fer.training.distillation import TEMPERATURE, WEIGHT, load_teachers
from fer.training.plan import Plan, find_start


@dataclass(frozen=True, eq=False)
class Origins:
    """The weights and teachers of a training, and the facts about them that are recorded.

    start: weights of a whole network, with the head last; empty if training does not start from a model.
    columns: index of each class among the outputs of `start`; None for a new class.
    base: weights of a backbone's base; empty if there are none.
    teachers: frozen Keras networks.
    start_facts: facts about the training of `start`; None without it.
    base_facts: facts about `base`, as `fer.models.backbones.load_base` returns them; None without it.
    teacher_facts: facts about each teacher, as `fer.training.distillation.load_teachers` returns them.
    """

    start: list[np.ndarray]
    columns: list[int | None]
    base: list[np.ndarray]
    teachers: list[keras.Model]
    start_facts: dict[str, Any] | None
    base_facts: dict[str, Any] | None
    teacher_facts: list[dict[str, Any]]

    @property
    def start_sha256(self) -> str | None:
        """Sha256 of the weights file of the model that training starts from; None without one."""
        return self.start_facts and self.start_facts["model"]["sha256"]

    def set_start_weights(self, network: keras.Model) -> None:
        """Set the weights of a network to those that it starts from; the output of a new class keeps fresh weights."""
        if self.start:
            kernel, bias = network.get_weights()[-2:]
            for place, column in enumerate(self.columns):
                if column is not None:
                    kernel[:, place], bias[place] = self.start[-2][:, column], self.start[-1][column]
            network.set_weights([*self.start[:-2], kernel, bias])
        if self.base:
            network.set_weights(self.base + network.get_weights()[len(self.base) :])

    def describe(self) -> dict[str, Any]:
        """Return the facts for `fer.models.config.ModelConfig.training`."""
        teachers = {"models": self.teacher_facts, "weight": WEIGHT, "temperature": TEMPERATURE}
        return {
            "start": self.start_facts,
            "weights": self.base_facts,
            "teachers": teachers if self.teachers else None,
        }


def load_origins(plan: Plan) -> Origins:
    """Load the weights and teachers of a plan.

    Raises:
        UserError: if weights or a model folder cannot be loaded, or belong to another kind of network.
    """
    options, config = plan.options, plan.config
    base, base_facts = load_base(options.network, options.weights) if options.weights else (None, None)
    start, columns, start_facts = _load_start(plan.start, config) if plan.start else ([], [], None)
    teachers, teacher_facts = load_teachers(options.teacher, config.labels, config.image_size, options.enlarged)
    return Origins(start, columns, base or [], teachers, start_facts, base_facts, teacher_facts)


def add_start(origins: Origins, plan: Plan) -> Origins:
    """Return origins with the model that a plan starts from, which may have been decided after they were loaded."""
    if not plan.start or origins.start:
        return origins
    start, columns, facts = _load_start(plan.start, plan.config)
    return replace(origins, start=start, columns=columns, start_facts=facts)


def _load_start(start, config):
    """Return the weights of a model, `Origins.columns`, and the facts about its training, with its name and sha256."""
    folder, name = find_start(start)
    network, earlier = load_model(folder)
    weights, fresh = network.get_weights(), config.build().get_weights()
    if earlier.network != config.network or [one.shape for one in weights[:-2]] != [one.shape for one in fresh[:-2]]:
        rule = f"`--start` must be a {config.network} with the options that are trained"
        raise UserError(f"{rule}. Received: {start}, a {earlier.network} with {earlier.options}")
    places = {fold(label): place for place, label in enumerate(earlier.labels)}
    origin = {"name": name, "sha256": earlier.weights.sha256}
    return weights, [places.get(fold(label)) for label in config.labels], {**earlier.training, "model": origin}
