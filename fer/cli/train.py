"""Command `fer train`: train a network and write its model folder, in the steps plan, train, measure and publish."""

import argparse
import importlib.util
import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fer.cli.console import quiet_libraries
from fer.cli.options import to_sentence
from fer.cli.push import push_trained
from fer.cli.train_options import PROGRAM, command_to_publish, parse_options, read_options
from fer.cli.train_options import add_options as add_options  # `fer.cli.commands` calls it.
from fer.errors import UserError
from fer.outputs import check_inputs
from fer.training.options import TrainingOptions

if TYPE_CHECKING:
    from fer.training.plan import Plan
    from fer.training.train import Trained

HELP = "train a network on FER2013 or on your own pictures"
"""Help text of the command."""
CALIBRATED = {"photos": "--photos", "agreement": "--votes", "end_to_end": "--end-to-end"}
"""Options of `fer calibrate` for what a training does not measure, by their keys in `metrics.json`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python train.py`, and return the exit code.

    Args:
        arguments: arguments of the command line, without the program; None for those of this process.
    """
    quiet_libraries()
    return train(parse_options(arguments, to_sentence(HELP)), PROGRAM, own_process=arguments is None)


def run(parsed: argparse.Namespace) -> int:
    """Train a network, write all files to `--output`, and return the exit code."""
    return train(read_options(parsed), parsed.program, parsed.own_process)


def train(options: TrainingOptions, program: str, own_process: bool) -> int:
    """Train a network, write all files to `options.output`, and return the exit code.

    Args:
        options: options of the training.
        program: program of the command line, which is published with the model.
        own_process: whether the options are arguments of this process, which a supervisor can then start again.
    """
    # Keras takes seconds to import, so whatever can be checked without it is checked before.
    from fer.training.distributed import join
    from fer.training.plan import claim_output, make_plan
    from fer.training.supervisor import run_supervised

    plan = make_plan(options)
    with ExitStack() as claim:
        if not options.hosts:
            check(plan)
            claim.enter_context(claim_output(plan))
        elif own_process:
            run_supervised()
        from fer.training.train import train_network  # Imports Keras.

        with join(options.hosts, options.processes, options.process_id, plan.recipe.batch_size) as group:
            if options.hosts:  # Within the group: if this check fails, the other processes are told, and do not wait.
                check(plan)
                if group.first:
                    claim.enter_context(claim_output(plan))
            trained = train_network(plan, group)
        if group.first:
            measure(trained, program)
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
            from fer.models.exports import check_packages

            check_packages("litert")
        if options.push_to_hub:
            from fer.publishing.access import check_push, check_tag

            check_tag(options.tag, options.create_pr)
            check_push(options.push_to_hub, options.create_pr, private=options.private)
    check_inputs(options.data, options.votes)


def measure(trained: "Trained", program: str) -> None:
    """Measure the network, and write the model folder: weights, configuration, metrics, figures, exports and card.

    If a run is resumed that was finished, its weights stay as they are, and so do its calibration and metrics, which
    may be those of `fer calibrate`.
    """
    from fer.evaluation.plots import save_curves
    from fer.evaluation.report import save_report
    from fer.evaluation.summary import format_metrics
    from fer.models.calibration import UNCALIBRATED
    from fer.models.config import CONFIG, load_config
    from fer.models.model_folder import FIGURES, METRICS, save_model
    from fer.publishing.redaction import clean_training, start_repository
    from fer.training.facts import describe_training
    from fer.training.small_sets import warn_if_trivial

    plan, data, origins, options = trained.plan, trained.data, trained.origins, trained.plan.options
    repository = start_repository({"start": origins.start_facts})
    training = clean_training(describe_training(trained, command_to_publish(options, program, repository)))
    earlier = load_config(options.output) if (options.output / CONFIG).exists() else None
    # `fer calibrate` may have chosen a prior since.
    config = replace(plan.config, training=training, calibration=earlier.calibration if earlier else UNCALIBRATED)
    save_model(options.output, trained.network, config)
    measured, note = earlier and (options.output / METRICS).exists(), ""
    if measured and load_config(options.output).weights == earlier.weights:
        print("The run was finished: its calibration and metrics stay.")
    else:
        if measured:
            print(discard_metrics(options.output))

        def show(metrics):
            print(format_metrics(metrics))

        metrics = save_report(options.output, data.train, data.validation, str(options.output), options.data, show=show)
        note = warn_if_trivial(metrics, plan, len(data.train))
    save_curves(options.output / FIGURES / "curves.png", trained.history)
    export(options)
    write_card(options.output)
    if note:
        print(f"\n{note}")
    print(f"\nModel folder: {options.output}")
    print(f"Try it: python -m fer predict --model {shlex.quote(str(options.output))} PHOTO")


def discard_metrics(folder: Path) -> str:
    """Remove the metrics of earlier weights, and say in a sentence what a training does not measure again."""
    from fer.evaluation.confidence import TARGET
    from fer.models.model_folder import METRICS, load_metrics

    metrics = load_metrics(folder, "a card")
    (folder / METRICS).unlink()
    target = metrics.get("calibration", {}).get("target", TARGET)
    gone = [f"--target {target:g}"] * (target != TARGET)
    gone += [name for key, name in CALIBRATED.items() if metrics.get(key)]
    lost = f"; what `fer calibrate` did with {', '.join(gone)} is gone" if gone else ""
    return f"The weights are others than before, so they are calibrated and measured again{lost}."


def export(options: TrainingOptions) -> None:
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


def publish(options: TrainingOptions) -> None:
    """Push the model folder if `--push-to-hub` is given."""
    if options.push_to_hub:
        push_trained(options)


def write_card(folder: Path) -> None:
    """Write the model card, if huggingface_hub is installed."""
    if importlib.util.find_spec("huggingface_hub"):
        from fer.publishing.card import save_card

        save_card(folder, folder.as_posix())
    else:
        print("No card: it needs huggingface_hub, which is not installed here.")
