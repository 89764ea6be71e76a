"""What of a model folder is for others: no paths of the machine that trained it, nor its name."""

import re
import shlex
from pathlib import PurePosixPath, PureWindowsPath

LOG_NAME = re.compile(r"events\.out\.tfevents\.(?P<seconds>\d+)\..+")
"""Name of a TensorBoard log: when it was begun, and then the host's name and numbers of the process."""


def last_part(path):
    """Return the last part of a path of any system, as text; of a text that is no path, the text."""
    text = str(path)
    name = PureWindowsPath(text).name if "\\" in text else PurePosixPath(text).name
    return name or text


def clean_command(command):
    """Return a command line with each path by its last part, also where an option has it after `=`."""
    try:
        words = shlex.split(command)
    except ValueError:  # A quote that is not closed: whoever wrote this, it was not `train.py`.
        words = command.split()
    words = (word.partition("=") if word.startswith("--") else ("", "", word) for word in words)
    return shlex.join(option + equals + last_part(value) if value else option for option, equals, value in words)


def clean_training(training):
    """Return how a model was trained, `fer.models.config.ModelConfig.training`, with its commands cleaned.

    Those of the runs that it started from and of its teachers are cleaned too; runs of earlier versions recorded paths.
    """
    if isinstance(training, list):
        return [clean_training(value) for value in training]
    if not isinstance(training, dict):
        return training
    cleaned = {key: clean_training(value) for key, value in training.items()}
    return cleaned | ({"command": clean_command(cleaned["command"])} if isinstance(cleaned.get("command"), str) else {})


def clean_log_name(name, number):
    """Return the name of a TensorBoard log without the host's: `number` tells it from others of the same second."""
    known = LOG_NAME.fullmatch(name)
    return f"events.out.tfevents.{known['seconds']}.{number}" if known else name
