"""The Hugging Face Hub: pull a model by its name and revision, push a model folder in one commit.

A token is taken where huggingface_hub takes it (`HF_TOKEN`, or what `hf auth login` stored); no message here ever
quotes one.
"""

import errno
import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    XetDownloadError,
)

from fer.errors import UserError
from fer.model_folder import (
    CARD,
    CONFIG,
    EXPORTS,
    FIGURES,
    HISTORY,
    LOGS,
    METRICS,
    WEIGHTS,
    find_model,
    load_config,
    load_model,
)

REPOSITORY = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)
"""`OWNER/NAME` or `OWNER/NAME@REVISION`: a branch, a tag or a commit's sha."""
PUSHED = (CONFIG, METRICS, WEIGHTS, HISTORY, f"{FIGURES}/*", f"{LOGS}/*")
"""What of a model folder goes to the Hub, which shows TensorBoard's logs in its Training metrics tab. Exports are made
anew: those in the folder may be older than its calibration."""
PASSING = (412, 429, 500, 502, 503, 504)
"""Answers after which a commit is tried again: others have committed meanwhile (412), or the Hub is overloaded. If it
did go through it is not made twice, since nothing has changed then."""
PAUSES = (1, 2, 4)
"""Seconds before each further try."""


FAILURES = (HfHubHTTPError, HTTPError, OSError, XetDownloadError, RuntimeError)
"""What the client raises where the Hub refuses, cannot be reached, or its cache cannot be written; the last two come
from its Xet transfers."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class HubError(UserError):
    """Something that the Hub refused, or that did not reach it."""


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

    def __str__(self):
        return f"{self.name}@{self.revision}" if self.revision else self.name


@dataclass(frozen=True)
class Push:
    """What a push came to: the sha of the commit that holds the model now, and the page that shows it."""

    revision: str
    url: str


def resolve_model(name):
    """Finds the model that a command line or `FER_MODEL` names, and pulls it from the Hub if it is there.

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


