"""Training of the network of a plan: load what it starts from and learns from, fit it, and settle its statistics."""

import json
from dataclasses import dataclass, replace

import keras

from fer.training.batch_norm import measure_statistics
from fer.training.distributed import Group
from fer.training.fit import Run, TrainingData, fit
from fer.training.origins import Origins, add_start, load_origins
from fer.training.pictures import load_pictures
from fer.training.plan import Plan
from fer.training.resumption import check_resumption, list_settings, save_settings
from fer.training.small_sets import FEW_STEPS, adapt_plan, count_steps


@dataclass(frozen=True, eq=False)
class Trained:
    """Result of a training.

    plan: plan with the settings that were used.
    network: trained network.
    history: log of the training, one row per epoch, as `fer.training.fit.fit` returns it.
    data: pictures in the size of the model's input, and targets.
    origins: models that the training started from and learnt from.
    """

    plan: Plan
    network: keras.Model
    history: list[dict[str, float]]
    data: TrainingData
    origins: Origins


def train_network(plan: Plan, group: Group) -> Trained:
    """Train the network of a plan, in one or several processes.

    Process 0 writes the files of the run into the plan's `--output`: the settings, the log and the checkpoints.

    Raises:
        UserError: if a model or the data cannot be loaded, if the run that is resumed has other settings, or if the
            loss is not finite.
    """
    options = plan.options
    plan.config.build()  # A network that cannot be built is reported before pictures are read.
    origins = load_origins(plan)
    data = load_pictures(plan)
    plan, notes = adapt_plan(plan, len(data.train))
    for note in notes if group.first else ():
        print(note)
    origins, recipe = add_start(origins, plan), plan.recipe
    settings = list_settings(plan, origins.base_facts, origins.teacher_facts)
    settings |= {"pictures": data.sha256(), "votes_sha256": data.votes_sha256, "begun_from": origins.start_sha256}
    if group.first:
        check_resumption(plan, settings)
    keras.config.set_dtype_policy("mixed_bfloat16" if options.mixed_precision else "float32")
    keras.utils.set_random_seed(recipe.seed)
    targets = [] if data.targets is None else [data.targets]
    group.check_same(json.dumps(settings), *targets, *origins.start)
    if group.first:
        save_settings(plan, settings)
    try:
        with group.scope():
            network = plan.training_config.build()
            origins.set_start_weights(network)
            seen = replace(data.resize(plan.training_config.image_size), teachers=origins.teachers)
            history = fit(network, seen, recipe, Run(options.output, options.resume, plan.keep, group))
    except KeyboardInterrupt as error:
        again = "The same command with --resume goes on after the last finished epoch."
        raise type(error)(f"interrupted. {again}") from None
    return Trained(plan, _settle(network, plan, data), history, data, origins)


def _settle(network, plan, data):
    """Return the network, after few steps with statistics of batch normalization that are measured again.

    A base that had weights keeps the statistics of its own training set, which is larger. In a group each process
    measures, so that none waits for another.
    """
    if plan.recipe.head_epochs or count_steps(plan.recipe, len(data.train)) >= FEW_STEPS:
        return network
    settled = plan.config.build()
    settled.set_weights(network.get_weights())
    measure_statistics(settled, data.train.images)
    return settled
