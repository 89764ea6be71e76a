"""Documented rules of the Hub for the metadata of a card."""

import re

import yaml

COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
LICENSES = ("apache-2.0", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0", "gpl-3.0", "mit", "openrail", "other")
"""Some of the identifiers that the Hub's documentation lists (hub-docs, repositories-licenses.md)."""
SPACE_STRINGS = ("title", "sdk_version", "python_version", "app_file", "startup_duration_timeout")


def metadata_of(text):
    """Return the YAML block at the top of a card as a dict; empty without one."""
    block = re.match(r"\s*---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    return (yaml.safe_load(block[1]) or {}) if block else {}


def complaints(metadata, kind):
    """Return the reasons for which the Hub would refuse the card of a `model` or `space`."""
    if not isinstance(metadata, dict):
        return ["metadata must be a mapping"]
    return list(_space_complaints(metadata) if kind == "space" else _model_complaints(metadata))


def _space_complaints(metadata):
    if metadata.get("sdk") not in ("gradio", "docker", "static"):
        yield '"sdk" must be one of [gradio, docker, static]'
    for key in ("colorFrom", "colorTo"):
        if metadata.get(key, "red") not in COLORS:
            yield f'"{key}" must be one of {list(COLORS)}'
    for key in SPACE_STRINGS:
        if not isinstance(metadata.get(key, ""), str):
            yield f'"{key}" must be a string'
    if len(metadata.get("short_description", "")) > 60:
        yield '"short_description" length must be less than or equal to 60 characters long'


def _model_complaints(metadata):
    tags = metadata.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        yield '"tags" must be an array of strings'
    if metadata.get("license", "other") not in LICENSES:
        yield f'"license" must be one of {list(LICENSES)}'
    for entry in metadata.get("model-index") or []:
        if not isinstance(entry, dict) or "name" not in entry or "results" not in entry:
            yield '"model-index" entries need "name" and "results"'
