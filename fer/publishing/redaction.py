"""Removal of the training machine's paths and name from a model folder that is published."""

import re
import shlex
from typing import Any

from fer.paths import last_part

LOG_NAME = re.compile(r"events\.out\.tfevents\.(?P<seconds>\d+)\..+")
"""Pattern of the name of a TensorBoard log: the time in seconds, followed by the host's name and process numbers."""


def remove_folder(word: object, repository: str) -> str:
    """Return the last part of a path; a word that is `repository`, or `repository@REVISION`, is returned as it is."""
    text = str(word)
    return text if repository and text.partition("@")[0] == repository else last_part(text)


def clean_command(command: str, repository: str = "") -> str:
    """Return a command line with each path replaced by its last part, in `--option=path` too.

    Args:
        command: the command line.
        repository: `OWNER/NAME` on the Hub that is no path and stays, with or without `@REVISION`; "" for none.
    """
    try:
        words = shlex.split(command)
    except ValueError:  # An unclosed quote: `train.py` has not written this command.
        words = command.split()
    parts = (word.partition("=") if word.startswith("--") else ("", "", word) for word in words)
    return shlex.join(
        option + equals + remove_folder(value, repository) if value else option for option, equals, value in parts
    )


def start_repository(training: Any) -> str:
    """Return `OWNER/NAME` of the Hub's model that a training started from, according to its facts; "" for another."""
    found = training
    for key in ("start", "model", "name"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) and "/" in found else ""


def clean_training(training: Any) -> Any:
    """Return the facts of a training (`fer.models.config.ModelConfig.training`) with cleaned commands.

    The commands of the runs that it started from and of its teachers are cleaned too. Earlier versions recorded whole
    paths.
    """
    if isinstance(training, list):
        return [clean_training(value) for value in training]
    if not isinstance(training, dict):
        return training
    cleaned = {key: clean_training(value) for key, value in training.items()}
    if isinstance(cleaned.get("command"), str):
        cleaned["command"] = clean_command(cleaned["command"], start_repository(cleaned))
    return cleaned


def clean_log_name(name: str, number: int) -> str:
    """Return the name of a TensorBoard log without the host's name.

    Args:
        name: name of the file; one that is not a TensorBoard log is returned as it is.
        number: number that makes the new name unique among logs of the same second.
    """
    known = LOG_NAME.fullmatch(name)
    return f"events.out.tfevents.{known['seconds']}.{number}" if known else name
