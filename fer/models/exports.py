"""The exports of a model folder: their records in `config.json`, and whether a file is the one that was recorded."""

import hashlib
import shlex
from pathlib import Path

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


def save_exports(folder, exports):
    """Write records of exports, an `ExportRecord` by format, into the `config.json` of a model folder.

    Those of other formats and the rest of the document stay as they are.
    """
    change_document(folder, exports=describe_exports({**load_config(folder)[0].exports, **exports}))


def find_origin(folder):
    """Return what an export of a model folder is made of (`describe_origin`); None for what is no model folder."""
    try:
        config, weights = load_config(folder)
    except ModelFolderError:
        return None
    return describe_origin(weights, config.calibration)


def record_export(path, made_of, quantized=False):
    """Measure an exported file and return its `ExportRecord`."""
    content = Path(path).read_bytes()
    return ExportRecord(len(content), hashlib.sha256(content).hexdigest(), made_of, quantized)


def judge_export(folder, format):
    """Tell whether an export of a model folder is of its weights and calibration, without opening the file.

    Args:
        folder: path of the model folder.
        format: a key of `EXPORTS`.

    Returns:
        The `ExportRecord` that its file must match, which `read_export` makes sure of, and "". Where the file is not
        to be used, None and a sentence that says why and how to make it anew; where there is no file, None and "".
    """
    file = Path(folder) / EXPORTS[format]
    if not file.is_file():
        return None, ""
    config, weights = load_config(folder)
    record = config.exports.get(format)
    if record and record.made_of == describe_origin(weights, config.calibration):
        return record, ""
    reason = "it was made of other weights or an earlier calibration" if record else f"{CONFIG} has no sha256 of it"
    return None, f"{file}: not used, since {reason}. To export it again: {export_command(folder, format)}"


def list_exports(folder):
    """Return the formats whose file in a model folder is of its weights and calibration."""
    return [format for format in EXPORTS if judge_export(folder, format)[0]]


def export_command(folder, format):
    """Return the command line that writes an export into its model folder."""
    file = Path(folder) / EXPORTS[format]
    return shlex.join(["python", "-m", "fer", "export", str(folder), "--format", format, "--output", str(file)])


def read_export(path, record):
    """Read an export, if its file is the one that was recorded.

    Args:
        path: of the file.
        record: its `ExportRecord`.

    Returns:
        All of its bytes.

    Raises:
        ModelFolderError: if it is another file.
    """
    advice = f" by {CONFIG}; export it again, or delete it"
    check_measure(path, "bytes", record.size, Path(path).stat().st_size, advice)
    content = Path(path).read_bytes()
    check_measure(path, "sha256", record.sha256, hashlib.sha256(content).hexdigest(), advice)
    return content
