"""Push a model folder to the Hub in one commit."""

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from huggingface_hub import HfApi, RepoFile, constants, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError

from fer.hub.errors import FAILURES, HubError, explain, status_of
from fer.models.config import CONFIG, WEIGHTS, change_document, load_config
from fer.models.exports import EXPORTS, find_origin, judge_export, read_export, save_exports
from fer.models.model_folder import CARD, FIGURES, HISTORY, LOGS, METRICS, find_model, load_metrics
from fer.models.provenance import clean_log_name, clean_training, last_part
from fer.publishing.access import check_push
from fer.recognition.litert_network import load_litert_network

PUSHED = (CONFIG, METRICS, WEIGHTS, HISTORY, f"{FIGURES}/*.png", f"{LOGS}/**/*tfevents*")
"""What of a model folder goes to the Hub, which shows TensorBoard's logs in its Training metrics tab; with the exports
of its weights and calibration."""
PASSING = (412, 429, 500, 502, 503, 504)
"""Answers after which a commit is tried again: others have committed meanwhile (412), or the Hub is overloaded. If it
did go through it is not made twice, since nothing has changed then."""
PAUSES = (1, 2, 4)
"""Seconds before each further try."""


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
    added: tuple[str, ...] = field(default=(), compare=False)
    changed: tuple[str, ...] = field(default=(), compare=False)
    removed: tuple[str, ...] = field(default=(), compare=False)
    kept: tuple[str, ...] = field(default=(), compare=False)
    left_out: tuple[str, ...] = field(default=(), compare=False)

    @property
    def changes(self) -> tuple[str, ...]:
        """Paths of all files that are not as they were."""
        return self.added + self.changed + self.removed

    def describe(self) -> str:
        """Return what the push did to the repository's files, as lines for people."""
        done = {"added": self.added, "changed": self.changed, "removed": self.removed}
        done["kept, of the same weights and calibration"] = self.kept
        lines = [f"{name}: {', '.join(paths)}" for name, paths in done.items() if paths]
        return "\n".join(["nothing has changed"] * (not self.changes) + [*lines, *self.left_out])


def push_model(
    folder: str | os.PathLike[str],
    repository: str,
    private: bool | None = None,
    create_pr: bool = False,
    tag: str | None = None,
    exports: Sequence[str] = (),
) -> Push:
    """Upload a model folder, with its card rendered for the Hub, in one commit; none if nothing has changed.

    The folder's LiteRT file is published with it, and written into the folder before where it has none that fits. Other
    exports of its weights and calibration are published too, be they in the folder or on the Hub already; the rest of
    the exports on the Hub are removed. Paths and the host's name are left out of what is published.

    Args:
        folder: model folder; nothing but its LiteRT file is changed.
        repository: `OWNER/NAME`; it is created if it is not there.
        private: whether a new repository is private; None for the owner's default. A public one that is there is
            refused if it is to be private.
        create_pr: ask with a pull request instead of committing to `main`.
        tag: name for the commit, such as `v1.0`; one that stands elsewhere is refused before anything is uploaded.
        exports: further formats of `fer.export.convert` to publish, made where the folder has none that fits. tf2onnx
            never writes quite the same file twice, so with an ONNX file made here there is always a commit.

    Returns:
        A `Push`.

    Raises:
        HubError: if the Hub refuses or cannot be reached. Nothing is lost; the push can be repeated.
        UserError: if the folder is no usable model, a fact for its card is missing, or an export cannot be made.
    """
    from fer.export.convert import check_formats
    from fer.export.litert_file import write_litert_file
    from fer.publishing.card import render_card  # Needs Jinja2, without which a model can still be pulled.

    check_formats([format for format in exports if format != "litert"])
    check_push(repository, create_pr, private=private)
    folder, source = find_model(folder), f"{repository}@{tag}" if tag else repository
    write_litert_file(folder)
    load_litert_network(folder)
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
    """Upload a folder in one commit, and again where the Hub is overloaded or others have committed meanwhile.

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
            if pause is None or status_of(error) not in PASSING:
                raise
            time.sleep(pause)


def _stage(folder, staging):
    """Copy what goes to the Hub, without the paths and the host's name that runs of earlier versions recorded."""
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
    """Copy the exports of the folder that fit, make those that are wanted, and return which are left out."""
    left_out = []
    for format, name in EXPORTS.items():
        record, reason = judge_export(folder, format)
        if record:
            (staging / name).write_bytes(read_export(folder / name, record))
            save_exports(staging, {format: record})
        elif format in wanted:
            from fer.export.convert import export_model

            export_model(folder, format, staging / name)
        elif reason:
            left_out.append(reason)
    return left_out


def _read_repository(api, repository):
    """Return the sha of a repository's head, those of its tags by name, and the head's `RepoFile`s by path."""
    refs = api.list_repo_refs(repository)
    head = next(branch.target_commit for branch in refs.branches if branch.name == "main")
    tree = api.list_repo_tree(repository, recursive=True, revision=head)
    files = {file.path: file for file in tree if isinstance(file, RepoFile)}
    return head, {tag.name: tag.target_commit for tag in refs.tags}, files


def _keep_exports(repository, head, there, staging):
    """Return the file names of exports that the repository has of the same weights and calibration; record them.

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


def _compare(staging, there, kept) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the paths of files that an upload of a folder adds, changes and removes, each sorted.

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
    """Tell whether a file's content is another than that of a `RepoFile`."""
    content = path.read_bytes()
    if file.lfs:
        return hashlib.sha256(content).hexdigest() != file.lfs.sha256
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() != file.blob_id
