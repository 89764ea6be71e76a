"""Settings of the browser's module: one JSON document with all numbers that it shares with the Python code."""

import hashlib
import json
from pathlib import Path
from typing import Any

from fer.detection import alignment, blazeface, tracking
from fer.labels import class_colors
from fer.paths import StrPath, name_of
from fer.recognition.litert_network import LiteRTFile, read_litert_file
from fer.recognition.recognizer import MAX_FACES, MAX_TRACKED
from fer.web.shapes import find_shapes
from fer.web.vendor import MANIFEST, RUNTIME

DETECTORS = {"near": blazeface.NEAR, "far": blazeface.FAR}
"""Paths of the detector's networks, by their name in the module."""


def build_settings(
    folder: StrPath = "bundled", model: str | None = None, litert_file: LiteRTFile | None = None
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the settings, and the files of the networks that they name.

    Args:
        folder: path of a model folder, or `bundled`.
        model: name of the model in answers; by default that of the folder.
        litert_file: LiteRT file to use; by default that of the folder.

    Returns:
        The settings as a JSON object, and the content of each network by its path in the settings.

    Raises:
        ModelFolderError: if the folder has no LiteRT file that belongs to its weights and calibration.
    """
    file = litert_file or read_litert_file(folder, convert=False)
    config, content = file.config, file.content
    networks = {f"networks/{name}.tflite": file.read_bytes() for name, file in DETECTORS.items()}
    networks["networks/expressions.tflite"] = content
    document = {
        "model": {
            "name": model or name_of(folder),
            "labels": list(config.labels),
            "image_size": config.image_size,
            "threshold": config.calibration.threshold,
        },
        "colors": class_colors(config.labels),
        "networks": {Path(path).stem: {"file": path, **_describe(content)} for path, content in networks.items()},
        "detection": {
            "min_score": blazeface.MIN_SCORE,
            "min_closer_score": blazeface.MIN_CLOSER_SCORE,
            "min_confident_score": blazeface.MIN_CONFIDENT_SCORE,
            "max_overlap": blazeface.MAX_OVERLAP,
            "max_inside": blazeface.MAX_INSIDE,
            "field": blazeface.FAR_SIDE,
            "min_region": blazeface.MIN_REGION,
            "sides": [[least, side] for least, side in blazeface.FAR_SIDES.items()],
            "max_work": blazeface.MAX_WORK,
            "max_candidates": blazeface.MAX_CANDIDATES,
            "max_closer_face": blazeface.MAX_CLOSER_FACE,
            "cells": blazeface.CELLS,
            "grids": [{"finer": finer, "each": each} for finer, each in blazeface.ANCHOR_GRIDS],
            "max_faces": MAX_FACES,
        },
        "alignment": {"samples": alignment.SAMPLES, **json.loads(alignment.CROP_FIT.read_text())},
        "tracking": {
            "smoothing_seconds": tracking.SMOOTHING_SECONDS,
            "lost_seconds": tracking.LOST_SECONDS,
            "speed_weight": tracking.SPEED_WEIGHT,
            "coasting_seconds": tracking.COASTING_SECONDS,
            "fading_seconds": tracking.FADING_SECONDS,
            "predicted": tracking.PREDICTED,
            "max_faces": MAX_TRACKED,
            "live_side": blazeface.LIVE_SIDE,
            "min_likeness": tracking.MIN_LIKENESS,
        },
        "runtime": json.loads(MANIFEST.read_text()),
    }
    for name, record in document["runtime"]["files"].items():
        record["bytes"] = (RUNTIME / name).stat().st_size
    return document, networks


def _describe(content):
    """Return size, sha256 and shapes of a network's file, given by its bytes."""
    return {
        "size": len(content),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "shapes": find_shapes(content),
    }
