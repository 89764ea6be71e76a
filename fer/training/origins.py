"""What a training builds on: the weights that it starts from, and the teachers that it learns from."""

from dataclasses import dataclass, replace

from fer.errors import UserError
from fer.models.backbones import load_base
from fer.models.config import load_config
from fer.models.model_folder import load_model
from fer.training.distillation import TEMPERATURE, WEIGHT, load_teachers
from fer.training.small_sets import find_start


@dataclass(frozen=True)
class Origins:
    """What a training builds on.

    start: weights of the whole network, arrays, its head last; empty where it starts from none.
    columns: for each class, its place among the outputs of `start`; None for a new class.
    base: weights of a backbone's base, arrays; empty where it starts from none.
    teachers: frozen Keras networks.
    start_facts: how the network of `start` was trained; None for none.
    base_facts: of `base`, as `fer.models.backbones.load_base` gives them; None for none.
    teacher_facts: of each of the teachers, as `fer.training.distillation.load_teachers` gives them.
    """

    start: list
    columns: list
    base: list
    teachers: list
    start_facts: dict | None
    base_facts: dict | None
    teacher_facts: list

    def begin(self, network):
        """Give a network the weights that it starts from; a new class keeps the fresh weights of its output."""
        if self.start:
            kernel, bias = network.get_weights()[-2:]
            for place, column in enumerate(self.columns):
                if column is not None:
                    kernel[:, place], bias[place] = self.start[-2][:, column], self.start[-1][column]
            network.set_weights([*self.start[:-2], kernel, bias])
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
    start, columns, start_facts = _load_start(plan.start, config) if plan.start else ([], [], None)
    teachers, teacher_facts = load_teachers(options.teacher, config.labels, plan.trained.image_size)
    return Origins(start, columns, base or [], teachers, start_facts, base_facts, teacher_facts)


def add_start(origins, plan):
    """Return origins with the weights that a plan starts from, where they have none yet."""
    if not plan.start or origins.start:
        return origins
    start, columns, facts = _load_start(plan.start, plan.config)
    return replace(origins, start=start, columns=columns, start_facts=facts)


def _load_start(start, config):
    """Return the weights of a model, `Origins.columns`, and how it was trained with its name and sha256."""
    folder, name = find_start(start)
    network, earlier = load_model(folder)
    weights, fresh = network.get_weights(), config.build().get_weights()
    if earlier.network != config.network or [one.shape for one in weights[:-2]] != [one.shape for one in fresh[:-2]]:
        rule = f"`--start` must be a {config.network} with the options that are trained"
        raise UserError(f"{rule}. Received: {start}, a {earlier.network} with {earlier.options}")
    places = {label: place for place, label in enumerate(earlier.labels)}
    origin = {"name": name, "sha256": load_config(folder)[1]["sha256"]}
    return weights, [places.get(label) for label in config.labels], {**earlier.training, "model": origin}
