"""Reasons why a picture or clip cannot be read, in the language of the page.

Errors are English sentences, which the command line and the API show unchanged. The pages translate the frequent ones.
For this, the English texts whose keys begin with `problem.` repeat the errors word for word: as patterns, they match an
error and find its values.
"""

import re

from fer.app.texts import TEXTS, say


def _compile(text):
    """Return the pattern of the sentences that a text with `{placeholders}` can become."""
    parts = re.split(r"\{(\w+)\}", text)
    return re.compile("".join(f"(?P<{part}>.*)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts)))


MAX_LENGTH = 1_000
"""Maximal length in characters of an error that is translated. No error of a normal file is longer, and the patterns,
which have several `.*`, would take minutes for a long one."""
PATTERNS = {key: _compile(text) for key, text in TEXTS["en"].items() if key.startswith("problem.")}
"""Patterns of the errors that are translated, by key of the text; the first that matches counts."""


def say_problem(language: str, error: object) -> str:
    """Return the sentence of an error in a language, in English if it has no translation or is very long.

    Args:
        language: language code, as `fer.app.texts.say` takes it.
        error: `fer.errors.UserError`, or its sentence.
    """
    sentence = str(error)
    if len(sentence) > MAX_LENGTH:
        return sentence
    for key, pattern in PATTERNS.items():
        if match := pattern.fullmatch(sentence):
            return say(language, key, **match.groupdict())
    return sentence
