"""The Hugging Face Hub: pull a model by its name and revision, push a model folder in one commit.

A token is taken where huggingface_hub takes it (`HF_TOKEN`, or what `hf auth login` stored); no message here ever
quotes one.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
)

from fer.hub.errors import FAILURES, HubError, explain
from fer.models.config import CONFIG, WEIGHTS, load_config
from fer.models.exports import EXPORTS
from fer.models.model_folder import METRICS, find_model

REPOSITORY = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)
"""`OWNER/NAME` or `OWNER/NAME@REVISION`: a branch, a tag or a commit's sha."""


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from.

    name: `bundled`, a folder, or `OWNER/NAME`.
    folder: its model folder on this machine.
    revision: sha of its commit on the Hub; None for a folder.
    """

    name: str
    folder: Path
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name


def resolve_model(name: str | os.PathLike[str]) -> ModelSource:
    """Find the model that a command line or `FER_MODEL` names, and pull it from the Hub if it is there.

    Args:
        name: `bundled`, a model folder, `OWNER/NAME` or `OWNER/NAME@REVISION`. A folder that exists goes first.

    Returns:
        A `ModelSource`.

    Raises:
        HubError: if the model cannot be had, in a sentence that says why.
        ModelFolderError: if the Hub's `config.json` does not fit; the weights are not downloaded then.
    """
    folder = find_model(name)
    wanted = REPOSITORY.fullmatch(str(name))
    if folder.exists() or not wanted:
        return ModelSource(str(name), folder)
    return pull_model(wanted["repository"], wanted["revision"])


def pull_model(repository: str, revision: str | None = None) -> ModelSource:
    """Download a model's files from the Hub, or take them from the Hub's cache on this machine.

    The cache answers where the Hub cannot be reached. Size and sha256 of the weights and of the LiteRT file are checked
    at loading, by `fer.models.model_folder.load_model` and `fer.recognition.litert_network.load_served`.

    Args:
        repository: `OWNER/NAME`.
        revision: branch, tag or sha; None for `main`.
    """
    named = f"{repository}@{revision}" if revision else repository
    try:
        # All of it from the one commit that the first answer names, even if another is pushed meanwhile.
        folder = Path(hf_hub_download(repository, CONFIG, revision=revision)).parent
        load_config(folder)
        hf_hub_download(repository, WEIGHTS, revision=folder.name)
        for name in (METRICS, EXPORTS["litert"]):  # Figures to show, and a quicker way to answer; neither is needed.
            with suppress(EntryNotFoundError):
                hf_hub_download(repository, name, revision=folder.name)
    except FAILURES as error:
        raise HubError(f"{named}: {explain(error)}") from None
    return ModelSource(repository, folder, folder.name)


def read_access(user):
    """What `HfApi.whoami` tells of the access token itself, a dict; empty for a login by browser."""
    return (user.get("auth") or {}).get("accessToken") or {}


def check_name(repository):
    wanted = REPOSITORY.fullmatch(repository)
    if not wanted or wanted["revision"]:
        raise HubError(f"A repository of the Hub must be OWNER/NAME. Received: {repository}")
