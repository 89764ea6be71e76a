"""Exports of a model folder: the files, their records in `config.json`, and checks of the files against the records."""

import hashlib
import importlib.util
import shlex
from pathlib import Path

from fer.errors import UserError
from fer.models.config import (
    CONFIG,
    EXPORTS,
    ExportRecord,
    ModelFolderError,
    change_document,
    describe_exports,
    describe_origin,
    load_config,
)
from fer.models.model_folder import check_measure
from fer.paths import StrPath
from fer.resources import install_command

NEEDS = {
    "litert": ("train", ("keras", "tensorflow", "ai_edge_litert")),
    "onnx": ("export", ("keras", "tensorflow", "onnx", "onnxruntime", "tf2onnx")),
}
"""The extra of this package that an export needs, and the modules that come with it, by format."""


def describe_missing(format: str) -> str:
    """Return which modules of `NEEDS` are missing here, with the command that installs them; "" if none is missing."""
    extra, modules = NEEDS[format]
    missing = [name for name in modules if not importlib.util.find_spec(name)]
    return f"{', '.join(missing)}, not installed here: {install_command(extra)}" if missing else ""


def check_packages(format: str) -> None:
    """Raise an error, before any work is done, if modules are missing that an export to a format needs.

    Raises:
        UserError: with the modules, and the command that installs them.
    """
    if missing := describe_missing(format):
        raise UserError(f"An export to {format} needs {missing}")


def save_exports(folder: StrPath, exports: dict[str, ExportRecord]) -> None:
    """Write the records of exports, by format, into the `config.json` of a model folder.

    The records of other formats and the rest of the document stay as they are.
    """
    change_document(folder, exports=describe_exports({**load_config(folder).exports, **exports}))


def find_origin(folder: StrPath) -> str | None:
    """Return the `describe_origin` of a model folder's weights and calibration; None if it is not a model folder."""
    try:
        return describe_origin(load_config(folder))
    except ModelFolderError:
        return None


def record_export(path: StrPath, made_of: str, quantized: bool = False) -> ExportRecord:
    """Return the `ExportRecord` of an exported file, whose size and sha256 are measured."""
    content = Path(path).read_bytes()
    return ExportRecord(len(content), hashlib.sha256(content).hexdigest(), made_of, quantized)


def judge_export(folder: StrPath, format: str) -> tuple[ExportRecord | None, str]:
    """Decide by its record whether an export was made from the folder's weights and calibration.

    The file itself is not read; `read_export` compares it with the record.

    Args:
        folder: path of the model folder.
        format: a key of `EXPORTS`.

    Returns:
        `(record, "")` if the export may be used; `(None, reason)` if it may not, where the reason is a sentence that
        says why and how to export again; `(None, "")` if there is no such file.
    """
    file = Path(folder) / EXPORTS[format]
    if not file.is_file():
        return None, ""
    config = load_config(folder)
    record = config.exports.get(format)
    if record and record.made_of == describe_origin(config):
        return record, ""
    reason = "it was made of other weights or an earlier calibration" if record else f"{CONFIG} has no sha256 of it"
    return None, f"{file}: not used, since {reason}. To export it again: {export_command(folder, format)}"


def list_exports(folder: StrPath) -> list[str]:
    """Return the formats whose export in a model folder was made from the folder's weights and calibration."""
    return [format for format in EXPORTS if judge_export(folder, format)[0]]


def export_command(folder: StrPath, format: str) -> str:
    """Return the command line that writes an export into its model folder."""
    file = Path(folder) / EXPORTS[format]
    return shlex.join(["python", "-m", "fer", "export", str(folder), "--format", format, "--output", str(file)])


def read_export(path: StrPath, record: ExportRecord) -> bytes:
    """Return the content of an export after checking its size and sha256.

    Args:
        path: path of the file.
        record: its `ExportRecord`.

    Raises:
        ModelFolderError: if size or sha256 differ from the record.
    """
    advice = f" by {CONFIG}; export it again, or delete it"
    check_measure(path, "bytes", record.size, Path(path).stat().st_size, advice)
    content = Path(path).read_bytes()
    check_measure(path, "sha256", record.sha256, hashlib.sha256(content).hexdigest(), advice)
    return content
