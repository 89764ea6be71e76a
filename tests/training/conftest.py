"""Functions of the tests of training."""

from fer.cli.train_options import parse_options
from fer.training.plan import Plan, make_plan


def plan(*words: str, data: object = "fer2013.zip", output: object = "run") -> Plan:
    """Return the plan of a training with options, given as words of a command line."""
    return make_plan(parse_options(["--data", str(data), "--output", str(output), *words]))


def without_seconds(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return the rows of a history without the seconds, which differ between equal runs."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]
