"""The LiteRT file of a model folder, from which photos are answered: in half the time, without Keras or TensorFlow.

`fer.export.convert` writes it, and `config.json` records its size, its sha256 and what it was made of. They are checked
before LiteRT opens it; a file that is not recorded, or is of other weights or an earlier calibration, is not used.
"""

import json
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.schema_py_generated import Model

from fer.detection.blazeface import THREADS
from fer.fair_lock import FairLock
from fer.models.exports import EXPORTS, judge_export, read_export
from fer.models.model_folder import ModelFolderError, check_weights, find_model, load_config, load_model

MADE_OF = "made_of"
"""Name of the metadata that `fer.models.exports.describe_origin` gives."""


class LiteRTNetwork:
    """An exported network, which `fer.recognition.classification.classify` takes as it does one of Keras; may be shared
    between threads.

    Its probabilities are calibrated. One pass runs at a time, on all threads.

    Args:
        content: all bytes of a file of `fer.export.convert`.
        threads: of LiteRT; None for its own choice.

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
        """Probabilities, float32 `(n, classes)`, of grey pictures `(n, image_size, image_size, 1)`, values 0-255."""
        return self._pass(pixels)["probabilities"]

    def map(self, crop, index):
        """As `fer.recognition.activation_maps.ClassActivation.map`, where `has_maps`."""
        return self._pass(crop[None, ..., None])["maps"][0, ..., index]

    def _pass(self, pixels):
        with self._lock:
            return self._run(image=np.asarray(pixels, np.uint8))


def load_served(folder, threads=THREADS):
    """Loads what answers photos: the folder's LiteRT file, if it was made of its weights and calibration, or Keras.

    Args:
        folder: model folder or `bundled`.
        threads: of LiteRT.

    Returns:
        A network for `fer.recognition.classification.classify`, its labels in order, and the
        `fer.models.calibration.Calibration` that its probabilities need.

    Raises:
        ModelFolderError: with a sentence that says what does not fit; a LiteRT file that is not the recorded one does
            not either.
    """
    folder = find_model(folder)
    config, weights = load_config(folder)
    file = folder / EXPORTS["litert"]
    record, reason = judge_export(folder, "litert")
    if record:
        network = _open_checked(file, read_export(file, record), config, record, threads)
        check_weights(folder, weights)
        return network, config.labels, config.calibration.without_correction()
    if reason:
        print(reason, file=sys.stderr)
    network, config = load_model(folder)
    return network, config.labels, config.calibration


def _open_checked(file, content, config, record, threads):
    """Opens a LiteRT file, and holds what it says of itself against the model folder's `config.json`."""
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
    """The metadata of a LiteRT file that is whole, given by its bytes: text by name."""
    model = Model.GetRootAs(content)
    entries = [model.Metadata(number) for number in range(model.MetadataLength())]
    data = {entry.Name().decode(): model.Buffers(entry.Buffer()).DataAsNumpy() for entry in entries}
    # An empty buffer is answered with a number instead.
    texts = {name: value.tobytes() for name, value in data.items() if isinstance(value, np.ndarray)}
    return {name: text.decode("utf-8", "replace") for name, text in texts.items()}
