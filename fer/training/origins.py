"""What a training builds on: the weights that it starts from, and the teachers that it learns from."""

from dataclasses import dataclass

from fer.errors import UserError
from fer.models.backbones import load_base
from fer.models.model_folder import load_model
from fer.training.distillation import TEMPERATURE, WEIGHT, load_teachers


@dataclass(frozen=True)
class Origins:
    """What a training builds on.

    start: weights of the whole network, arrays; empty where it starts from none.
    base: weights of a backbone's base, arrays; empty where it starts from none.
    teachers: frozen Keras networks.
    start_facts: how the network of `start` was trained; None for none.
    base_facts: of `base`, as `fer.models.backbones.load_base` gives them; None for none.
    teacher_facts: of each of the teachers, as `fer.training.distillation.load_teachers` gives them.
    """

    start: list
    base: list
    teachers: list
    start_facts: dict | None
    base_facts: dict | None
    teacher_facts: list

    def begin(self, network):
        """Give a network the weights that it starts from."""
        if self.start:
            network.set_weights(self.start)
        if self.base:
            network.set_weights(self.base + network.get_weights()[len(self.base) :])

    def describe(self):
        """Return the facts for `fer.models.config.ModelConfig.training`."""
        taught = {"models": self.teacher_facts, "weight": WEIGHT, "temperature": TEMPERATURE}
        return {
            "start": self.start_facts,
            "weights": self.base_facts,
            "teachers": taught if self.teachers else None,
        }


def load_origins(plan):
    """Load what a training builds on.

    Args:
        plan: `fer.training.plan.Plan`.

    Returns:
        `Origins`.

    Raises:
        UserError: for weights or a model folder that cannot be loaded, or are of another kind than the network.
    """
    options, config = plan.options, plan.config
    base, base_facts = load_base(options.network, options.weights) if options.weights else (None, None)
    start, start_facts = _load_start(options.start, config) if options.start else ([], None)
    teachers, teacher_facts = load_teachers(options.teacher, config.labels, plan.trained.image_size)
    return Origins(start, base or [], teachers, start_facts, base_facts, teacher_facts)


def _load_start(folder, config):
    """Return the weights of a model folder, and how it was trained; it must be of the kind to train."""
    network, earlier = load_model(folder)
    if (earlier.network, earlier.labels) != (config.network, config.labels):
        raise UserError(
            f"`--start` must be a {config.network} for {', '.join(config.labels)}. "
            f"Received: {earlier.network} for {', '.join(earlier.labels)}"
        )
    return network.get_weights(), earlier.training
