"""Command `fer train`: train a network and write its model folder, in the steps plan, fit, measure and publish."""

import argparse
import importlib.util
import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fer.cli.console import quiet_libraries
from fer.cli.options import to_sentence
from fer.cli.push import push_trained
from fer.errors import UserError
from fer.outputs import check_inputs
from fer.training.options import add_options

if TYPE_CHECKING:
    import keras

    from fer.training.distributed import Group
    from fer.training.fit import TrainingData
    from fer.training.origins import Origins
    from fer.training.plan import Plan

HELP = "train a network on FER2013 or on your own pictures"
"""Help text of the command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python train.py`, and return the exit code.

    Args:
        arguments: arguments of the command line, without the program; None for those of this process.
    """
    quiet_libraries()
    parser = argparse.ArgumentParser("python train.py", description=to_sentence(HELP))
    add_options(parser)
    options = parser.parse_args(arguments)
    options.program, options.own_process = parser.prog, arguments is None
    return run(options)


def run(options: argparse.Namespace) -> int:
    """Train a network, write all files to `--output`, and return the exit code."""
    # Keras takes seconds to import, so whatever can be checked without it is checked before.
    from fer.training.distributed import join
    from fer.training.plan import make_plan
    from fer.training.supervisor import run_supervised

    plan = make_plan(options)
    if not options.hosts:
        check(plan)
    elif options.own_process:
        run_supervised()
    with join(options.hosts, options.processes, options.process_id, plan.recipe.batch_size) as group:
        if options.hosts:  # Within the group: if this check fails, the other processes are told, and do not wait.
            check(plan)
        trained = fit(plan, group)
    if group.first:
        measure(*trained)
        publish(options)
    else:
        print("Trained. Process 0 measures the model and writes it.")
    return 0


def check(plan: "Plan") -> None:
    """Raise an error, before anything is loaded, if an input or output of a training is not usable."""
    from fer.training.plan import check_models, check_output

    options = plan.options
    check_models(plan)
    if not options.process_id:  # Only process 0 writes and publishes.
        check_output(plan)
        if others := [format for format in options.export if format != "litert"]:
            from fer.export.convert import check_formats

            check_formats(others)
        if options.push_to_hub or "litert" in options.export:
            from fer.models.conversion import check_conversion

            check_conversion()
        if options.push_to_hub:
            from fer.publishing.access import check_push, check_tag

            check_tag(options.tag, options.create_pr)
            check_push(options.push_to_hub, options.create_pr, private=options.private)
    check_inputs(options.data, options.votes)


def fit(plan: "Plan", group: "Group") -> "tuple[Plan, keras.Model, list[dict], TrainingData, Origins]":
    """Fit the network of a plan, in one or several processes.

    Returns:
        The plan with the settings that were used, the network, the log with one row per epoch, the data, and the
        models that the training started from.
    """
    import keras

    from fer.training.fit import Run, fit
    from fer.training.origins import add_start, load_origins
    from fer.training.pictures import load_pictures
    from fer.training.plan import check_resumption, list_settings, save_settings
    from fer.training.small_sets import adapt_plan

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
            network = plan.trained.build()
            origins.set_start_weights(network)
            seen = replace(data.resize(plan.trained.image_size), teachers=origins.teachers)
            history = fit(network, seen, recipe, Run(options.output, options.resume, plan.keep, group))
    except KeyboardInterrupt as error:
        again = "The same command with --resume goes on after the last finished epoch."
        raise type(error)(f"interrupted. {again}") from None
    return plan, network, history, data, origins


def measure(
    plan: "Plan", network: "keras.Model", history: list[dict], data: "TrainingData", origins: "Origins"
) -> None:
    """Measure the network, and write the model folder: weights, configuration, metrics, figures, exports and card.

    The arguments are the values that `fit` returns.
    """
    from fer.evaluation.plots import save_curves
    from fer.evaluation.report import save_report
    from fer.evaluation.summary import format_metrics
    from fer.models.calibration import UNCALIBRATED
    from fer.models.config import CONFIG, load_config
    from fer.models.model_folder import FIGURES, save_model
    from fer.models.provenance import clean_training
    from fer.training.facts import describe_training
    from fer.training.small_sets import FEW_STEPS, count_steps, warn_if_trivial
    from fer.training.statistics import measure_statistics

    options = plan.options
    training = describe_training(plan, network, history, data) | origins.describe()
    # A base that had weights keeps the statistics of its own training set, which is larger.
    if not plan.recipe.head_epochs and count_steps(plan.recipe, len(data.train)) < FEW_STEPS:
        weights, network = network.get_weights(), plan.config.build()
        network.set_weights(weights)
        measure_statistics(network, data.train.images)
    # That of a run that is resumed, for which `fer calibrate` may have chosen a prior.
    calibration = load_config(options.output).calibration if (options.output / CONFIG).exists() else UNCALIBRATED
    training = clean_training(training)
    save_model(options.output, network, replace(plan.config, training=training, calibration=calibration))

    def show(metrics):
        print(format_metrics(metrics))

    metrics = save_report(options.output, data.train, data.validation, str(options.output), options.data, show=show)
    save_curves(options.output / FIGURES / "curves.png", history)
    export(options)
    write_card(options.output)
    if note := warn_if_trivial(metrics, from_scratch=not (plan.start or origins.base)):
        print(f"\n{note}")
    print(f"\nModel folder: {options.output}")
    print(f"Try it: python -m fer predict --model {shlex.quote(str(options.output))} PHOTO")


def export(options: argparse.Namespace) -> None:
    """Write the LiteRT file, and the exports of `--export` unless the model is pushed, which writes them itself."""
    from fer.export.litert_file import write_litert_file
    from fer.models.config import EXPORTS

    try:
        write_litert_file(options.output)
    except UserError as error:  # The model has been written; the message says what is left to do.
        print(error)
    for format in options.export:
        if format != "litert" and not options.push_to_hub:
            from fer.export.convert import export_model

            export_model(options.output, format, options.output / EXPORTS[format])


def publish(options: argparse.Namespace) -> None:
    """Push the model folder if `--push-to-hub` is given."""
    if options.push_to_hub:
        push_trained(options.output, options.push_to_hub, options)


def write_card(folder: Path) -> None:
    """Write the model card, if huggingface_hub is installed."""
    if importlib.util.find_spec("huggingface_hub"):
        from fer.publishing.card import save_card

        save_card(folder, folder.as_posix())
    else:
        print("No card: it needs huggingface_hub, which is not installed here.")
