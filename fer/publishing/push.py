"""Push a model folder to the Hub in one commit."""

import hashlib
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, HfApi, constants
from huggingface_hub.errors import HfHubHTTPError

from fer.hub.errors import HubError, explained, status_of
from fer.models.config import EXPORTS, load_config
from fer.models.model_folder import CARD, FIGURES, HISTORY, LOGS, check_links, find_model
from fer.outputs import write_text
from fer.paths import StrPath
from fer.publishing.access import check_push, check_tag
from fer.publishing.repositories import check_model_repository, list_files
from fer.publishing.staging import keep_exports, stage, stage_exports
from fer.recognition.litert_network import check_litert_file

UNCHANGED = (412, 429)
"""HTTP statuses after which a commit is tried again, and which tell that none was made: somebody else has committed
meanwhile (412), or there were too many requests."""
PASSING = (*UNCHANGED, 500, 502, 503, 504)
"""HTTP statuses after which a commit to `main` is tried again. If the first attempt did succeed, the second one finds
nothing to change and makes no commit; a second pull request would be opened."""
PAUSES = (1, 2, 4)
"""Seconds before the second, third and fourth attempt."""


@dataclass(frozen=True)
class Push:
    """Result of a push.

    revision: sha of the commit that holds the model now.
    url: address of its page, or of the pull request.
    added, changed, removed: paths of files in the repository.
    kept: paths of exports that were in the repository before, and have the same weights and calibration.
    left_out: sentences, one for each export of the model folder that was not published.
    """

    revision: str
    url: str
    added: tuple[str, ...] = field(default=(), compare=False)
    changed: tuple[str, ...] = field(default=(), compare=False)
    removed: tuple[str, ...] = field(default=(), compare=False)
    kept: tuple[str, ...] = field(default=(), compare=False)
    left_out: tuple[str, ...] = field(default=(), compare=False)

    @property
    def changes(self) -> tuple[str, ...]:
        """Paths of all files that the push added, changed or removed."""
        return self.added + self.changed + self.removed

    def describe(self) -> str:
        """Return lines for the user about what the push did to the files of the repository."""
        done = {"added": self.added, "changed": self.changed, "removed": self.removed}
        done["kept, of the same weights and calibration"] = self.kept
        lines = [f"{name}: {', '.join(paths)}" for name, paths in done.items() if paths]
        return "\n".join(["nothing has changed"] * (not self.changes) + [*lines, *self.left_out])


def push_model(
    folder: StrPath,
    repository: str,
    private: bool | None = None,
    create_pr: bool = False,
    tag: str | None = None,
    exports: Sequence[str] = (),
) -> Push:
    """Publish a model folder on the Hub in one commit, with a model card for the Hub.

    There is no commit if nothing has changed. The LiteRT file is always published; if the folder has none of its
    weights and calibration, it is written first. Other exports of the same weights and calibration are published if
    they are in the folder, and kept if they are on the Hub; all other exports on the Hub are removed. Paths and the
    name of this machine are removed from what is published.

    Args:
        folder: path of a model folder; only its LiteRT file may be changed.
        repository: `OWNER/NAME`; it is created if it does not exist.
        private: whether a new repository is private; None for the owner's default. If true, an existing public
            repository is refused.
        create_pr: whether to open a pull request instead of committing to `main`.
        tag: tag for the commit, such as `v1.0`; not with `create_pr`. If it exists at another commit, it is refused
            before the upload.
        exports: other formats of `fer.export.convert` to publish; they are exported if the folder has no valid file.
            tf2onnx does not write the same bytes twice, so an ONNX file that is exported here always makes a commit.

    Raises:
        HubError: if the Hub refuses a request or cannot be reached. The push can be repeated.
        UserError: if the tag is not valid (`fer.publishing.access.check_tag`), if the folder is not a valid model
            folder, or one of its files is a link that leads out of it, if a fact for the card is missing, or if an
            export fails.
    """
    from fer.export.convert import check_formats
    from fer.export.litert_file import write_litert_file
    from fer.publishing.card import render_card  # It imports Jinja2, which only the card needs.

    check_formats([format for format in exports if format != "litert"])
    check_tag(tag, create_pr)
    folder, source = find_model(folder), f"{repository}@{tag}" if tag else repository
    load_config(folder)  # A path that is no model folder is told before the Hub is asked for anything.
    check_push(repository, create_pr, private=private)
    check_links(folder, constants.HF_HUB_CACHE)
    write_litert_file(folder)
    check_litert_file(folder)
    render_card(folder, source)  # So that an error about a missing fact names this folder, not the temporary one.
    api = HfApi()
    with tempfile.TemporaryDirectory() as name:
        staging = Path(name)
        stage(folder, staging)
        left_out = stage_exports(folder, staging, exports)
        with explained(repository):
            if not create_pr:
                api.create_repo(repository, private=private, exist_ok=True)
            head, tags, files = _read_repository(api, repository)
            if not create_pr:
                check_model_repository(repository, head, files)
            kept = keep_exports(repository, head, files, staging)
            published = [format for format, file in EXPORTS.items() if (staging / file).is_file() or file in kept]
            write_text(staging / CARD, render_card(staging, source, published))
            push = Push(head, "", *_compare(staging, files, kept), tuple(kept), tuple(left_out))
            if tag in tags and (tags[tag] != head or push.changes):
                raise HubError(
                    f"{repository}: nothing was pushed, since the tag {tag} is at {tags[tag]} already, "
                    "which would not be this push's commit. Give another --tag."
                )
            if push.changes:
                push = _commit(push, staging, repository, create_pr)
                _check_commit(push, staging, list_files(repository, revision=push.revision), repository)
            if tag and tag not in tags:
                _create_tag(api, push, repository, tag)
    return replace(push, url=push.url or f"{constants.ENDPOINT}/{repository}/tree/{push.revision}")


