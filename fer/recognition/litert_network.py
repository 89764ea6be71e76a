"""The LiteRT file of a model folder, from which photos are answered, without Keras or TensorFlow.

`fer.export.convert` writes it, and `config.json` records its size, its sha256 and what it was made of. They are checked
before LiteRT opens it. A folder without a file of its weights and calibration is converted once, into a cache
(`fer.models.conversion`).
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.schema_py_generated import Model

from fer.detection.blazeface import THREADS
from fer.fair_lock import FairLock
from fer.models.config import ExportRecord, ModelConfig, ModelFolderError, load_config
from fer.models.conversion import convert_once
from fer.models.exports import EXPORTS, judge_export, read_export
from fer.models.model_folder import check_weights, find_model

MADE_OF = "made_of"
"""Name of the metadata that `fer.models.config.describe_origin` gives."""


class LiteRTNetwork:
    """An exported network, for `fer.recognition.classification.classify`; may be shared between threads.

    Its probabilities are calibrated. One pass runs at a time, on all threads.

    has_maps: whether the file gives class activation maps.

    Args:
        content: all bytes of a file of `fer.export.convert`.
        threads: number of LiteRT's threads; None for its own choice.

    Raises:
        ValueError: if it is no such file.
    """

    def __init__(self, content, threads=THREADS):
        self._run = Interpreter(model_content=content, num_threads=threads).get_signature_runner()
        self._lock = FairLock()
        outputs = self._run.get_output_details()
        self.input_shape = (None, *map(int, self._run.get_input_details()["image"]["shape"][1:]))
        self.output_shape = (None, *map(int, outputs["probabilities"]["shape"][1:]))
        self.has_maps = "maps" in outputs

    def predict_on_batch(self, pixels):
        """Return float32 `(n, classes)` for grey pictures `(n, image_size, image_size, 1)` of values 0-255."""
        return self._pass(pixels)["probabilities"]

    def map(self, crop, index):
        """Return the class activation map of a crop: what each place adds to a class, before softmax, without the bias.

        Class activation maps (Zhou et al., 2016, "Learning Deep Features for Discriminative Localization",
        arXiv:1512.04150) need no second network: a network that ends in global average pooling and one dense layer
        sums over the places of its last feature map.

        Args:
            crop: grey uint8 array `(image_size, image_size)`, values 0-255.
            index: index of the class among the network's outputs.

        Returns:
            float32 array of the last feature map's size, `(6, 6)` for a 48-pixel face; its mean plus the dense layer's
            bias is the class's logit. Only where `has_maps`.
        """
        return self._pass(crop[None, ..., None])["maps"][0, ..., index]

    def _pass(self, pixels):
        with self._lock:
            return self._run(image=np.asarray(pixels, np.uint8))


class UncalibratedNetwork:
    """An exported network without the calibration that is in its file, for `fer.recognition.classification.classify`.

    It answers what the Keras network answers, to fit or try another calibration.

    Args:
        network: `LiteRTNetwork`.
        calibration: `fer.models.calibration.Calibration` that is in the file.
    """

    def __init__(self, network, calibration):
        self._network, self._calibration = network, calibration
        self.input_shape, self.has_maps, self.map = network.input_shape, network.has_maps, network.map

    def predict_on_batch(self, pixels):
        """Return probabilities as `LiteRTNetwork.predict_on_batch` does, but not calibrated."""
        return self._calibration.undo(self._network.predict_on_batch(pixels))


@dataclass(frozen=True)
class LiteRTFile:
    """What answers photos, read and checked but not opened; may be sent to another process.

    content: all bytes of the LiteRT file.
    file: its path, for messages.
    record: `fer.models.config.ExportRecord` of the file.
    config: `fer.models.config.ModelConfig` of the model folder.
    """

    content: bytes
    file: Path
    record: ExportRecord
    config: ModelConfig

    def open(self, threads=THREADS):
        """Open the file in LiteRT, and hold what it says of itself against `config.json`.

        Args:
            threads: number of LiteRT's threads; None for its own choice.

        Raises:
            ModelFolderError: if it is no export, or one of another model.
        """
        return _open_checked(self.file, self.content, self.config, self.record, threads)


def read_litert_file(folder, convert=True):
    """Read the LiteRT file that answers photos with a model folder, after its checks.

    Args:
        folder: model folder or `bundled`.
        convert: whether a folder without a file that fits is converted into the cache; otherwise it is refused.

    Returns:
        A `LiteRTFile`.

    Raises:
        ModelFolderError: with a sentence that says what does not fit; also for a file that is not the recorded one.
    """
    folder = place = find_model(folder)
    config, weights = load_config(folder)
    check_weights(folder, weights)
    record, reason = judge_export(folder, "litert")
    if not record and not convert:
        raise ModelFolderError(reason or f"{folder}: it must hold {EXPORTS['litert']}, which is missing.")
    if not record:
        place = convert_once(folder)
        if reason:
            print(reason, file=sys.stderr)
        record, reason = judge_export(place, "litert")
    if not record:
        raise ModelFolderError(reason or f"{place}: it must hold {EXPORTS['litert']}; delete it, to make it anew.")
    file = place / EXPORTS["litert"]
    return LiteRTFile(read_export(file, record), file, record, config)


def load_litert_network(folder, threads=THREADS):
    """Load what answers photos with a model folder.

    Args:
        folder: model folder or `bundled`.
        threads: number of LiteRT's threads.

    Returns:
        A `LiteRTNetwork`, its labels in order, and the `fer.models.calibration.Calibration` that its probabilities
        need.

    Raises:
        ModelFolderError: as `read_litert_file`.
    """
    served = read_litert_file(folder)
    return served.open(threads), served.config.labels, served.config.calibration.without_correction()


def load_uncalibrated(folder):
    """Load a model folder's LiteRT file to answer as the Keras network does, without calibration.

    Returns:
        An `UncalibratedNetwork` and the folder's `fer.models.config.ModelConfig`.

    Raises:
        ModelFolderError: as `read_litert_file`.
    """
    served = read_litert_file(folder)
    return UncalibratedNetwork(served.open(), served.config.calibration), served.config


def _open_checked(file, content, config, record, threads):
    """Open a LiteRT file, and hold what it says of itself against the model folder's `config.json`."""
    try:
        network, metadata = LiteRTNetwork(content, threads), read_metadata(content)
        labels = json.loads(metadata["labels"])
    except (ValueError, RuntimeError, KeyError) as error:
        rule = f"{file}: must be an export of this project that is whole. Export it again, or delete it"
        raise ModelFolderError(f"{rule}. Received: {str(error).strip() or type(error).__name__}") from None
    size, own = config.image_size, metadata.get(MADE_OF)
    expected = {
        "labels": (list(config.labels), labels),
        "input": ((None, size, size, 1), network.input_shape),
        "output": ((None, len(config.labels)), network.output_shape),
        MADE_OF: (record.made_of, own),
    }
    for name, (wanted, received) in expected.items():
        if wanted != received:
            raise ModelFolderError(f"{file}: `{name}` must be that of config.json, {wanted}. Received: {received}")
    return network


def read_metadata(content):
    """Return the metadata of a LiteRT file that is whole, given by its bytes: text by name."""
    model = Model.GetRootAs(content)
    entries = [model.Metadata(number) for number in range(model.MetadataLength())]
    data = {entry.Name().decode(): model.Buffers(entry.Buffer()).DataAsNumpy() for entry in entries}
    # An empty buffer is answered with a number instead.
    texts = {name: value.tobytes() for name, value in data.items() if isinstance(value, np.ndarray)}
    return {name: text.decode("utf-8", "replace") for name, text in texts.items()}
