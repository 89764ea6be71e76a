"""The model folder: what training writes, the repository bundles and the Hub holds.

    model.weights.h5   weights alone, without optimizer state
    config.json        see `fer.models.config`
    model.tflite       export from which photos are answered (`fer.recognition.litert_network`)
    metrics.json       figures of `fer.evaluation.report` on the validation split
    figures/           learning curves, confusion matrix, reliability, risk and coverage
    README.md          the model card
    history.csv        the log of training, one row per epoch
    logs/              the same for TensorBoard
    model.onnx         export (`fer.export.convert`), where it was asked for

Loading builds the network in code and checks size, sha256 and labels before Keras opens the weights or LiteRT its file;
nothing that a file says is ever executed. Keras is imported where a network is loaded or saved: who answers from
`model.tflite` needs none.
"""

import csv
import hashlib
import inspect
import json
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from fer.errors import UserError
from fer.models.config import (
    CONFIG,
    EXPORTS,
    FORMAT_VERSION,
    WEIGHTS,
    ModelConfig,
    ModelFolderError,
    describe_exports,
    load_config,
    write_document,
)
from fer.models.networks import find_network
from fer.outputs import written_whole

METRICS = "metrics.json"
FIGURES = "figures"
CARD = "README.md"
HISTORY = "history.csv"
LOGS = "logs"
BUNDLED = Path(__file__).parent / "bundled"


def find_model(name: str | os.PathLike[str]) -> Path:
    """Return the folder that a command line or `FER_MODEL` names: `bundled` is the repository's own."""
    return BUNDLED if str(name) == "bundled" else Path(name)


def list_files(folder):
    """Return the paths that the files of a model folder have, whether they are there or not."""
    names = (WEIGHTS, CONFIG, METRICS, CARD, HISTORY, *EXPORTS.values())
    return [Path(folder) / name for name in names]


def save_model(folder, network, config):
    """Write the weights and `config.json` of a Keras network to `folder`, which exists.

    The weights are stored as float16: half the size to bundle and to download, and probabilities of the bundled network
    that differ by less than 0.002. Where one is too large for it, as the variance of unscaled pixels may be, they are
    stored as float32. What is measured afterwards is the stored network.
    """
    folder = Path(folder)
    weights = network.get_weights()
    small = all(np.abs(array).max() <= np.finfo(np.float16).max for array in weights)
    stored = _build(config, "float16" if small else "float32")
    stored.set_weights(weights)
    with written_whole(folder / WEIGHTS) as file:
        stored.save_weights(file)
    content = (folder / WEIGHTS).read_bytes()
    signature = inspect.signature(find_network(config.network).build).parameters.values()
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
            document["exports"] = describe_exports(earlier)
    write_document(folder, document)


def load_model(folder: str | os.PathLike[str]) -> tuple[Any, ModelConfig]:
    """Load the Keras network of a model folder, to train, measure or export it.

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
        with warnings.catch_warnings():
            # Of a file that leaves layers without weights Keras warns, and then raises an error that says so.
            warnings.filterwarnings("ignore", "Skipping nested container")
            network.load_weights(folder / WEIGHTS)
    except (OSError, ValueError, KeyError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise ModelFolderError(f"{folder / WEIGHTS}: not the weights of a {config.network}: {first_line}") from None
    # TensorFlow's own kernels answer at once; XLA would compile for seconds, for every number of faces anew.
    network.compile(jit_compile="auto" if keras.backend.backend() == "jax" else False)
    return network, config


def load_metrics(folder, user):
    """Read the figures of a model folder, `metrics.json`, as a dict.

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
    """Make sure that a model folder's weights are those of its `config.json`.

    Args:
        folder: path of the model folder.
        expected: the weights' `{"size", "sha256"}`, of `load_config`.

    Raises:
        ModelFolderError: if they are not.
    """
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise ModelFolderError(f"{path.parent}: a model folder holds {CONFIG} and {WEIGHTS}; {WEIGHTS} is missing.")
    check_measure(path, "bytes", expected["size"], path.stat().st_size)
    with path.open("rb") as file:
        check_measure(path, "sha256", expected["sha256"], hashlib.file_digest(file, "sha256").hexdigest())


def check_measure(path, measure, expected, received, advice=""):
    """Refuse a file whose size in bytes or sha256 is not the one expected of it."""
    if received != expected:
        wanted = f"{expected} bytes" if measure == "bytes" else f"sha256 {expected}"
        raise ModelFolderError(f"{path}: {wanted} expected{advice}. Received: {received}")


def _build(config, policy):
    """Build the network with a dtype policy, and put the one in force back."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return config.build()
    finally:
        keras.config.set_dtype_policy(before)


def read_history(folder):
    """Return the CSV log of `fit` as a list of dicts of floats, one per epoch; empty if there is none."""
    path = Path(folder) / HISTORY
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
