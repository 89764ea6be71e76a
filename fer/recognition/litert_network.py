"""The LiteRT file of a model folder, with which photos are answered without Keras or TensorFlow.

`fer.export.convert` writes the file. `config.json` records its size, its sha256 and from which weights and calibration
it was made; all three are checked before LiteRT opens it. A folder without such a file is converted once, into a cache
(`fer.models.conversion`).
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.schema_py_generated import Model

from fer.litert import THREADS, FairLock
from fer.models.calibration import Calibration
from fer.models.config import EXPORTS, ExportRecord, ModelConfig, ModelFolderError, load_config
from fer.models.conversion import convert_once
from fer.models.exports import export_command, judge_export, read_export
from fer.models.model_folder import check_weights, find_model
from fer.paths import StrPath

MADE_OF = "made_of"
"""Name of the metadata entry that holds `fer.models.config.describe_origin` of the weights and calibration."""


class LiteRTNetwork:
    """An exported network, for `fer.recognition.classification.classify`. Several threads may use it.

    Its probabilities are calibrated. One forward pass runs at a time, on all of LiteRT's threads.

    input_type: name of the dtype of its input.
    has_maps: whether the file has class activation maps as an output.

    Args:
        content: content of a LiteRT file that `fer.export.convert` wrote.
        threads: number of LiteRT's threads; None lets LiteRT choose.

    Raises:
        ValueError: if LiteRT cannot open the content.
    """

    def __init__(self, content: bytes, threads: int | None = THREADS):
        self._run = Interpreter(model_content=content, num_threads=threads).get_signature_runner()
        self._lock = FairLock()
        image, outputs = self._run.get_input_details()["image"], self._run.get_output_details()
        self.input_type = np.dtype(image["dtype"]).name
        self.input_shape: tuple[Any, ...] = (None, *map(int, image["shape"][1:]))
        self.output_shape: tuple[Any, ...] = (None, *map(int, outputs["probabilities"]["shape"][1:]))
        self.has_maps = "maps" in outputs

    def predict_on_batch(self, pixels: np.ndarray) -> np.ndarray:
        """Return float32 `(n, classes)` for grey pictures `(n, image_size, image_size, 1)` with values 0-255."""
        return self._run_once(pixels)["probabilities"]

    def map(self, crop: np.ndarray, index: int) -> np.ndarray:
        """Return the class activation map of a crop (Zhou et al., 2016, arXiv:1512.04150); only if `has_maps`.

        The network ends in global average pooling and one dense layer, so the logit of a class is a mean over the
        positions of the last feature map. The map holds the terms of that mean.

        Args:
            crop: grey uint8 array `(image_size, image_size)`, values 0-255.
            index: index of the class among the outputs of the network.

        Returns:
            float32 array of the size of the last feature map, `(6, 6)` for a 48-pixel crop. Its mean plus the bias of
            the dense layer is the logit of the class.
        """
        return self._run_once(crop[None, ..., None])["maps"][0, ..., index]

    def _run_once(self, pixels):
        """Return the outputs of one forward pass, by name."""
        with self._lock:
            return self._run(image=np.asarray(pixels, np.uint8))


class UncalibratedNetwork:
    """An exported network whose calibration is undone, for `fer.recognition.classification.classify`.

    It returns the same probabilities as the Keras network, for fitting or trying another calibration.

    Args:
        network: `LiteRTNetwork`.
        calibration: `fer.models.calibration.Calibration` that its file contains.
    """

    def __init__(self, network: LiteRTNetwork, calibration: Calibration):
        self._network, self._calibration = network, calibration
        self.input_shape, self.has_maps, self.map = network.input_shape, network.has_maps, network.map

    def predict_on_batch(self, pixels: np.ndarray) -> np.ndarray:
        """Return uncalibrated probabilities, otherwise as `LiteRTNetwork.predict_on_batch`."""
        return self._calibration.undo(self._network.predict_on_batch(pixels))


@dataclass(frozen=True)
class LiteRTFile:
    """Content of a LiteRT file that matches its record, not opened yet. It can be sent to another process.

    content: content of the file.
    path: path of the file, for messages.
    record: `fer.models.config.ExportRecord` of the file.
    config: `fer.models.config.ModelConfig` of the model folder.
    """

    content: bytes
    path: Path
    record: ExportRecord
    config: ModelConfig

    def open(self, threads: int | None = THREADS) -> LiteRTNetwork:
        """Open the content in LiteRT, and compare its shapes and metadata with `config.json`.

        Args:
            threads: number of LiteRT's threads; None lets LiteRT choose.

        Raises:
            ModelFolderError: if it is damaged, or not an export of this model.
        """
        try:
            network, metadata = LiteRTNetwork(self.content, threads), read_metadata(self.content)
            labels = json.loads(metadata["labels"])
        except Exception as error:  # The reader of the metadata raises anything for a file that somebody else made.
            rule = f"{self.path}: must be an export of this project that is whole. Export it again, or delete it"
            raise ModelFolderError(f"{rule}. Received: {str(error).strip() or type(error).__name__}") from None
        size = self.config.image_size
        expected = {
            "labels": (list(self.config.labels), labels),
            "input": ((None, size, size, 1), network.input_shape),
            "input type": ("uint8", network.input_type),
            "output": ((None, len(self.config.labels)), network.output_shape),
            MADE_OF: (self.record.made_of, metadata.get(MADE_OF)),
        }
        for name, (wanted, received) in expected.items():
            if wanted != received:
                rule = f"{self.path}: `{name}` must be that of config.json, {wanted}"
                raise ModelFolderError(f"{rule}. Received: {received}")
        return network


def read_litert_file(folder: StrPath, convert: bool = True) -> LiteRTFile:
    """Read the LiteRT file of a model folder, and check it against its record and the weights.

    Args:
        folder: path of a model folder, or `bundled`.
        convert: whether to convert a folder without a valid LiteRT file, into the cache.

    Raises:
        ModelFolderError: if the model folder is not valid, if the file differs from its record, or if there is no valid
            file and no conversion is wanted or possible.
    """
    folder = location = find_model(folder)
    config = load_config(folder)
    check_weights(folder, config)
    record, reason = judge_export(folder, "litert")
    if not record and not convert:
        command = export_command(folder, "litert")
        raise ModelFolderError(reason or f"{folder}: its LiteRT file is missing. To write it: {command}")
    if not record:
        location = convert_once(folder)
        if reason:
            print(reason, file=sys.stderr)
        record, _ = judge_export(location, "litert")
    if not record:
        raise ModelFolderError(
            f"{location}: it must hold {EXPORTS['litert']} and its sha256; delete it, to make it anew."
        )
    path = location / EXPORTS["litert"]
    return LiteRTFile(read_export(path, record), path, record, config)


def check_litert_file(folder: StrPath) -> None:
    """Raise an error unless the LiteRT file of a model folder fits its `config.json`, and LiteRT can open it.

    Raises:
        ModelFolderError: as in `read_litert_file` and `LiteRTFile.open`.
    """
    read_litert_file(folder, convert=False).open()


def read_metadata(content: bytes) -> dict[str, str]:
    """Return the texts in the metadata of a LiteRT file, by name; `content` must be a complete file."""
    model = Model.GetRootAs(content)
    entries = [model.Metadata(number) for number in range(model.MetadataLength())]
    data = {entry.Name().decode(): model.Buffers(entry.Buffer()).DataAsNumpy() for entry in entries}
    # `DataAsNumpy` returns the number 0 for an empty buffer.
    texts = {name: value.tobytes() for name, value in data.items() if isinstance(value, np.ndarray)}
    return {name: text.decode("utf-8", "replace") for name, text in texts.items()}
