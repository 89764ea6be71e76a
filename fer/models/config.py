"""`config.json` of a model folder: read it with every value checked, and change it.

The document holds the format version, the network and its options, the image size, the labels in order, size and sha256
of the weights and of the exports, the calibration, and how the network was trained.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fer.errors import UserError
from fer.labels import check_classes
from fer.models.calibration import UNCALIBRATED, Calibration
from fer.models.networks import build_network, find_network
from fer.outputs import write_json
from fer.paths import StrPath

FORMAT_VERSION = 1
"""Version of the format of `config.json`."""
CONFIG = "config.json"
"""File name of the document in a model folder."""
WEIGHTS = "model.weights.h5"
"""File name of the weights in a model folder."""
EXPORTS = {"onnx": "model.onnx", "litert": "model.tflite"}
"""File names of the exports in a model folder, by format."""
KINDS = {"network": str, "options": dict, "image_size": int, "labels": list, "weights": dict, "training": dict}
"""Types of the required values of the document, by key."""
FACTS = {
    **dict.fromkeys(("data", "start", "model", "weights", "teachers", "mean_of", "training"), dict),
    "models": list,
    **dict.fromkeys(("name", "sha256", "license", "command"), str),
}
"""Types of values in the facts about a training, and in the facts in these, by key; each may be missing or null."""
NEEDED = {"data": "name", "teachers": "models", "mean_of": "models"}
"""Keys that some of the `FACTS` must have."""


class ModelFolderError(UserError):
    """A folder that does not hold a usable model."""


@dataclass(frozen=True)
class WeightsRecord:
    """Record of the weights in `config.json`, with which their file is compared before anything opens it.

    size: size of the file in bytes.
    sha256: digest of the file, 64 hexadecimal digits.
    """

    size: int
    sha256: str


UNSAVED = WeightsRecord(0, "")
"""Record of a network that has not been saved; it fits no file."""


@dataclass(frozen=True)
class ExportRecord:
    """Record of an export in `config.json`, with which its file is compared before anything opens it.

    size: size of the file in bytes.
    sha256: digest of the file, 64 hexadecimal digits.
    made_of: weights and calibration that it was made from, as `describe_origin` describes them.
    quantized: whether its weights are float16.
    """

    size: int
    sha256: str
    made_of: str
    quantized: bool = False


@dataclass(frozen=True)
class ModelConfig:
    """Configuration of a model: how to build its network and how to interpret its output.

    network: name of a registered network (`fer.models.networks`).
    labels: names of the outputs, in order.
    image_size: side of the square grey input in pixels.
    options: arguments of the network's function except `image_size` and `classes`.
    training: facts about the training, for the model card; not needed for loading.
    calibration: `Calibration` to apply to the output of the network.
    exports: `ExportRecord`s of the exports, by format.
    weights: `WeightsRecord` of the file of the weights.
    """

    network: str
    labels: tuple[str, ...]
    image_size: int
    options: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration = UNCALIBRATED
    exports: dict[str, ExportRecord] = field(default_factory=dict)
    weights: WeightsRecord = UNSAVED

    def build(self) -> Any:
        """Build the Keras network with fresh weights."""
        return build_network(self.network, self.image_size, len(self.labels), **self.options)


def describe_origin(config: ModelConfig) -> str:
    """Return a text that identifies the weights and the calibration of a model, from which an export is made.

    An export contains all of the calibration except the threshold.
    """
    calibration = config.calibration
    origin = f"weights {config.weights.sha256}, temperature {calibration.temperature}"
    if calibration.prior_exponent:
        origin += f", class shares {list(calibration.class_shares)} to the {calibration.prior_exponent}"
    return origin


def load_config(folder: StrPath) -> ModelConfig:
    """Read `config.json` of a model folder and check its values.

    Raises:
        ModelFolderError: if the file is missing or a value is not valid.
    """
    path = Path(folder) / CONFIG
    document = _read_document(folder, path)
    size, enlarged = document["image_size"], document["options"].get("enlarged")
    if type(size) is not int or type(enlarged) not in (int, type(None)):  # A bool is an int too.
        raise ModelFolderError(
            f"{path}: `image_size` and `enlarged` must be integers. Received: {size!r}, {enlarged!r}"
        )
    try:
        network = find_network(document["network"])
        network.check_size(size, enlarged)
    except UserError as error:
        raise ModelFolderError(f"{path}: {error}") from None
    labels = _check_labels(path, document["labels"])
    _check_facts(path, document["training"])
    return ModelConfig(
        network=network.name,
        labels=labels,
        image_size=size,
        options=document["options"],
        training=document["training"],
        # Folders of earlier versions have neither key.
        calibration=_parse_calibration(path, document.get("calibration", describe_calibration(UNCALIBRATED)), labels),
        exports=_parse_exports(path, document.get("exports", {})),
        weights=_parse_weights(path, document["weights"]),
    )


def save_calibration(folder: StrPath, calibration: Calibration) -> None:
    """Write a `Calibration` into the `config.json` of a model folder; all other values stay as they are."""
    change_document(folder, calibration=describe_calibration(calibration))


def change_document(folder: StrPath, **changes: Any) -> None:
    """Replace values of `config.json`, by key. If it is interrupted, the earlier document stays complete."""
    document = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    write_document(folder, {**document, **changes})


def write_document(folder: StrPath, document: dict[str, Any]) -> None:
    """Write `config.json` of a model folder."""
    write_json(Path(folder) / CONFIG, document)


def describe_calibration(calibration: Calibration) -> dict[str, Any]:
    """Return a `Calibration` as a JSON object; without class shares it is one that earlier versions can read."""
    document = asdict(calibration)
    return document if calibration.class_shares else {key: document[key] for key in ("temperature", "threshold")}


def describe_exports(exports: dict[str, ExportRecord]) -> dict[str, Any]:
    """Return export records as a JSON object whose keys are in the order of `EXPORTS`."""
    return {format: {"file": EXPORTS[format], **asdict(exports[format])} for format in EXPORTS if format in exports}


def _read_document(folder, path):
    """Return the document of a `config.json` after checking its version and the types of `KINDS`."""
    if not path.is_file():
        lacking = f"{CONFIG} is missing" if Path(folder).is_dir() else "there is no such folder"
        raise ModelFolderError(f"{folder}: a model folder holds {CONFIG} and {WEIGHTS}; {lacking}.")
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
    """Return the labels as a tuple; raise a `ModelFolderError` unless `check_classes` accepts them in this order."""
    try:
        in_order = check_classes(labels)
    except ValueError as error:
        raise ModelFolderError(f"{path}: `labels`: {error}") from None
    if list(in_order) != labels:
        raise ModelFolderError(f"{path}: `labels` must be in the order {in_order}. Received: {labels}")
    return in_order


def _check_facts(path, facts):
    """Raise a `ModelFolderError` unless the facts about a training have the types of `FACTS`."""
    for key, kind in FACTS.items():
        value = facts.get(key)
        if value is None:
            continue
        parts = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
        wrong = not isinstance(value, kind) or not all(isinstance(part, dict) for part in parts)
        if wrong or key in NEEDED and value.get(NEEDED[key]) is None:
            needed = f" with `{NEEDED[key]}`" if key in NEEDED else " of JSON dicts" if kind is list else ""
            rule = f"{path}: `{key}` among the facts about a training must be a JSON {kind.__name__}{needed}"
            raise ModelFolderError(f"{rule}. Received: {value!r}")
        for part in parts:
            _check_facts(path, part)


def _parse_weights(path, weights):
    """Return the `WeightsRecord` of a JSON object; raise a `ModelFolderError` unless it has file, size and sha256."""
    kinds = weights.get("file"), type(weights.get("size")), type(weights.get("sha256"))
    if kinds != (WEIGHTS, int, str):
        raise ModelFolderError(f"{path}: `weights` must give file {WEIGHTS}, size and sha256. Received: {weights!r}")
    return WeightsRecord(weights["size"], weights["sha256"])


def _parse_calibration(path, calibration, labels):
    """Return the `Calibration` of a JSON object; raise a `ModelFolderError` if it is not valid."""
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
    """Return the `ExportRecord`s of a JSON object by format; raise a `ModelFolderError` if one is not valid."""
    try:
        return {format: _parse_export(format, entry) for format, entry in exports.items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        rule = f"{path}: `exports` must give file, size, sha256, made_of and quantized of each of {', '.join(EXPORTS)}"
        raise ModelFolderError(f"{rule}. Received: {exports!r}") from None


def _parse_export(format, entry):
    """Return the `ExportRecord` of a JSON object; raise an error that `_parse_exports` catches."""
    file, export = entry["file"], ExportRecord(**{key: value for key, value in entry.items() if key != "file"})
    kinds = (type(export.size), type(export.sha256), type(export.made_of), type(export.quantized))
    if file != EXPORTS[format] or kinds != (int, str, str, bool):
        raise ValueError
    return export
