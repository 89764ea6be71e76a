"""JSON by its standard, RFC 8259, which has no NaN and no infinity, and texts of which a part is replaced."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer.errors import UserError
from fer.paths import StrPath


@dataclass(frozen=True)
class MarkedText:
    """Text of a document that has a part between two markers.

    before, after: text before the first marker, and after the second one, with its own line ends.
    begin, end: the markers.
    """

    before: str
    after: str
    begin: str
    end: str

    def replace(self, content: str) -> str:
        """Return the whole text with other content between the markers, in the line ends of most other lines."""
        part, others = f"{self.begin}{content}{self.end}", self.before + self.after
        if 2 * others.count("\r\n") > others.count("\n"):
            part = part.replace("\n", "\r\n")
        return f"{self.before}{part}{self.after}"


def split_marked(text: str, begin: str, end: str) -> MarkedText | None:
    """Return the parts of a text; None unless it has the markers `begin` and then `end`, each once."""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        return None
    return MarkedText(text.split(begin)[0], text.split(end)[1], begin, end)


def read_text(path: StrPath) -> str:
    """Return the text of a UTF-8 file with its own line ends, which `Path.read_text` changes.

    Raises:
        UserError: if it is not UTF-8.
    """
    try:
        return Path(path).read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: must be a text in UTF-8. Received: {error.reason} at byte {error.start}") from None


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
