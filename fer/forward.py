"""Face crops through a network, whatever runs it."""

import numpy as np

from fer.errors import UserError

BATCH_SIZE, BATCH_PIXELS = 64, 256 * 64**2
"""Faces, and their pixels, of a forward pass at most; they bound memory, and how long others wait for the network."""


def classify(network, crops):
    """Probabilities of face crops.

    Args:
        network: Keras network of `fer.models`, or `fer.litert.LiteRTNetwork`.
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


def check_finite(answers):
    """Returns a network's answers, an array of floats, if all of them are finite numbers.

    Raises:
        UserError: for NaN or an infinity.
    """
    if not np.isfinite(answers).all():
        received = answers[~np.isfinite(answers)].flat[0]
        raise UserError(
            f"A network must answer finite numbers; train, export or download it again. Received: {received}"
        )
    return answers
