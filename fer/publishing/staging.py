"""The files of a push: those of a model folder that are published, without what tells of its machine and people."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from huggingface_hub import RepoFile, hf_hub_download

from fer.models.config import CONFIG, EXPORTS, WEIGHTS, change_document, load_config
from fer.models.exports import find_origin, judge_export, read_export, save_exports
from fer.models.model_folder import FIGURES, HISTORY, LOGS, METRICS, load_metrics
from fer.outputs import write_json
from fer.paths import last_part
from fer.publishing.redaction import clean_log_name, clean_training

PUSHED = (CONFIG, METRICS, WEIGHTS, HISTORY, f"{FIGURES}/*.png", f"{LOGS}/**/*tfevents*")
"""Patterns of the files of a model folder that are published, in addition to its exports and its card. The Hub shows
TensorBoard's logs in the tab "Training metrics"."""


def stage(folder: Path, staging: Path) -> None:
    """Copy the files that are published, without paths, the host's name and names of pictures."""
    for pattern in PUSHED:
        for number, path in enumerate(sorted(folder.glob(pattern))):
            target = staging / path.relative_to(folder)
            target = target.with_name(clean_log_name(path.name, number))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    config = load_config(staging)
    change_document(staging, training=clean_training(config.training), exports={})
    metrics = load_metrics(staging, "a card")
    if "model" in metrics:
        metrics["model"] = last_part(metrics["model"])
    # Names of pictures and of folders, which may be those of people.
    metrics.get("duplicates", {}).pop("example", None)
    for row in ((metrics.get("photos") or {}).get("sets") or {}).values():
        row.pop("left_out", None)
    write_json(staging / METRICS, metrics)


def stage_exports(folder: Path, staging: Path, wanted: Sequence[str]) -> list[str]:
    """Copy the valid exports of a model folder, and export the wanted formats that it lacks.

    Returns:
        A list of sentences, one for each export of the folder that was not copied.
    """
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


def keep_exports(repository: str, head: str, files: Mapping[str, RepoFile], staging: Path) -> list[str]:
    """Find exports in a repository that stay valid, and record them in the folder to be uploaded.

    Args:
        repository: `OWNER/NAME`.
        head: sha of the commit at the head of `main`.
        files: `RepoFile`s of that commit, by path.
        staging: path of the folder to be uploaded.

    Returns:
        A list of their file names.
    """
    formats = [format for format, name in EXPORTS.items() if name in files and not (staging / name).exists()]
    if not formats or CONFIG not in files:
        return []
    theirs = Path(hf_hub_download(repository, CONFIG, revision=head)).parent
    origin = find_origin(staging)
    if find_origin(theirs) != origin:
        return []
    records = {format: load_config(theirs).exports.get(format) for format in formats}
    for format, record in list(records.items()):
        file = files[EXPORTS[format]]
        # An export without a record is one of an earlier version, which always pushed it with its own weights.
        if record and (record.made_of != origin or (file.lfs and file.lfs.sha256 != record.sha256)):
            del records[format]
    save_exports(staging, {format: record for format, record in records.items() if record})
    return [EXPORTS[format] for format in records]
