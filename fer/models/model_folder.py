"""The model folder: what training writes, the repository bundles and the Hub holds.

    model.weights.h5   weights alone, without optimizer state
    config.json        format version, network and its options, image size, labels in order, size and sha256 of the
                       weights and of the exports, calibration, how it was trained
    metrics.json       figures of `fer.evaluation.report` on the validation split
    figures/           learning curves, confusion matrix, reliability, risk and coverage
    README.md          the model card
    history.csv        the log of training, an epoch a row
    logs/              the same for TensorBoard
    model.onnx, model.tflite  exports (`fer.export.convert`), where they were asked for;
    `fer.recognition.litert_network` answers from the latter

Loading builds the network in code and checks size, sha256 and labels before Keras opens the weights or LiteRT its file;
nothing that a file says is ever executed. Keras is imported where a network is built or saved: who answers from an
export needs none.
"""

import csv
import hashlib
import inspect
import json
import os
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fer.documents import to_json
from fer.errors import UserError
from fer.labels import check_classes
from fer.models.calibration import UNCALIBRATED, Calibration
from fer.models.sizes import SIZES
from fer.outputs import write_text, written_whole

FORMAT_VERSION = 1
WEIGHTS = "model.weights.h5"
CONFIG = "config.json"
METRICS = "metrics.json"
FIGURES = "figures"
CARD = "README.md"
HISTORY = "history.csv"
LOGS = "logs"
EXPORTS = {"onnx": "model.onnx", "litert": "model.tflite"}
"""The file of each format that a model can be exported to."""
BUNDLED = Path(__file__).parent / "bundled"


class ModelFolderError(UserError):
    """A folder that does not hold a usable model."""


def describe_origin(weights, calibration):
    """Of what an export is made, as text.

    Args:
        weights: `{"size", "sha256"}`, of `load_config`.
        calibration: `fer.models.calibration.Calibration`; all of it but the threshold is in the file.
    """
    origin = f"weights {weights['sha256']}, temperature {calibration.temperature}"
    if calibration.prior_exponent:
        origin += f", class shares {list(calibration.class_shares)} to the {calibration.prior_exponent}"
    return origin


@dataclass(frozen=True)
class ExportRecord:
    """What `config.json` records of an export, so that its file is checked before anything opens it.

    size: of the file in bytes.
    sha256: of the file, 64 hexadecimal digits.
    made_of: what it was made of, as `describe_origin` gives it.
    quantized: whether its weights are float16.
    """

    size: int
    sha256: str
    made_of: str
    quantized: bool = False


# Of a file that leaves layers without weights Keras warns, and then raises an error that says so.
warnings.filterwarnings("ignore", "Skipping nested container", module="keras")


@dataclass(frozen=True)
class ModelConfig:
    """What is needed to build a network and to read its answers.

    network: name in `fer.models.networks.NETWORKS`, and so in `fer.training.recipes.SIZES`.
    labels: the outputs' names, in order.
    image_size: side of the grey square input in pixels.
    options: all arguments of the network's function beyond size and classes.
    training: how it was trained; facts for people, not needed for loading.
    calibration: what turns the network's probabilities into those that are shown.
    exports: the `ExportRecord` of each format whose file was recorded.
    """

    network: str
    labels: tuple[str, ...]
    image_size: int
    options: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration = UNCALIBRATED
    exports: dict[str, ExportRecord] = field(default_factory=dict)

    def build(self) -> Any:
        """Return the Keras network with fresh weights."""
        from fer.models.networks import build_network

        return build_network(self.network, self.image_size, len(self.labels), **self.options)


def find_model(name: str | os.PathLike[str]) -> Path:
    """Return the folder that a command line or `FER_MODEL` names: `bundled` is the repository's own."""
    return BUNDLED if str(name) == "bundled" else Path(name)


def list_files(folder):
    """The paths that the files of a model folder have, whether they are there or not."""
    names = (WEIGHTS, CONFIG, METRICS, CARD, HISTORY, *EXPORTS.values())
    return [Path(folder) / name for name in names]


