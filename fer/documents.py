"""JSON as every program reads it: numbers that are none have no place in it."""

import json
import math

from fer.errors import UserError


def to_json(document, **options):
    """A document as JSON (RFC 8259), which knows neither NaN nor infinity; Python's own writer writes them, and other
    programs cannot read what it wrote.

    Args:
        document: of dicts, lists, texts, numbers, bools and None.
        **options: of `json.dumps`.

    Raises:
        UserError: for a number that is not finite; the message says where it stands.
    """
    try:
        return json.dumps(document, allow_nan=False, **options)
    except ValueError:
        place = next(_not_finite(document, ""), None)
        if place is None:
            raise
        raise UserError(f"JSON holds finite numbers alone. Received: {place}") from None


def _not_finite(value, place):
    """Yields the places of numbers that are not finite, such as `calibration.temperature = nan`."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from _not_finite(inside, f"{place}.{key}" if place else str(key))
    elif isinstance(value, (list, tuple)):
        for index, inside in enumerate(value):
            yield from _not_finite(inside, f"{place}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{place} = {value}"
