"""The LiteRT file of a model folder, from which photos are answered: in half the time, without Keras or TensorFlow.

`fer.export` writes it, and into its metadata what it was made of. One of other weights or an earlier calibration is not
used.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.schema_py_generated import Model

from fer.faces import THREADS
from fer.model_folder import EXPORTS, ModelFolderError, check_weights, find_model, load_config, load_model
from fer.turns import Turns

MADE_OF = "made_of"
"""Name of the metadata that `describe_origin` gives."""


class LiteRTNetwork:
    """An exported network, which `fer.forward.classify` takes as it does one of Keras; may be shared between threads.

    Its probabilities are calibrated. One pass runs at a time, on all threads.

    Args:
        path: of a file of `fer.export`.
        threads: of LiteRT; None for its own choice.

    Raises:
        ValueError: if it is no such file.
    """

    def __init__(self, path, threads=THREADS):
        self._run = Interpreter(str(path), num_threads=threads).get_signature_runner()
        self._lock = Turns()
        self.input_shape = (None, *map(int, self._run.get_input_details()["image"]["shape"][1:]))
        self.has_maps = "maps" in self._run.get_output_details()

    def predict_on_batch(self, pixels):
        """Probabilities, float32 `(n, classes)`, of grey pictures `(n, image_size, image_size, 1)`, values 0-255."""
        return self._pass(pixels)["probabilities"]

    def map(self, crop, index):
        """As `fer.explanation.ClassActivation.map`, where `has_maps`."""
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
        A network for `fer.forward.classify`, its labels in order, and the `fer.calibration.Calibration` that its
        probabilities need.

    Raises:
        ModelFolderError: with a sentence that says what does not fit; a LiteRT file that is none does not either.
    """
    folder = find_model(folder)
    config, weights = load_config(folder)
    file = folder / EXPORTS["litert"]
    if file.is_file():
        try:
            network = LiteRTNetwork(file, threads)
        except (ValueError, RuntimeError, KeyError) as error:
            rule = f"{file}: must be an export of this project that is whole. Export it again, or delete it"
            raise ModelFolderError(f"{rule}. Received: {str(error).strip() or type(error).__name__}") from None
        if read_metadata(file).get(MADE_OF) == describe_origin(weights, config.calibration):
            check_weights(folder, weights)
            # The temperature is in the file.
            return network, config.labels, replace(config.calibration, temperature=1.0)
    network, config = load_model(folder)
    return network, config.labels, config.calibration


def describe_origin(weights, calibration):
    """Of what an export is made, as text.

    Args:
        weights: `{"size", "sha256"}`, of `fer.model_folder.load_config`.
        calibration: `fer.calibration.Calibration`; of its two numbers the temperature is in the file.
    """
    return f"weights {weights['sha256']}, temperature {calibration.temperature}"


def read_metadata(path):
    """The metadata of a LiteRT file that is whole, text by name."""
    model = Model.GetRootAs(Path(path).read_bytes())
    entries = [model.Metadata(number) for number in range(model.MetadataLength())]
    data = {entry.Name().decode(): model.Buffers(entry.Buffer()).DataAsNumpy() for entry in entries}
    # An empty buffer is answered with a number instead.
    texts = {name: value.tobytes() for name, value in data.items() if isinstance(value, np.ndarray)}
    return {name: text.decode("utf-8", "replace") for name, text in texts.items()}
