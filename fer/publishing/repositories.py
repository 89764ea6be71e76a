"""Repositories of the Hub: their files, and whether a push or a deployment may replace them."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, RepoFile, hf_hub_download, metadata_load
from huggingface_hub.errors import RepositoryNotFoundError

from fer.hub.errors import HubError
from fer.models.config import CONFIG
from fer.models.exports import find_origin
from fer.models.model_folder import CARD
from fer.publishing.space_card import TAG

PLAIN = {".gitattributes", ".gitignore", CARD, "LICENSE"}
"""Names of files that a repository may have before its first push."""


def list_files(repository: str, **options: Any) -> dict[str, RepoFile]:
    """Return the files of a repository of the Hub by path.

    Args:
        repository: `OWNER/NAME`.
        **options: `revision` and `repo_type`, as `HfApi.list_repo_tree` takes them.

    Raises:
        HfHubHTTPError: or another of `fer.hub.errors.FAILURES`, if the Hub refuses or cannot be reached.
    """
    tree = HfApi().list_repo_tree(repository, recursive=True, **options)
    return {file.path: file for file in tree if isinstance(file, RepoFile)}


def check_model_repository(repository: str, head: str, files: Collection[str]) -> None:
    """Raise an error unless a repository is empty, or holds a model of this project.

    Args:
        repository: `OWNER/NAME`.
        head: sha of the commit at the head of `main`.
        files: paths of that commit's files.

    Raises:
        HubError: if it holds something else.
    """
    others = sorted(set(files) - PLAIN)
    if not others:
        return
    if CONFIG in files and find_origin(Path(hf_hub_download(repository, CONFIG, revision=head)).parent):
        return
    raise HubError(
        f"{repository}: nothing was pushed, since it holds something else than a model of this project, such as "
        f"{others[0]}. Push to another name, open a pull request with --create-pr, or delete those files first."
    )


def check_space(repository: str) -> None:
    """Raise an error unless a Space is new, empty, or one that was deployed by this project.

    Raises:
        HubError: if it holds something else.
    """
    try:
        files = list_files(repository, repo_type="space")
    except RepositoryNotFoundError:
        return
    others = sorted(files.keys() - PLAIN)
    if not others:
        return
    if CARD in files:
        metadata = metadata_load(hf_hub_download(repository, CARD, repo_type="space")) or {}
        if TAG in (metadata.get("tags") or ()):
            return
    raise HubError(
        f"{repository}: nothing was deployed, since the Space holds something else than this app, such as {others[0]}. "
        "Deploy to another name, or delete that Space first."
    )
