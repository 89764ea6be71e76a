"""Client of the Hugging Face Hub: find a model by its name and revision, and download it.

huggingface_hub finds the token itself, in `HF_TOKEN` or where `hf auth login` stored it. No message contains a token.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from fer.hub.errors import HubError, explained
from fer.models.config import CONFIG, EXPORTS, WEIGHTS, load_config
from fer.models.model_folder import METRICS, find_model
from fer.paths import StrPath, name_of

REPOSITORY = re.compile(r"(?P<repository>[^/@]+/[^/@]+)(@(?P<revision>[^\s~^:?*\[\\]+))?")
"""Pattern of `OWNER/NAME` and `OWNER/NAME@REVISION`; a revision is a branch, a tag or the sha of a commit, without the
characters that Git forbids in such names."""


@dataclass(frozen=True)
class ModelSource:
    """Origin of a model.

    name: `bundled`, a folder, or `OWNER/NAME`.
    folder: model folder on this machine.
    revision: sha of the commit on the Hub; None for `bundled` and a folder.
    """

    name: str
    folder: Path
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name

    @property
    def public_name(self) -> str:
        """Name for visitors of a page: as the text of this source, but only the last part of a folder's path."""
        return str(self) if self.revision else name_of(self.name)


def resolve_model(name: StrPath) -> ModelSource:
    """Find the model that a command line or `FER_MODEL` names; download it if it is on the Hub.

    Args:
        name: `bundled`, a model folder, `OWNER/NAME` or `OWNER/NAME@REVISION`. An existing folder has precedence.

    Raises:
        HubError: if the model cannot be downloaded; the message says why.
        ModelFolderError: if the `config.json` on the Hub is not valid; the weights are not downloaded then.
    """
    if wanted := parse_model(name):
        return pull_model(*wanted)
    return ModelSource(str(name), find_model(name))


def parse_model(name: StrPath) -> tuple[str, str | None] | None:
    """Return the repository and the revision of a model of the Hub; None for a folder, `bundled` and other names."""
    return None if find_model(name).exists() else _parse(str(name))


def pull_model(repository: str, revision: str | None = None) -> ModelSource:
    """Download the files of a model from the Hub, or take them from the Hub's cache on this machine.

    The cache also serves when the Hub cannot be reached; after an update that was interrupted, with the commit before.
    Weights and a LiteRT file in the cache whose size is not that of `config.json` are downloaded again; sha256 is not
    checked here but on loading, by `fer.models.model_folder.load_model` and
    `fer.recognition.litert_network.read_litert_file`.

    Args:
        repository: `OWNER/NAME`.
        revision: branch, tag or sha; None for `main`.

    Raises:
        HubError: if the model cannot be downloaded; the message says why.
        ModelFolderError: if `config.json` is not valid.
    """
    named = f"{repository}@{revision}" if revision else repository
    with explained(named):
        # Take every file from the same commit, even if `main` moves meanwhile.
        sha = hf_hub_download(repository, CONFIG, revision=revision, dry_run=True).commit_hash
        folder = Path(hf_hub_download(repository, CONFIG, revision=sha)).parent
        config = load_config(folder)
        _download(repository, WEIGHTS, sha, config.weights.size)
        # Both files are optional: the metrics are only shown, and without the LiteRT file the weights are converted.
        litert = config.exports.get("litert")
        _download_if_there(repository, METRICS, sha)
        _download_if_there(repository, EXPORTS["litert"], sha, litert and litert.size)
        # A download by its name is what makes the cache's branch this commit, for use without a network.
        if try_to_load_from_cache(repository, CONFIG, revision=revision) != str(folder / CONFIG):
            hf_hub_download(repository, CONFIG, revision=revision)
    return ModelSource(repository, folder, sha)


def token_facts(user: dict[str, Any]) -> dict[str, Any]:
    """Return the part of an answer of `HfApi.whoami` that describes the access token; empty for a login by browser."""
    return (user.get("auth") or {}).get("accessToken") or {}


def check_name(repository: str) -> None:
    """Raise a `HubError` unless a name is `OWNER/NAME`, without a revision."""
    wanted = _parse(repository)
    if not wanted or wanted[1]:
        raise HubError(f"A repository of the Hub must be OWNER/NAME. Received: {repository}")


def _parse(name):
    """Return the repository and the revision, or None, that a name has; None if it cannot be a name of the Hub."""
    wanted = REPOSITORY.fullmatch(name)
    if not wanted:
        return None
    try:
        validate_repo_id(wanted["repository"])
    except HFValidationError:
        return None
    return wanted["repository"], wanted["revision"]


def _download(repository, name, sha, size=None):
    """Download a file of a commit unless it is in the cache with this size in bytes; None for any.

    A power cut may leave an empty or cut file in the cache, where huggingface_hub does not check it.
    """
    path = Path(hf_hub_download(repository, name, revision=sha))
    if size is not None and path.stat().st_size != size:
        with suppress(ValueError):  # The Hub cannot be asked. The file stays, and loading it says what is wrong.
            hf_hub_download(repository, name, revision=sha, force_download=True)


def _download_if_there(repository, name, sha, size=None):
    """Download a file of a commit that may lack it, as `_download` does.

    Raises:
        LocalEntryNotFoundError: or another of `fer.hub.errors.FAILURES`, if the Hub refuses or cannot be asked.
    """
    known = try_to_load_from_cache(repository, name, revision=sha)
    if known is not None and not isinstance(known, str):  # The note that there is none.
        return
    try:
        _download(repository, name, sha, size)
    except LocalEntryNotFoundError:  # An `EntryNotFoundError` too, but it says that the Hub could not be asked.
        raise
    except EntryNotFoundError:
        pass
