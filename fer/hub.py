"""The Hugging Face Hub: pull a model by its name and revision, push a model folder in one commit.

A token is taken where huggingface_hub takes it (`HF_TOKEN`, or what `hf auth login` stored); no message here ever
quotes one.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from huggingface_hub import HfApi, RepoFile, constants, hf_hub_download
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
    change_document,
    find_model,
    find_origin,
    judge_export,
    load_config,
    load_metrics,
    load_model,
    read_export,
    save_exports,
)
from fer.publishing import clean_log_name, clean_training, last_part

REPOSITORY = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)
"""`OWNER/NAME` or `OWNER/NAME@REVISION`: a branch, a tag or a commit's sha."""
PUSHED = (CONFIG, METRICS, WEIGHTS, HISTORY, f"{FIGURES}/*.png", f"{LOGS}/**/*tfevents*")
"""What of a model folder goes to the Hub, which shows TensorBoard's logs in its Training metrics tab; with the exports
of its weights and calibration."""
PASSING = (412, 429, 500, 502, 503, 504)
"""Answers after which a commit is tried again: others have committed meanwhile (412), or the Hub is overloaded. If it
did go through it is not made twice, since nothing has changed then."""
PAUSES = (1, 2, 4)
"""Seconds before each further try."""


FAILURES = (HfHubHTTPError, HTTPError, OSError, UnicodeError, XetDownloadError, RuntimeError)
"""What the client raises where the Hub refuses, cannot be reached, or its cache cannot be written, and where a token is
no ASCII; the last two come from its Xet transfers."""
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
    """What a push came to.

    revision: sha of the commit that holds the model now.
    url: of the page that shows it.
    added, changed, removed: paths of files in the repository.
    kept: paths of exports that were there and are of the same weights and calibration.
    left_out: sentences, each about an export of the model folder that was not published.
    """

    revision: str
    url: str
    added: tuple = field(default=(), compare=False)
    changed: tuple = field(default=(), compare=False)
    removed: tuple = field(default=(), compare=False)
    kept: tuple = field(default=(), compare=False)
    left_out: tuple = field(default=(), compare=False)

    @property
    def changes(self):
        """Paths of all files that are not as they were."""
        return self.added + self.changed + self.removed

    def describe(self):
        """Return what the push did to the repository's files, as lines for people."""
        done = {"added": self.added, "changed": self.changed, "removed": self.removed}
        done["kept, of the same weights and calibration"] = self.kept
        lines = [f"{name}: {', '.join(paths)}" for name, paths in done.items() if paths]
        return "\n".join(["nothing has changed"] * (not self.changes) + [*lines, *self.left_out])


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

    The cache answers where the Hub cannot be reached. Size and sha256 of the weights and of the LiteRT file are checked
    at loading, by `fer.model_folder.load_model` and `fer.litert.load_served`.

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


def check_push(repository, create_pr=False, kind="model", private=None):
    """Makes sure, before any work is done, that the token may push to a repository or create it.

    Args:
        repository: `OWNER/NAME`.
        create_pr: only a pull request is wanted, for which the repository must be there.
        kind: `model` or `space`.
        private: whether it is to be private; a public one that is there is refused then.

    Raises:
        HubError: with a sentence that says what is missing.
    """
    _check_name(repository)
    api = HfApi()
    try:
        user = api.whoami()
        try:
            if not create_pr:
                if read_access(user).get("role") == "read":
                    raise HubError(f"{repository}: the token may only read. Make one with the role `write`.")
                # The Hub knows best what a token may do in a repository: one of a login by browser tells no role.
                api.auth_check(repository, repo_type=kind, write=True)
            if create_pr or private:
                _check_visibility(api.repo_info(repository, repo_type=kind), repository, kind, private)
        except RepositoryNotFoundError:
            if create_pr:
                raise
            _check_owner(repository, user)  # The push will create it.
        except HfHubHTTPError as error:
            if _status(error) == 403:
                _check_owner(repository, user)
            raise
    except LocalTokenNotFoundError:
        raise HubError("A token is needed to push: set HF_TOKEN, or run `hf auth login`.") from None
    except FAILURES as error:
        raise HubError(f"{repository}: {explain(error)}") from None