def _create_tag(api, push, repository, tag):
    """Tag the commit of a push; if that fails, raise a `HubError` that says what was done before."""
    done = f"the commit {push.revision} {'was made' if push.changes else 'holds the model'}"
    with explained(f"{repository}: {done}, and only its tag {tag} is missing"):
        api.create_tag(repository, tag=tag, revision=push.revision)


def _commit(push, staging, repository, create_pr):
    """Upload a folder, and return the `Push` with the revision of its commit, and the address of its pull request."""
    commit = upload(
        staging,
        repository,
        create_pr=create_pr,
        commit_message="Upload the model and its card",
        delete_patterns=list(push.removed) or None,
    )
    return replace(push, revision=commit.oid, url=commit.pr_url or "")


def upload(folder: str | Path, repository: str, **options: Any) -> CommitInfo:
    """Upload a folder in one commit. Try again if the Hub is overloaded, or somebody else has committed meanwhile.

    Args:
        folder: path of the folder; all of its files are uploaded.
        repository: `OWNER/NAME`.
        **options: options of `HfApi.upload_folder`.

    Returns:
        Facts about the new commit, or about the latest one if nothing has changed.

    Raises:
        HfHubHTTPError: or another of `fer.hub.errors.FAILURES`, if the last attempt fails too.
    """
    pauses = iter(PAUSES)
    while True:
        try:
            return HfApi().upload_folder(repo_id=repository, folder_path=folder, **options)
        except HfHubHTTPError as error:
            pause = next(pauses, None)
            if pause is None or status_of(error) not in (UNCHANGED if options.get("create_pr") else PASSING):
                raise
            time.sleep(pause)


def _read_repository(api, repository):
    """Return the sha of a repository's `main`, the shas of its tags by name, and the `RepoFile`s of `main` by path."""
    refs = api.list_repo_refs(repository)
    head = next(branch.target_commit for branch in refs.branches if branch.name == "main")
    return head, {tag.name: tag.target_commit for tag in refs.tags}, list_files(repository, revision=head)


def _check_commit(push, staging, files, repository):
    """Raise a `HubError` if a commit lacks a file of the upload: the Hub leaves out what `.gitignore` names."""
    added, changed, _ = _compare(staging, files, push.kept)
    if missing := sorted({*added, *changed}):
        raise HubError(
            f"{repository}: the commit {push.revision} was made without {', '.join(missing)}, which its .gitignore "
            "excludes. Delete these lines there, and push again."
        )


def _compare(staging, files, kept) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the paths that an upload adds, changes and removes in a repository, each sorted.

    Args:
        staging: path of the folder to be uploaded.
        files: `RepoFile`s of the repository, by path.
        kept: paths that the folder lacks and that stay in the repository.
    """
    local = {path.relative_to(staging).as_posix(): path for path in staging.rglob("*") if path.is_file()}
    added = [path for path in local if path not in files]
    changed = [path for path in local if path in files and _differs(local[path], files[path])]
    # Remove logs, plots and exports of earlier pushes: the Hub would show the logs of two runs as one run.
    replaced = re.compile(f"({FIGURES}|{LOGS})/.*|{'|'.join(map(re.escape, (HISTORY, *EXPORTS.values())))}")
    removed = [path for path in files if replaced.fullmatch(path) and path not in local and path not in kept]
    return tuple(sorted(added)), tuple(sorted(changed)), tuple(sorted(removed))


def _differs(path, file):
    """Return whether the content of a file differs from that of a `RepoFile`, by the sha256 of LFS or Git's sha1."""
    content = path.read_bytes()
    if file.lfs:
        return hashlib.sha256(content).hexdigest() != file.lfs.sha256
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() != file.blob_id