def save_model(folder, network, config):
    """Writes the weights and `config.json` of a Keras network to `folder`, which exists.

    The weights are stored as float16: half the size to bundle and to download, and probabilities of the bundled network
    that differ by less than 0.002. Where one is too large for it, as the variance of unscaled pixels may be, they are
    stored as float32. What is measured afterwards is the stored network.
    """
    from fer.models.networks import NETWORKS

    folder = Path(folder)
    weights = network.get_weights()
    small = all(np.abs(array).max() <= np.finfo(np.float16).max for array in weights)
    stored = _build(config, "float16" if small else "float32")
    stored.set_weights(weights)
    with written_whole(folder / WEIGHTS) as file:
        stored.save_weights(file)
    content = (folder / WEIGHTS).read_bytes()
    signature = inspect.signature(NETWORKS[config.network]).parameters.values()
    defaults = {
        parameter.name: parameter.default for parameter in signature if parameter.default is not parameter.empty
    }
    document = {
        "format_version": FORMAT_VERSION,
        "network": config.network,
        "options": {**defaults, **config.options},
        "image_size": config.image_size,
        "labels": list(config.labels),
        "weights": {"file": WEIGHTS, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()},
        "training": config.training,
    }
    with suppress(ModelFolderError):  # Of a run that was resumed: what its exports were made of tells whether they fit.
        if earlier := load_config(folder)[0].exports:
            document["exports"] = _describe_exports(earlier)
    _write_document(folder, document)


def save_calibration(folder, calibration):
    """Writes a `Calibration` into the `config.json` of a model folder; the rest of it stays as it is."""
    change_document(folder, calibration=_describe_calibration(calibration))


def change_document(folder, **changes):
    """Writes `config.json` anew with other values of some keys; an interruption leaves the earlier one whole."""
    document = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    _write_document(folder, {**document, **changes})


