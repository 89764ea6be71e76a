"""How often the frames of a clip are read. Apart from `fer.images.clips`, so that a page can show it without PyAV."""

from fer.errors import check

MIN_EVERY, MAX_EVERY = 0.05, 60
"""Seconds from one frame of a clip to the next, at least and at most."""


def check_every(every):
    """Raise a `UserError` unless `every` is a number of seconds from `MIN_EVERY` to `MAX_EVERY`."""
    rule = f"from {MIN_EVERY:g} to {MAX_EVERY:g} seconds"
    check(MIN_EVERY <= every <= MAX_EVERY, "every", rule, f"{every:g}")