def pull_model(repository, revision=None):
    """Downloads a model's files from the Hub, or takes them from the Hub's cache on this machine.

    The cache answers where the Hub cannot be reached. The weights' size and sha256 are checked at loading, by
    `fer.model_folder.load_model`.

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


def check_push(repository, create_pr=False, kind="model"):
    """Makes sure, before any work is done, that the token may push to a repository or create it.

    Args:
        repository: `OWNER/NAME`.
        create_pr: only a pull request is wanted, for which the repository must be there.
        kind: `model` or `space`.

    Raises:
        HubError: with a sentence that says what is missing.
    """
    _check_name(repository)
    api = HfApi()
    try:
        user = api.whoami()
        if create_pr:
            api.repo_info(repository, repo_type=kind)
            return
        owner = repository.split("/")[0]
        role = user["auth"]["accessToken"]["role"]
        if role == "read":
            raise HubError(f"{repository}: the token may only read. Make one with the role `write`.")
        owners = [user["name"], *(organization["name"] for organization in user["orgs"])]
        if owner not in owners:
            raise HubError(
                f"{repository}: the token belongs to {user['name']}, who may not write there. "
                f"Received: {owner}, expected: {' or '.join(owners)}"
            )
        api.auth_check(repository, repo_type=kind, write=True)
    except RepositoryNotFoundError as error:
        if create_pr:
            raise HubError(f"{repository}: {explain(error)}") from None
        # The push will create it.
    except LocalTokenNotFoundError:
        raise HubError("A token is needed to push: set HF_TOKEN, or run `hf auth login`.") from None
    except FAILURES as error:
        raise HubError(f"{repository}: {explain(error)}") from None


def push_model(folder, repository, private=None, create_pr=False, tag=None, exports=()):
    """Uploads a model folder, with its card rendered for the Hub, in one commit; none if nothing has changed.

    Args:
        folder: model folder; it stays as it is.
        repository: `OWNER/NAME`; it is created if it is not there.
        private: whether a new repository is private; None for the owner's default.
        create_pr: ask with a pull request instead of committing to `main`.
        tag: name for the commit, such as `v1.0`.
        exports: formats of `fer.export` to publish beside the weights. tf2onnx never writes quite the same file twice,
            so with ONNX there is always a commit.

    Returns:
        A `Push`.

    Raises:
        HubError: if the Hub refuses or cannot be reached. Nothing is lost; the push can be repeated.
        UserError: if the folder is no usable model, a fact for its card is missing, or an export cannot be made.
    """
    from fer.card import render_card  # Needs Jinja2, without which a model can still be pulled.
    from fer.export import check_formats, export_model

    check_formats(exports)
    check_push(repository, create_pr)
    folder = find_model(folder)
    load_model(folder)
    card = render_card(folder, f"{repository}@{tag}" if tag else repository, exports)
    api = HfApi()
    with tempfile.TemporaryDirectory() as staging:
        for format in exports:
            export_model(folder, format, Path(staging) / EXPORTS[format])
        try:
            _stage(folder, Path(staging), card)
            if not create_pr:
                api.create_repo(repository, private=private, exist_ok=True)
            commit = upload(
                staging,
                repository,
                create_pr=create_pr,
                commit_message="Upload the model and its card",
                # The Hub would show the curves of two runs as one, and keep exports of earlier weights.
                delete_patterns=[f"{FIGURES}/*", f"{LOGS}/*", *EXPORTS.values()],
            )
            if tag:
                _tag(api, repository, tag, commit.oid)
        except FAILURES as error:
            raise HubError(f"{repository}: {explain(error)}") from None
    return Push(commit.oid, commit.pr_url or f"{constants.ENDPOINT}/{repository}/tree/{commit.oid}")


def upload(folder, repository, **options):
    """Uploads a folder in one commit, and again where the Hub is overloaded or others have committed meanwhile.

    Args:
        folder: all of its files go.
        repository: `OWNER/NAME`.
        options: of `HfApi.upload_folder`.

    Returns:
        huggingface_hub's `CommitInfo`; of the latest commit if nothing has changed.

    Raises:
        One of `FAILURES`.
    """
    pauses = iter(PAUSES)
    while True:
        try:
            return HfApi().upload_folder(repo_id=repository, folder_path=folder, **options)
        except HfHubHTTPError as error:
            pause = next(pauses, None)
            if pause is None or _status(error) not in PASSING:
                raise
            time.sleep(pause)


def explain(error):
    """Why the Hub did not do it, in a sentence of our own: the client's messages run over lines.

    Args:
        error: of `FAILURES`.
    """
    if isinstance(error, GatedRepoError):
        return "access is restricted. Ask for it on the model's page, and set HF_TOKEN to a token of yours."
    if isinstance(error, RepositoryNotFoundError):
        return (
            "no such folder here, and no such repository on the Hub, or it is private. "
            "Check the name, and set HF_TOKEN if it is private."
        )
    if isinstance(error, RevisionNotFoundError):
        return "the repository has no such branch, tag or commit."
    if isinstance(error, (LocalEntryNotFoundError, OfflineModeIsEnabled)):
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            return explain(cause)
        if constants.HF_HUB_OFFLINE:
            return "not in the cache, and HF_HUB_OFFLINE forbids to ask the Hub."
        return "the Hub cannot be reached, and the model is not in the cache."
    if isinstance(error, EntryNotFoundError):
        return f"the repository holds no {CONFIG} or no {WEIGHTS}: it is not a model of this project."
    if isinstance(error, HfHubHTTPError):
        return _status_reason(_status(error))
    if isinstance(error, HTTPError):
        return f"the Hub cannot be reached ({type(error).__name__})."
    reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
    in_xet = re.search(r"\(os error (\d+)\)", reason)
    number = int(in_xet[1]) if in_xet else getattr(error, "errno", None)
    if number in NO_ROOM:
        return f"no room left for the Hub's cache at {constants.HF_HUB_CACHE} ({os.strerror(number)})."
    return f"the transfer failed ({reason}); the Hub's cache is at {constants.HF_HUB_CACHE}."


def _stage(folder, staging, card):
    """Copies what goes to the Hub; the card beside it is the one for the Hub."""
    for pattern in PUSHED:
        for path in sorted(folder.glob(pattern)):
            target = staging / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, target)
    (staging / CARD).write_text(card, encoding="utf-8")


def _tag(api, repository, tag, revision):
    """Names a commit; a tag that is there must be at this commit already."""
    tags = {ref.name: ref.target_commit for ref in api.list_repo_refs(repository).tags}
    if tag not in tags:
        api.create_tag(repository, tag=tag, revision=revision)
    elif tags[tag] != revision:
        raise HubError(f"{repository}: pushed as {revision}, but the tag {tag} is at {tags[tag]} already.")


def _check_name(repository):
    wanted = REPOSITORY.fullmatch(repository)
    if not wanted or wanted["revision"]:
        raise HubError(f"A repository of the Hub must be OWNER/NAME. Received: {repository}")


def _status(error):
    return error.response.status_code


def _status_reason(status):
    known = {
        401: "the token is not valid. Set HF_TOKEN anew, or run `hf auth login`.",
        402: "the account's plan does not include this.",
        403: "the token may not do this.",
        412: "others keep committing to the repository. Push again.",
        429: "the Hub asks for patience (429). Try again in some minutes.",
    }
    return known.get(status, f"the Hub answered with an error ({status}). Try again later.")
