"""Command line of a training that is published with its model."""

import shlex
from dataclasses import fields
from functools import partial

from fer.publishing.redaction import remove_folder
from fer.training.options import TrainingOptions


def command_to_publish(options: TrainingOptions, program: str, repository: str = "") -> str:
    """Return the command line for the model card: without unpublished options, and each path by its last part.

    Args:
        options: options of the training.
        program: program of the command line, such as `python train.py`.
        repository: `OWNER/NAME` if `--start` names a model on the Hub; "" otherwise.
    """
    words = program.split()
    for field in fields(options):
        value = getattr(options, field.name)
        if field.metadata.get("unpublished") or value == field.default:
            continue
        shorten = partial(remove_folder, repository=repository) if field.metadata.get("path") else str
        for name, each in value.items() if field.name == "recipe" else [(field.name, value)]:
            words += _write_option(name, each, shorten)
    return shlex.join(words)


def _write_option(name, value, to_text):
    """Return the words of an option on a command line; `to_text` converts each of its values."""
    if value is False:
        return [f"--no-{name}"]
    option = f"--{name.replace('_', '-')}"
    if value is True:
        return [option]
    return [option, *map(to_text, value if isinstance(value, tuple) else [value])]
