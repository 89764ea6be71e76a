"""The LiteRT file of a model folder that has none: made once by Keras on TensorFlow, in a process of its own, and kept.

What answers photos never imports Keras. Where Keras and TensorFlow are installed, `python -m fer export` runs as a
child process and its file goes into a cache: one folder per model, `config.json` and `model.tflite`, with the record by
which the file is checked before it is opened. Elsewhere the folder is refused with that command.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fer.errors import UserError
from fer.models.config import CONFIG, EXPORTS, ModelFolderError, describe_origin, load_config
from fer.models.exports import export_command
from fer.resources import install_command

PACKAGES = ("keras", "tensorflow", "ai_edge_litert")
"""Packages that a conversion needs."""
PROJECT = Path(__file__).parents[2]
"""Folder that holds the package `fer`, for a child process that is started elsewhere."""
PREFIX = "python -m fer export: "
"""Beginning of the line in which the command says why it failed."""
CACHE = ("facial-expression-recognition", "litert")
"""Names of the cache's folders within huggingface_hub's cache of assets, `~/.cache/huggingface/assets` by default."""


def find_missing():
    """Return the names of the packages that a conversion needs and that are not installed here."""
    return [name for name in PACKAGES if not importlib.util.find_spec(name)]


def check_conversion():
    """Make sure, before any work is done, that a model can be converted here.

    Raises:
        UserError: with the packages that are missing.
    """
    if missing := find_missing():
        raise UserError(
            f"An export to litert needs {', '.join(missing)}, not installed here: {install_command('train')}"
        )


def find_backend():
    """Return the name of Keras' backend, by Keras or, where it is not loaded yet, by its settings."""
    if "keras" in sys.modules:
        return sys.modules["keras"].backend.backend()
    settings = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    try:
        configured = json.loads(settings.read_text()).get("backend")
    except (OSError, ValueError, AttributeError):
        configured = None
    return os.environ.get("KERAS_BACKEND") or configured or "tensorflow"


def run_export(folder, file, quantize=False):
    """Convert a model folder with `python -m fer export` in a process of its own, whatever Keras' backend is here.

    Args:
        folder: path of the model folder.
        file: path of the LiteRT file to write.
        quantize: store the weights as float16.

    Raises:
        ModelFolderError: with the command's own sentence, where it fails.
    """
    command = [sys.executable, "-m", "fer", "export", str(Path(folder).absolute())]
    command += ["--format", "litert", "--output", str(file), *["--quantize"] * quantize]
    paths = [str(PROJECT), os.environ.get("PYTHONPATH", "")]
    # A conversion needs no GPU, whose memory this process may hold.
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    run = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if run.returncode:
        lines = run.stderr.strip().splitlines() or [f"exit code {run.returncode}"]
        reason = next((line for line in reversed(lines) if line.startswith(PREFIX)), None)
        raise ModelFolderError(
            reason.removeprefix(PREFIX) if reason else f"{folder}: the conversion to LiteRT failed: {lines[-1]}"
        )


def convert_once(folder):
    """Return the cache's folder with the LiteRT file of a model folder; convert it where the cache has none.

    Two processes may convert the same model at once: each writes a folder of its own, and the first whole one stays.

    Args:
        folder: path of the model folder, whose own LiteRT file is missing or does not fit.

    Raises:
        ModelFolderError: where it cannot be converted here, with the command that does it elsewhere.
    """
    config, weights = load_config(folder)
    place = _find_place(config, weights)
    if not place.is_dir():
        _convert(Path(folder), place)
    return place


def _find_place(config, weights):
    """Return the path of a model's folder in the cache, called after all that its LiteRT file is made of."""
    from huggingface_hub import constants

    origin = describe_origin(weights, config.calibration)
    facts = [origin, config.network, config.options, config.image_size, config.labels]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return Path(constants.HF_ASSETS_CACHE, *CACHE, digest)


def _convert(folder, place):
    file = EXPORTS["litert"]
    if missing := find_missing():
        raise ModelFolderError(
            f"{folder}: photos are answered from {file}, and the folder has none of its weights and calibration. "
            f"Making it needs {', '.join(missing)}, not installed here ({install_command('train')}); "
            f"where they are: {export_command(folder, 'litert')}"
        )
    print(f"{folder}: it has no {file} that fits, so it is converted once, into {place}", file=sys.stderr)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as staging:
            whole = Path(staging, place.name)
            whole.mkdir()
            shutil.copyfile(folder / CONFIG, whole / CONFIG)
            run_export(folder, whole / file)  # Records the file in the `config.json` beside it.
            try:
                whole.rename(place)
            except OSError:
                if not place.is_dir():
                    raise  # Otherwise another process was faster.
    except OSError as error:
        reason = error.strerror or error
        raise ModelFolderError(
            f"{place}: cannot be written: {reason}. To write it beside the weights: {export_command(folder, 'litert')}"
        ) from None
