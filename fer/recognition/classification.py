"""Face crops through a network, whatever runs it."""

import numpy as np

from fer.errors import check_finite

BATCH_SIZE, BATCH_PIXELS = 64, 256 * 64**2
"""Faces, and their pixels, of a forward pass at most; they bound memory, and how long others wait for the network."""


def classify(network, crops):
    """Return the probabilities of face crops.

    Args:
        network: what has `predict_on_batch`: a network of `fer.recognition.litert_network`, which answers photos, or
            one of Keras, which training measures.
        crops: uint8 array `(n, image_size, image_size)`, grey, values 0-255.

    Returns:
        float32 array `(n, classes)`; rows sum to 1.

    Raises:
        UserError: where the network answers what is no finite number.
    """
    pixels = np.asarray(crops, np.float32)[..., None]
    size = max(1, min(BATCH_SIZE, BATCH_PIXELS // pixels[0].size))
    batches = [pixels[start : start + size] for start in range(0, len(pixels), size)]
    # Not `predict`: in a loop it makes a data pipeline for each call, slow and growing.
    return check_finite(np.concatenate([network.predict_on_batch(batch) for batch in batches]))
