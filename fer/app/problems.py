"""Reasons why a picture or clip cannot be read, in the language of the page.

Errors are English sentences, which the command line and the API show unchanged. The pages translate the frequent ones.
For this, the English texts whose keys begin with `problem.` repeat the errors word for word: as patterns, they match an
error and find its values.
"""

import re
from itertools import zip_longest

from fer.app.texts import TEXTS, say

MAX_LENGTH = 1_000
"""Maximal length in characters of an error that is translated. No error of a normal file is longer, and the patterns,
which have several `.*`, would take minutes for a long one."""


def _compile(text):
    """Return the pattern of the sentences that a text with `{placeholders}` can become; a `count` is a number."""
    parts = re.split(r"\{(\w+)\}", text)
    groups = [f"(?P<{part}>{'[0-9]+' if part == 'count' else '.*'})" for part in parts[1::2]]
    texts = [re.escape(part) for part in parts[::2]]
    return re.compile("".join(text + group for text, group in zip_longest(texts, groups, fillvalue="")))


PATTERNS = {key: _compile(text) for key, text in TEXTS["en"].items() if key.startswith("problem.")}
"""Patterns of the errors that are translated, by key of the text; the first that matches counts."""


def say_problem(language: str, error: object) -> str:
    """Return the sentence of an error in a language, in English if it has no translation or is very long.

    Args:
        language: language code, as `fer.app.texts.say` takes it.
        error: `fer.errors.UserError`, or its sentence, or the sentences of a picture's remarks.
    """
    sentence = str(error)
    if len(sentence) > MAX_LENGTH:
        return sentence
    if said := _translate(language, sentence):
        return said
    first, end, rest = sentence.partition(". ")
    if end and (said := _translate(language, f"{first}.")):
        return f"{said} {say_problem(language, rest)}"
    return sentence


def _translate(language, sentence):
    """Return a sentence in a language; None if it has no translation."""
    for key, pattern in PATTERNS.items():
        if match := pattern.fullmatch(sentence):
            values = match.groupdict()
            if "kinds" in values:
                values["kinds"] = _say_kinds(language, values["kinds"])
            return say(language, key, **values)
    return None


def _say_kinds(language, kinds):
    """Return a list of `fer.images.formats.list_kinds` in a language."""
    words = {say("en", key): say(language, key) for key in ("batch.others", "batch.unnamed")}
    parts = (part.partition(" ") for part in kinds.split(", "))
    return ", ".join(f"{count}{space}{words.get(kind, kind)}" for count, space, kind in parts)
