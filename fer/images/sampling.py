"""How often the frames of a clip are read. Apart from `fer.images.clips`, so that a page can show it without PyAV."""

from fer.errors import UserError

MIN_EVERY, MAX_EVERY = 0.05, 0.5
"""Seconds from one frame of a clip to the next, at least and at most. With rarer ones every face would be a new one."""


def check_every(every):
    """Raise a `UserError` unless `every` is a number of seconds from `MIN_EVERY` to `MAX_EVERY`."""
    if not MIN_EVERY <= every <= MAX_EVERY:
        raise UserError(f"`every` must be from {MIN_EVERY:g} to {MAX_EVERY:g} seconds. Received: {every:g}")