def load_model(folder: str | os.PathLike[str]) -> tuple[Any, ModelConfig]:
    """Load a model folder.

    Args:
        folder: path, or `bundled`.

    Returns:
        The Keras network, float32, and its `ModelConfig`.

    Raises:
        ModelFolderError: with a sentence that says what does not fit.
    """
    import keras

    folder = find_model(folder)
    config, weights = load_config(folder)
    check_weights(folder, weights)
    try:
        network = _build(config, "float32")
    except (TypeError, ValueError) as error:
        raise ModelFolderError(f"{folder / CONFIG}: the network cannot be built: {error}") from None
    try:
        network.load_weights(folder / WEIGHTS)
    except (OSError, ValueError, KeyError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise ModelFolderError(f"{folder / WEIGHTS}: not the weights of a {config.network}: {first_line}") from None
    # TensorFlow's own kernels answer at once; XLA would compile for seconds, for every number of faces anew.
    network.compile(jit_compile="auto" if keras.backend.backend() == "jax" else False)
    return network, config


def load_config(folder: str | os.PathLike[str]) -> tuple[ModelConfig, dict[str, Any]]:
    """Read and check `config.json`: the `ModelConfig`, and the weights' `{"size", "sha256"}`.

    Raises:
        ModelFolderError: with a sentence that says what does not fit.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise ModelFolderError(f"{folder}: a model folder holds {CONFIG} and {WEIGHTS}; {CONFIG} is missing.")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFolderError(f"{path}: no valid JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format_version") != FORMAT_VERSION:
        received = document.get("format_version") if isinstance(document, dict) else document
        raise ModelFolderError(f"{path}: `format_version` must be {FORMAT_VERSION}. Received: {received!r}")
    rules = {"network": str, "options": dict, "image_size": int, "labels": list, "weights": dict, "training": dict}
    for key, kind in rules.items():
        if not isinstance(document.get(key), kind):
            raise ModelFolderError(f"{path}: `{key}` must be a JSON {kind.__name__}. Received: {document.get(key)!r}")
    if document["network"] not in SIZES:
        known = ", ".join(SIZES)
        raise ModelFolderError(f"{path}: `network` must be one of {known}. Received: {document['network']!r}")
    try:
        in_order = check_classes(document["labels"])
    except ValueError as error:
        raise ModelFolderError(f"{path}: `labels`: {error}") from None
    if list(in_order) != document["labels"]:
        raise ModelFolderError(f"{path}: `labels` must be in the order {in_order}. Received: {document['labels']}")
    weights = document["weights"]
    if weights.get("file") != WEIGHTS or not isinstance(weights.get("size"), int) or "sha256" not in weights:
        raise ModelFolderError(f"{path}: `weights` must give file {WEIGHTS}, size and sha256. Received: {weights!r}")
    # Folders of the time before calibration have none.
    calibration = document.get("calibration", _describe_calibration(UNCALIBRATED))
    keys = {"temperature", "threshold", "prior_exponent", "class_shares"}
    if not isinstance(calibration, dict) or not {"temperature", "threshold"} <= set(calibration) <= keys:
        raise ModelFolderError(f"{path}: `calibration` must give temperature and threshold. Received: {calibration!r}")
    shares = calibration.get("class_shares", [])
    if not isinstance(shares, list) or len(shares) not in (0, len(in_order)):
        raise ModelFolderError(f"{path}: `class_shares` must be {len(in_order)} numbers. Received: {shares!r}")
    try:
        calibration = Calibration(**calibration)
    except UserError as error:
        raise ModelFolderError(f"{path}: `calibration`: {error}") from None
    exports = document.get("exports", {})  # Folders of the time before exports were recorded have none.
    try:
        exports = {format: _parse_export(format, entry) for format, entry in exports.items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        rule = f"{path}: `exports` must give file, size, sha256, made_of and quantized of each of {', '.join(EXPORTS)}"
        raise ModelFolderError(f"{rule}. Received: {exports!r}") from None
    config = ModelConfig(
        network=document["network"],
        labels=in_order,
        image_size=document["image_size"],
        options=document["options"],
        training=document["training"],
        calibration=calibration,
        exports=exports,
    )
    return config, weights


def load_metrics(folder, user):
    """Reads the figures of a model folder, `metrics.json`, as a dict.

    Args:
        folder: path of the model folder.
        user: what needs them, for the message where they are missing, such as `a card`.

    Raises:
        UserError: if the file is missing, cannot be read or is no JSON.
    """
    path = Path(folder) / METRICS
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: {user} needs the model's figures; the file is missing.") from None
    except OSError as error:
        raise UserError(f"{path}: {user} needs the model's figures; the file cannot be read: {error}") from None
    except ValueError as error:
        raise UserError(f"{path}: no valid JSON: {error}") from None


def check_weights(folder, expected):
    """Makes sure that a model folder's weights are those of its `config.json`.

    Args:
        folder: path of the model folder.
        expected: the weights' `{"size", "sha256"}`, of `load_config`.

    Raises:
        ModelFolderError: if they are not.
    """
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise ModelFolderError(f"{path.parent}: a model folder holds {CONFIG} and {WEIGHTS}; {WEIGHTS} is missing.")
    _check(path, "bytes", expected["size"], path.stat().st_size)
    with path.open("rb") as file:
        _check(path, "sha256", expected["sha256"], hashlib.file_digest(file, "sha256").hexdigest())


def _check(path, measure, expected, received, advice=""):
    """Refuse a file whose size in bytes or sha256 is not the one expected of it."""
    if received != expected:
        wanted = f"{expected} bytes" if measure == "bytes" else f"sha256 {expected}"
        raise ModelFolderError(f"{path}: {wanted} expected{advice}. Received: {received}")


def _describe_calibration(calibration):
    """A `Calibration` for JSON; without class shares it is what it was before there were any."""
    document = asdict(calibration)
    return document if calibration.class_shares else {key: document[key] for key in ("temperature", "threshold")}


def _write_document(folder, document):
    write_text(Path(folder) / CONFIG, to_json(document, indent=2) + "\n")


def _build(config, policy):
    """Builds the network with a dtype policy, and puts the one in force back."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return config.build()
    finally:
        keras.config.set_dtype_policy(before)


def read_history(folder):
    """The CSV log of `fit` as a list of dicts of floats, one an epoch; empty if there is none."""
    path = Path(folder) / HISTORY
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def _describe_exports(exports):
    return {format: {"file": EXPORTS[format], **asdict(export)} for format, export in exports.items()}


def _parse_export(format, entry):
    """The `ExportRecord` of an entry of `config.json`; an error of some kind where it is none."""
    file, export = entry["file"], ExportRecord(**{key: value for key, value in entry.items() if key != "file"})
    kinds = (type(export.size), type(export.sha256), type(export.made_of), type(export.quantized))
    if file != EXPORTS[format] or kinds != (int, str, str, bool):
        raise ValueError
    return export