def read_access(user):
    """What `HfApi.whoami` tells of the access token itself, a dict; empty for a login by browser."""
    return (user.get("auth") or {}).get("accessToken") or {}


def push_model(folder, repository, private=None, create_pr=False, tag=None, exports=()):
    """Uploads a model folder, with its card rendered for the Hub, in one commit; none if nothing has changed.

    Exports of the folder's weights and calibration are published with it, be they in the folder or on the Hub already;
    other exports on the Hub are removed. Paths and the host's name are left out of what is published.

    Args:
        folder: model folder; it stays as it is.
        repository: `OWNER/NAME`; it is created if it is not there.
        private: whether a new repository is private; None for the owner's default. A public one that is there is
            refused if it is to be private.
        create_pr: ask with a pull request instead of committing to `main`.
        tag: name for the commit, such as `v1.0`; one that stands elsewhere is refused before anything is uploaded.
        exports: formats of `fer.export` to publish beside the weights, made where the folder has none that fits.
            tf2onnx never writes quite the same file twice, so with an ONNX file made here there is always a commit.

    Returns:
        A `Push`.

    Raises:
        HubError: if the Hub refuses or cannot be reached. Nothing is lost; the push can be repeated.
        UserError: if the folder is no usable model, a fact for its card is missing, or an export cannot be made.
    """
    from fer.card import render_card  # Needs Jinja2, without which a model can still be pulled.
    from fer.export import check_formats

    check_formats(exports)
    check_push(repository, create_pr, private=private)
    folder, source = find_model(folder), f"{repository}@{tag}" if tag else repository
    load_model(folder)
    render_card(folder, source)  # A missing fact is told by the folder's own name.
    api = HfApi()
    with tempfile.TemporaryDirectory() as name:
        staging = Path(name)
        _stage(folder, staging)
        left_out = _stage_exports(folder, staging, exports)
        try:
            if not create_pr:
                api.create_repo(repository, private=private, exist_ok=True)
            head, tags, there = _read_repository(api, repository)
            kept = _keep_exports(repository, head, there, staging)
            published = [format for format, file in EXPORTS.items() if (staging / file).is_file() or file in kept]
            (staging / CARD).write_text(render_card(staging, source, published), encoding="utf-8")
            push = Push(head, "", *_compare(staging, there, kept), tuple(kept), tuple(left_out))
            if tag in tags and (tags[tag] != head or push.changes):
                raise HubError(
                    f"{repository}: nothing was pushed, since the tag {tag} is at {tags[tag]} already, "
                    "which would not be this push's commit. Give another --tag."
                )
            page = None
            if push.changes:
                commit = upload(
                    staging,
                    repository,
                    create_pr=create_pr,
                    commit_message="Upload the model and its card",
                    delete_patterns=list(push.removed) or None,
                )
                push, page = replace(push, revision=commit.oid), commit.pr_url
            if tag and tag not in tags:
                api.create_tag(repository, tag=tag, revision=push.revision)
        except FAILURES as error:
            raise HubError(f"{repository}: {explain(error)}") from None
    return replace(push, url=page or f"{constants.ENDPOINT}/{repository}/tree/{push.revision}")


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
    if isinstance(error, UnicodeError):
        return "the token holds a character that no token has. Set HF_TOKEN anew, or run `hf auth login`."
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


def _stage(folder, staging):
    """Copies what goes to the Hub, without the paths and the host's name that runs of earlier versions recorded."""
    for pattern in PUSHED:
        for number, path in enumerate(sorted(folder.glob(pattern))):
            target = staging / path.relative_to(folder)
            target = target.with_name(clean_log_name(path.name, number))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    config, _ = load_config(staging)
    change_document(staging, training=clean_training(config.training), exports={})
    metrics = load_metrics(staging, "a card")
    if "model" in metrics:
        metrics["model"] = last_part(metrics["model"])
    (staging / METRICS).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


