"""Limits of the time between two frames of a clip, in a module of their own that does not import PyAV."""

from fer.errors import check

MIN_EVERY, MAX_EVERY = 0.05, 60
"""Least and largest number of seconds between two frames that are read from a clip."""


def check_every(every: float) -> None:
    """Raise a `UserError` unless `every` is a number of seconds from `MIN_EVERY` to `MAX_EVERY`."""
    rule = f"from {MIN_EVERY:g} to {MAX_EVERY:g} seconds"
    check(MIN_EVERY <= every <= MAX_EVERY, "every", rule, f"{every:g}")
