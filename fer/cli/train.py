"""Command `fer train`: train a network and write its model folder, in the steps plan, train, write and publish."""

import argparse
import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from fer.cli.console import quiet_libraries
from fer.cli.options import to_sentence
from fer.cli.push import push_trained
from fer.cli.train_options import PROGRAM, parse_options, read_options
from fer.cli.train_options import add_options as add_options  # `fer.cli.commands` calls it.
from fer.outputs import check_inputs
from fer.training.options import TrainingOptions

if TYPE_CHECKING:
    from fer.training.plan import Plan
    from fer.training.train import Trained

HELP = "train a network on FER2013 or on your own pictures"
"""Help text of the command."""


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
            write(trained, program)
            if options.push_to_hub:
                push_trained(options)
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


def write(trained: "Trained", program: str) -> None:
    """Write the model folder of a training, and print what was measured and how to try the model."""
    from fer.publishing.trained_model import write_model_folder

    folder = trained.plan.options.output
    if warning := write_model_folder(trained, program, print):
        print(f"\n{warning}")
    print(f"\nModel folder: {folder}")
    print(f"Try it: python -m fer predict --model {shlex.quote(str(folder))} PHOTO")
