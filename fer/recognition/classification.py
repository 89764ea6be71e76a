"""Classification of face crops, with a LiteRT or a Keras network."""

from typing import Protocol

import numpy as np

from fer.litert import check_finite

BATCH_SIZE, BATCH_PIXELS = 64, 256 * 64**2
"""Largest numbers of faces and of pixels in one forward pass. They limit the memory, and the time that other threads
wait for the network."""


class Network(Protocol):
    """A network of `fer.recognition.litert_network`, for recognition, or a Keras model, for training and evaluation."""

    def predict_on_batch(self, pixels: np.ndarray, /) -> np.ndarray:
        """Return float32 `(n, classes)` for grey pictures `(n, image_size, image_size, 1)` with values 0-255."""


def classify(network: Network, crops: np.ndarray) -> np.ndarray:
    """Return the probabilities of face crops.

    Args:
        network: a `Network`.
        crops: uint8 array `(n, image_size, image_size)`, grey, values 0-255; n is at least 1.

    Returns:
        float32 array `(n, classes)`; rows sum to 1.

    Raises:
        UserError: if the network returns a value that is not finite.
    """
    pixels = np.asarray(crops, np.float32)[..., None]
    size = max(1, min(BATCH_SIZE, BATCH_PIXELS // pixels[0].size))
    batches = [pixels[start : start + size] for start in range(0, len(pixels), size)]
    # Keras' `predict` would build a data pipeline in each call, which is slow and lets the memory grow.
    return check_finite(np.concatenate([network.predict_on_batch(batch) for batch in batches]))
