"""Paths in the errors that visitors see: only the last part of each is shown."""

import os
import re
from pathlib import Path

from fer.paths import last_part

ABSOLUTE = re.compile(r"""(?<![\w.:/~-])~?/(?:[^\s/'"`:,;()]+/)*[^\s/'"`:,;()]+""")
"""Pattern of an absolute path without spaces, but not of the path within an address."""


def hide_folders(sentence: str, model: str) -> str:
    """Return an error about a model with only the last part of each path.

    Paths of the model's folder, of the Hub's caches and of the home folder are found as they are written, as absolute
    paths, and with their links resolved, as libraries return them; any other one if it is absolute and has no spaces.

    Args:
        sentence: the error.
        model: name of the model, as `fer.hub.client.resolve_model` takes it.
    """
    from huggingface_hub.constants import HF_ASSETS_CACHE, HF_HUB_CACHE

    from fer.hub.client import REPOSITORY

    folders = [HF_HUB_CACHE, HF_ASSETS_CACHE]
    if os.path.exists(model) or not REPOSITORY.fullmatch(model):
        folders += [model, str(Path(model))]
    paths = {
        *folders,
        *(form(path) for path in (*folders, model, os.path.expanduser("~")) for form in (os.path.abspath, _real)),
    }
    for path in sorted(paths, key=len, reverse=True):  # A path before the one that it begins with.
        sentence = sentence.replace(path, last_part(path))
    return ABSOLUTE.sub(lambda path: last_part(path[0]), sentence)


def _real(path):
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # A null byte, or a name that is too long.
        return os.path.abspath(path)
