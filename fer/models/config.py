"""`config.json` of a model folder: read with every value checked, and changed.

It holds the format version, the network and its options, the image size, the labels in order, size and sha256 of the
weights and of the exports, the calibration, and how the network was trained.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fer.documents import to_json
from fer.errors import UserError
from fer.labels import check_classes
from fer.models.calibration import UNCALIBRATED, Calibration
from fer.models.networks import build_network, find_network
from fer.outputs import write_text

FORMAT_VERSION = 1
CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
EXPORTS = {"onnx": "model.onnx", "litert": "model.tflite"}
"""File names of the formats that a model can be exported to."""
KINDS = {"network": str, "options": dict, "image_size": int, "labels": list, "weights": dict, "training": dict}
"""Types of the values that every document has, by key."""


class ModelFolderError(UserError):
    """A folder that does not hold a usable model."""


@dataclass(frozen=True)
class ExportRecord:
    """What `config.json` records of an export, so that its file is checked before anything opens it.

    size: size of the file in bytes.
    sha256: digest of the file, 64 hexadecimal digits.
    made_of: what it was made of, as `describe_origin` gives it.
    quantized: whether its weights are float16.
    """

    size: int
    sha256: str
    made_of: str
    quantized: bool = False


@dataclass(frozen=True)
class ModelConfig:
    """What is needed to build a network and to read its answers.

    network: name of a registered network (`fer.models.networks`).
    labels: names of the outputs, in order.
    image_size: side of the grey square input in pixels.
    options: all arguments of the network's function beyond size and classes.
    training: how it was trained; facts for people, not needed for loading.
    calibration: `Calibration` that turns the network's probabilities into those that are shown.
    exports: `ExportRecord` of each format whose file was recorded.
    """

    network: str
    labels: tuple[str, ...]
    image_size: int
    options: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration = UNCALIBRATED
    exports: dict[str, ExportRecord] = field(default_factory=dict)

    def build(self) -> Any:
        """Build the Keras network with fresh weights."""
        return build_network(self.network, self.image_size, len(self.labels), **self.options)


def describe_origin(weights, calibration):
    """Describe what an export is made of, as text.

    Args:
        weights: `{"size", "sha256"}`, of `load_config`.
        calibration: `Calibration`; all of it but the threshold is in the file.
    """
    origin = f"weights {weights['sha256']}, temperature {calibration.temperature}"
    if calibration.prior_exponent:
        origin += f", class shares {list(calibration.class_shares)} to the {calibration.prior_exponent}"
    return origin


def load_config(folder: str | os.PathLike[str]) -> tuple[ModelConfig, dict[str, Any]]:
    """Read and check `config.json`.

    Returns:
        The `ModelConfig`, and `{"size", "sha256"}` of the weights.

    Raises:
        ModelFolderError: with a sentence that says what does not fit.
    """
    path = Path(folder) / CONFIG
    document = _read_document(folder, path)
    try:
        network = find_network(document["network"])
    except UserError as error:
        raise ModelFolderError(f"{path}: {error}") from None
    labels = _check_labels(path, document["labels"])
    config = ModelConfig(
        network=network.name,
        labels=labels,
        image_size=document["image_size"],
        options=document["options"],
        training=document["training"],
        # Folders of the time before calibration, and before exports were recorded, have none.
        calibration=_parse_calibration(path, document.get("calibration", describe_calibration(UNCALIBRATED)), labels),
        exports=_parse_exports(path, document.get("exports", {})),
    )
    return config, _check_weights_entry(path, document["weights"])


def save_calibration(folder, calibration):
    """Write a `Calibration` into the `config.json` of a model folder; the rest of it stays as it is."""
    change_document(folder, calibration=describe_calibration(calibration))


def change_document(folder, **changes):
    """Write `config.json` anew with other values of some keys; an interruption leaves the earlier one whole."""
    document = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    write_document(folder, {**document, **changes})


def write_document(folder, document):
    """Write a document to `config.json`."""
    write_text(Path(folder) / CONFIG, to_json(document, indent=2) + "\n")


def describe_calibration(calibration):
    """Return a `Calibration` for JSON; without class shares it is what it was before there were any."""
    document = asdict(calibration)
    return document if calibration.class_shares else {key: document[key] for key in ("temperature", "threshold")}


def describe_exports(exports):
    """Return export records for JSON, always in the same order."""
    return {format: {"file": EXPORTS[format], **asdict(exports[format])} for format in EXPORTS if format in exports}


def _read_document(folder, path):
    """Return the document, each value of `KINDS` of its type."""
    if not path.is_file():
        raise ModelFolderError(f"{folder}: a model folder holds {CONFIG} and {WEIGHTS}; {CONFIG} is missing.")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFolderError(f"{path}: no valid JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format_version") != FORMAT_VERSION:
        received = document.get("format_version") if isinstance(document, dict) else document
        raise ModelFolderError(f"{path}: `format_version` must be {FORMAT_VERSION}. Received: {received!r}")
    for key, kind in KINDS.items():
        if not isinstance(document.get(key), kind):
            raise ModelFolderError(f"{path}: `{key}` must be a JSON {kind.__name__}. Received: {document.get(key)!r}")
    return document


def _check_labels(path, labels):
    try:
        in_order = check_classes(labels)
    except ValueError as error:
        raise ModelFolderError(f"{path}: `labels`: {error}") from None
    if list(in_order) != labels:
        raise ModelFolderError(f"{path}: `labels` must be in the order {in_order}. Received: {labels}")
    return in_order


def _check_weights_entry(path, weights):
    if weights.get("file") != WEIGHTS or not isinstance(weights.get("size"), int) or "sha256" not in weights:
        raise ModelFolderError(f"{path}: `weights` must give file {WEIGHTS}, size and sha256. Received: {weights!r}")
    return weights


def _parse_calibration(path, calibration, labels):
    known = {"temperature", "threshold", "prior_exponent", "class_shares"}
    if not isinstance(calibration, dict) or not {"temperature", "threshold"} <= set(calibration) <= known:
        raise ModelFolderError(f"{path}: `calibration` must give temperature and threshold. Received: {calibration!r}")
    shares = calibration.get("class_shares", [])
    if not isinstance(shares, list) or len(shares) not in (0, len(labels)):
        raise ModelFolderError(f"{path}: `class_shares` must be {len(labels)} numbers. Received: {shares!r}")
    try:
        return Calibration(**calibration)
    except UserError as error:
        raise ModelFolderError(f"{path}: `calibration`: {error}") from None


def _parse_exports(path, exports):
    try:
        return {format: _parse_export(format, entry) for format, entry in exports.items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        rule = f"{path}: `exports` must give file, size, sha256, made_of and quantized of each of {', '.join(EXPORTS)}"
        raise ModelFolderError(f"{rule}. Received: {exports!r}") from None


def _parse_export(format, entry):
    """Return the `ExportRecord` of an entry; raise an error of some kind where it is none."""
    file, export = entry["file"], ExportRecord(**{key: value for key, value in entry.items() if key != "file"})
    kinds = (type(export.size), type(export.sha256), type(export.made_of), type(export.quantized))
    if file != EXPORTS[format] or kinds != (int, str, str, bool):
        raise ValueError
    return export
