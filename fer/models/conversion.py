"""Conversion of a model folder that has no LiteRT file. Keras on TensorFlow does it once, in a child process.

Recognition never imports Keras. If Keras and TensorFlow are installed, `python -m fer export` runs as a child process
and writes into a cache with one folder per model: `model.tflite`, and a `config.json` that records its size and sha256.
Otherwise the model folder is refused; the message gives the command to run where Keras is installed.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fer.models.config import CONFIG, EXPORTS, ModelFolderError, describe_origin, load_config
from fer.models.exports import describe_missing, export_command, judge_export
from fer.paths import StrPath
from fer.resources import PACKAGE

PREFIX = "python -m fer export: "
"""Beginning of the line in which the command prints why it failed."""
CACHE = ("facial-expression-recognition", "litert")
"""Path of the cache within the assets cache of huggingface_hub, by default `~/.cache/huggingface/assets`."""


def run_export(folder: StrPath, file: StrPath, quantize: bool = False) -> None:
    """Convert a model folder with `python -m fer export` in a child process, which uses Keras on TensorFlow.

    Args:
        folder: path of the model folder.
        file: path of the LiteRT file to write.
        quantize: whether to store the weights as float16.

    Raises:
        ModelFolderError: if the command fails; the message is the command's own.
    """
    # With -P, no module is imported from the current folder, which may be a model that somebody else made.
    command = [sys.executable, "-P", "-m", "fer", "export", str(Path(folder).absolute())]
    command += ["--format", "litert", "--output", str(file), *["--quantize"] * quantize]
    paths = [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
    # A conversion does not need a GPU, and this process may have reserved its memory.
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    run = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    if run.returncode:
        lines = run.stderr.strip().splitlines() or [f"exit code {run.returncode}"]
        reason = next((line for line in reversed(lines) if line.startswith(PREFIX)), None)
        raise ModelFolderError(
            reason.removeprefix(PREFIX) if reason else f"{folder}: the conversion to LiteRT failed: {lines[-1]}"
        )


def convert_once(folder: StrPath) -> Path:
    """Return the folder in the cache with the LiteRT file of a model; convert the model if the cache does not have it.

    Two processes may convert the same model at the same time: each writes into a temporary folder, and the first one
    that is finished takes the place in the cache.

    Args:
        folder: path of a model folder without a LiteRT file of its weights and calibration.

    Raises:
        ModelFolderError: if it cannot be converted here, with the command to run elsewhere, or if it changes meanwhile.
    """
    cached = _find_cached(load_config(folder))
    if not cached.is_dir():
        _convert(Path(folder), cached)
    return cached


def _find_cached(config):
    """Return the path of a model's folder in the cache; its name is a digest of all that affects the LiteRT file."""
    from huggingface_hub import constants

    facts = [describe_origin(config), config.network, config.options, config.image_size, config.labels]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return Path(constants.HF_ASSETS_CACHE, *CACHE, digest)


def _convert(folder, cached):
    """Convert a model folder into its folder in the cache, which does not exist yet."""
    file = EXPORTS["litert"]
    if missing := describe_missing("litert"):
        raise ModelFolderError(
            f"{folder}: photos are answered from {file}, and the folder has none of its weights and calibration. "
            f"Making it needs {missing}. Where they are: {export_command(folder, 'litert')}"
        )
    print(f"{folder}: it has no {file} that fits, so it is converted once, into {cached}", file=sys.stderr)
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cached.parent) as staging:
            complete = Path(staging, cached.name)
            complete.mkdir()
            shutil.copyfile(folder / CONFIG, complete / CONFIG)
            run_export(folder, complete / file)  # It records the file in the `config.json` beside it, if it fits that.
            if _find_cached(load_config(complete)) != cached or not judge_export(complete, "litert")[0]:
                raise ModelFolderError(f"{folder}: the model changed while it was converted. Try again.")
            try:
                complete.rename(cached)
            except OSError:
                if not cached.is_dir():
                    raise  # Otherwise another process has converted the same model meanwhile.
    except OSError as error:
        reason = error.strerror or error
        raise ModelFolderError(
            f"{cached}: cannot be written: {reason}. To write it beside the weights: {export_command(folder, 'litert')}"
        ) from None