def _stage_exports(folder, staging, wanted):
    """Copies the exports of the folder that fit, makes those that are wanted beside, and tells which are left out."""
    left_out = []
    for format, name in EXPORTS.items():
        record, reason = judge_export(folder, format)
        if record:
            (staging / name).write_bytes(read_export(folder / name, record))
            save_exports(staging, {format: record})
        elif format in wanted:
            from fer.export import export_model

            export_model(folder, format, staging / name)
        elif reason:
            left_out.append(reason)
    return left_out


def _read_repository(api, repository):
    """The sha of a repository's head, those of its tags by name, and the head's `RepoFile`s by path."""
    refs = api.list_repo_refs(repository)
    head = next(branch.target_commit for branch in refs.branches if branch.name == "main")
    tree = api.list_repo_tree(repository, recursive=True, revision=head)
    files = {file.path: file for file in tree if isinstance(file, RepoFile)}
    return head, {tag.name: tag.target_commit for tag in refs.tags}, files


def _keep_exports(repository, head, there, staging):
    """Exports that the repository has of the same weights and calibration, by file name; their records are taken over.

    Args:
        repository: `OWNER/NAME`.
        head: sha of its commit.
        there: its `RepoFile`s by path.
        staging: the folder to be uploaded.
    """
    formats = [format for format, name in EXPORTS.items() if name in there and not (staging / name).exists()]
    if not formats or CONFIG not in there:
        return []
    theirs = Path(hf_hub_download(repository, CONFIG, revision=head)).parent
    origin = find_origin(staging)
    if find_origin(theirs) != origin:
        return []
    # Those of earlier versions were always made of what they lie beside, and were not recorded.
    records = {format: load_config(theirs)[0].exports.get(format) for format in formats}
    for format, record in list(records.items()):
        file = there[EXPORTS[format]]
        if record and (record.made_of != origin or (file.lfs and file.lfs.sha256 != record.sha256)):
            del records[format]
    save_exports(staging, {format: record for format, record in records.items() if record})
    return [EXPORTS[format] for format in records]


def _compare(staging, there, kept):
    """Paths of files that an upload of a folder adds, changes and removes, each sorted.

    Args:
        staging: the folder.
        there: the repository's `RepoFile`s by path.
        kept: paths of files that stay, though the folder has them not.
    """
    here = {path.relative_to(staging).as_posix(): path for path in staging.rglob("*") if path.is_file()}
    added = [path for path in here if path not in there]
    changed = [path for path in here if path in there and _differs(here[path], there[path])]
    # The Hub would show the curves of two runs as one, and keep exports of earlier weights.
    ours = re.compile(f"({FIGURES}|{LOGS})/.*|{'|'.join(map(re.escape, EXPORTS.values()))}")
    removed = [path for path in there if ours.fullmatch(path) and path not in here and path not in kept]
    return tuple(sorted(added)), tuple(sorted(changed)), tuple(sorted(removed))


def _differs(path, file):
    """Whether a file's content is another than that of a `RepoFile`."""
    content = path.read_bytes()
    if file.lfs:
        return hashlib.sha256(content).hexdigest() != file.lfs.sha256
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() != file.blob_id


def _check_owner(repository, user):
    """Refuses a repository of others than those that `HfApi.whoami` names."""
    owner, owners = repository.split("/")[0], [user["name"], *(one["name"] for one in user.get("orgs") or ())]
    if owner not in owners:
        raise HubError(
            f"{repository}: the token belongs to {user['name']}, who may not write there. "
            f"Received: {owner}, expected: {' or '.join(owners)}"
        )


def _check_visibility(info, repository, kind, private):
    """Refuses a public repository, as `HfApi.repo_info` tells of it, where a private one is wanted."""
    if private and not info.private:
        settings = f"hf repos settings {repository}{' --type space' * (kind == 'space')} --private"
        raise HubError(
            f"{repository}: --private makes a new repository private, and this one is there and public. "
            f"Make it private first, with `{settings}` or in its settings on the Hub, or leave --private out."
        )


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
