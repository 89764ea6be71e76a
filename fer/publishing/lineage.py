"""What a model descends from, by the facts of its training: the runs before, their commands, data sets and licences."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from fer.models.averaging import KEY as AVERAGE
from fer.publishing.redaction import start_repository

OWN_LICENSE = "apache-2.0"
"""Licence of weights that were trained on FER2013 alone, that of this project, unless `--license` gave another."""


def list_trainings(training: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the facts of each training whose weights a model has.

    They are its own (`fer.models.config.ModelConfig.training`), those of the runs that it started from, and those of
    the members if it is an average.
    """
    yield training
    if start := training.get("start"):
        yield from list_trainings(start)
    for member in _list_members(training):
        yield from list_trainings(member)


def list_bases(training: dict[str, Any]) -> list[str]:
    """Return the models of the Hub, `OWNER/NAME`, that a model's weights descend from without another one between."""
    start = training.get("start")
    own = [start_repository(training)] if start_repository(training) else list_bases(start) if start else []
    return list(dict.fromkeys([*own, *chain.from_iterable(map(list_bases, _list_members(training)))]))


def list_data(training: dict[str, Any]) -> list[str]:
    """Return the names of the data sets of their authors, not FER2013, that a model's weights were trained on."""
    found = [facts["data"]["name"] for facts in list_trainings(training) if facts.get("data")]
    return list(dict.fromkeys(found))


def list_licenses(training: dict[str, Any]) -> set[str | None]:
    """Return the licences that a model's weights descend from, each once; None if one is not stated.

    The licence that a training got with `--license` replaces those of the runs that it started from; an average has
    those of all of its members. The licence of a base's weights (`--weights`) is known if their source states it.
    """
    base = training.get("weights")
    unknown = training.get("data") or base and "Apache-2.0" not in (base.get("source") or "")
    # Earlier versions recorded it among the facts of the user's own data.
    own = training["license"] if "license" in training else (training.get("data") or {}).get("license")
    found = {own if own or unknown else OWN_LICENSE}
    if not own and (start := training.get("start")):
        found |= list_licenses(start)
    return found.union(*map(list_licenses, _list_members(training)))


def find_license(training: dict[str, Any]) -> str | None:
    """Return the licence of a model's weights; None if it is not stated, or if they descend from several."""
    licenses = list_licenses(training)
    return licenses.pop() if len(licenses) == 1 else None


def list_earlier(training: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the facts about the runs from whose weights a training started, the first run first."""
    earlier = []
    while training := training.get("start"):
        earlier.insert(0, training)
    return earlier


def list_commands(training: dict[str, Any]) -> Iterator[str]:
    """Yield the commands that made a model, in the order in which they were run.

    They are those of the run that its training started from, of its teachers, of the training itself, and, if the model
    is an average, of its other members and of the average.
    """
    teachers = training.get("teachers") or {"models": []}
    # Earlier versions recorded no `training` of the teachers.
    for needed in (training.get("start"), *(teacher.get("training") for teacher in teachers["models"])):
        if needed:
            yield from list_commands(needed)
    yield training["command"]
    for member in _list_members(training):
        yield from list_commands(member)
    if average := training.get(AVERAGE):
        yield average["command"]


def _list_members(training):
    """Return the facts of the trainings of an average's members, but of those that its own facts tell already."""
    return [one["training"] for one in (training.get(AVERAGE) or {"models": ()})["models"] if "training" in one]
