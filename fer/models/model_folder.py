"""The model folder: training writes it, the repository bundles one, and a model repository on the Hub is one.

    model.weights.h5   weights, without optimizer state
    config.json        see `fer.models.config`
    model.tflite       export that recognition runs (`fer.recognition.litert_network`)
    metrics.json       metrics on the validation split, by `fer.evaluation.report`
    figures/           plots: learning curves, confusion matrix, reliability, risk and coverage
    README.md          model card
    history.csv        log of the training, one row per epoch
    logs/              log of the training for TensorBoard
    model.onnx         export, if it was asked for (`fer.export.convert`)

Loading builds the network in code. It checks size, sha256 and labels before Keras opens the weights or LiteRT its
file. Nothing in a model folder is ever executed. Keras is imported only when a network is loaded or saved; recognition
from `model.tflite` does not need it.
"""

import csv
import hashlib
import inspect
import json
import warnings
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from fer.errors import UserError, check
from fer.models.config import (
    CONFIG,
    EXPORTS,
    FORMAT_VERSION,
    WEIGHTS,
    ModelConfig,
    ModelFolderError,
    describe_calibration,
    describe_exports,
    load_config,
    write_document,
)
from fer.models.keras_backend import choose_jit_compile
from fer.models.networks import find_network
from fer.outputs import written_whole
from fer.paths import StrPath, is_inside, real_path

METRICS, CARD, HISTORY = "metrics.json", "README.md", "history.csv"
"""File names of the metrics, the model card and the training log in a model folder."""
FIGURES, LOGS = "figures", "logs"
"""Names of the folders of plots and of TensorBoard's logs in a model folder."""
FORMER_KEYS = {"served_path": "end_to_end", "loader_accuracy": "accuracy_without_scenes"}
"""Keys of the metrics by the names that they had in version 0.2.0."""
BUNDLED = Path(__file__).parent / "bundled"
"""Model folder that comes with the package."""


def find_model(name: StrPath) -> Path:
    """Return the model folder that a command line or `FER_MODEL` names: a path, or `bundled` for the package's own.

    A `Path` is always that of a folder, even of one that is called `bundled`.
    """
    return BUNDLED if name == "bundled" else Path(name)


def check_new_model(name: str, folder: Path) -> None:
    """Raise an error if commands would take the path of a model folder that is to be written for the package's model.

    Args:
        name: name of the option, for the message.
        folder: path of the folder.
    """
    rule = "another path than bundled, which commands take for the package's model"
    check(str(folder) != "bundled", name, rule, folder)


def possible_files(folder: StrPath) -> list[Path]:
    """Return the paths of all files that a model folder may hold, whether they exist or not."""
    names = (WEIGHTS, CONFIG, METRICS, CARD, HISTORY, *EXPORTS.values())
    return [Path(folder) / name for name in names]


def check_links(folder: StrPath, store: StrPath | None = None) -> None:
    """Raise an error if a file of a model folder is a link that leads out of it.

    What it leads to would be published with the folder, or overwritten; somebody else may have made the folder.

    Args:
        folder: path of the model folder.
        store: folder of model folders with links between them, such as the Hub's cache; if the model folder is within
            it, links may lead to its files.

    Raises:
        ModelFolderError: with the path of the link.
    """
    folder = Path(folder)
    around = store if store and is_inside(folder, store) else folder
    parts = folder / FIGURES, folder / LOGS
    # A part that is a link is refused before its files are listed; links within it are not followed.
    for path in chain(possible_files(folder), parts, *(part.rglob("*") for part in parts)):
        if path.is_symlink() and not is_inside(path, around):
            rule = "a model folder is published, or written to, only if its files lie in it"
            raise ModelFolderError(f"{path}: {rule}. Received: a link to {real_path(path)}")


def save_model(folder: StrPath, network: Any, config: ModelConfig) -> None:
    """Write the weights and the `config.json` of a Keras network.

    A file of the same weights is not written again: its bytes would be others, by the names that Keras gives layers.

    The weights are stored as float16, which halves the file and changes the probabilities of the bundled network by
    less than 0.002. They are stored as float32 if one exceeds the range of float16, as the variance of unscaled pixels
    may do.

    Args:
        folder: path of an existing folder.
        network: Keras network; it is not changed.
        config: its `ModelConfig`; the records of the weights and of the exports are not taken from it.
    """
    folder = Path(folder)
    weights = network.get_weights()
    fits_half = all(np.abs(array).max() <= np.finfo(np.float16).max for array in weights)
    stored = _build(config, "float16" if fits_half else "float32")
    stored.set_weights(weights)
    if not _is_saved(folder, stored.get_weights()):
        with written_whole(folder / WEIGHTS) as file:
            stored.save_weights(file)
    content = (folder / WEIGHTS).read_bytes()
    document = {
        "format_version": FORMAT_VERSION,
        "network": config.network,
        "options": {**_default_options(config.network), **config.options},
        "image_size": config.image_size,
        "labels": list(config.labels),
        "weights": {"file": WEIGHTS, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()},
        "training": config.training,
        "calibration": describe_calibration(config.calibration),
    }
    # A resumed run keeps the records of earlier exports, which show that these were made from other weights.
    with suppress(ModelFolderError):
        if earlier := load_config(folder).exports:
            document["exports"] = describe_exports(earlier)
    write_document(folder, document)


