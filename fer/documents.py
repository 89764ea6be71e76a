"""JSON by its standard, RFC 8259, which has no NaN and no infinity."""

import json
import math
from typing import Any

from fer.errors import UserError


def to_json(document: Any, **options: Any) -> str:
    """Return a document as JSON, and refuse numbers that are not finite.

    By default, `json.dumps` writes `NaN` and `Infinity`, which other programs cannot parse.

    Args:
        document: dicts, lists, strings, numbers, bools and None.
        **options: options of `json.dumps`.

    Raises:
        UserError: if a number is not finite; the message gives its place in the document.
    """
    try:
        return json.dumps(document, allow_nan=False, **options)
    except ValueError:
        place = next(_not_finite(document, ""), None)
        if place is None:
            raise
        raise UserError(f"JSON must contain only finite numbers. Received: {place}") from None


def _not_finite(value, place):
    """Yield the place and value of each number that is not finite, such as `calibration.temperature = nan`."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from _not_finite(inside, f"{place}.{key}" if place else str(key))
    elif isinstance(value, (list, tuple)):
        for index, inside in enumerate(value):
            yield from _not_finite(inside, f"{place}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{place} = {value}"