def _is_saved(folder, weights):
    """Return whether the weights file of a model folder holds these weights, a list of arrays."""
    try:
        saved = load_model(folder)[0].get_weights()
    except ModelFolderError:
        return False
    return len(saved) == len(weights) and all(map(np.array_equal, saved, weights))


def load_model(folder: StrPath) -> tuple[Any, ModelConfig]:
    """Load the Keras network of a model folder, to train, measure or export it.

    Args:
        folder: path of a model folder, or `bundled`.

    Returns:
        The Keras network, float32, and its `ModelConfig`.

    Raises:
        ModelFolderError: if a file is missing, damaged or not valid; the message says which and why.
    """
    folder = find_model(folder)
    config = load_config(folder)
    check_weights(folder, config)
    import keras  # noqa: F401  Before the block: that a backend is not installed is no fault of the folder.

    try:
        network = _build(config, "float32")
    except (TypeError, ValueError) as error:
        raise ModelFolderError(f"{folder / CONFIG}: the network cannot be built: {error}") from None
    try:
        with warnings.catch_warnings():
            # If layers get no weights from the file, Keras warns first, and then raises an error for the same reason.
            warnings.filterwarnings("ignore", "Skipping nested container")
            network.load_weights(folder / WEIGHTS)
    except (OSError, ValueError, KeyError, RuntimeError) as error:  # The last one is what h5py raises for some damage.
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelFolderError(f"{folder / WEIGHTS}: not the weights of a {config.network}: {first_line}") from None
    network.compile(jit_compile=choose_jit_compile())
    return network, config


def load_metrics(folder: StrPath, purpose: str) -> dict[str, Any]:
    """Return the content of `metrics.json` of a model folder, with the keys of today.

    Args:
        folder: path of the model folder.
        purpose: what needs the metrics, for the error message, such as `a card`.

    Raises:
        UserError: if the file is missing, unreadable or not a JSON object.
    """
    path = Path(folder) / METRICS
    if path.exists() and not path.is_file():  # A device has no end.
        raise UserError(f"{path}: {purpose} needs the model's figures; it must be a file.")
    try:
        metrics = json.loads(path.read_text(), object_pairs_hook=_rename)
    except FileNotFoundError:
        raise UserError(f"{path}: {purpose} needs the model's figures; the file is missing.") from None
    except OSError as error:
        raise UserError(f"{path}: {purpose} needs the model's figures; the file cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: no valid JSON: {error}") from None
    if not isinstance(metrics, dict):
        raise UserError(f"{path}: must be a JSON object. Received: a JSON {type(metrics).__name__}")
    return metrics


def _rename(pairs):
    return {FORMER_KEYS.get(key, key): value for key, value in pairs}


def check_weights(folder: StrPath, config: ModelConfig) -> None:
    """Raise an error unless the weights of a model folder have the size and sha256 of its `config.json`.

    Args:
        folder: path of the model folder.
        config: `ModelConfig` of the folder, as `load_config` returns it.

    Raises:
        ModelFolderError: if the file is missing, or its size or sha256 differs.
    """
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise ModelFolderError(f"{path.parent}: a model folder holds {CONFIG} and {WEIGHTS}; {WEIGHTS} is missing.")
    check_measure(path, "bytes", config.weights.size, path.stat().st_size)
    with path.open("rb") as file:
        check_measure(path, "sha256", config.weights.sha256, hashlib.file_digest(file, "sha256").hexdigest())


def check_measure(path: StrPath, measure: str, expected: object, received: object, advice: str = "") -> None:
    """Raise an error unless the size or the sha256 of a file is the expected one.

    Args:
        path: path of the file, for the message.
        measure: `bytes` or `sha256`.
        expected: expected value.
        received: measured value.
        advice: words that the message adds after the expected value.

    Raises:
        ModelFolderError: if the values differ.
    """
    if received != expected:
        wanted = f"{expected} bytes" if measure == "bytes" else f"sha256 {expected}"
        raise ModelFolderError(f"{path}: {wanted} expected{advice}. Received: {received}")


def _default_options(name):
    """Return the defaults of the options of a network's function, by name."""
    parameters = inspect.signature(find_network(name).build).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty}


def _build(config, policy):
    """Build the network of a `ModelConfig` with a dtype policy; Keras' global policy stays as it was."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return config.build()
    finally:
        keras.config.set_dtype_policy(before)


def read_history(folder: StrPath) -> list[dict[str, float]]:
    """Return the training log of a model folder, one dict per epoch; an empty list if there is none.

    A row that was cut, because the disk was full or the process was killed, is left out.
    """
    path = Path(folder) / HISTORY
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        whole = [row for row in csv.DictReader(file) if None not in row.values() and all(row.values())]
        return [{name: float(value) for name, value in row.items()} for row in whole]
