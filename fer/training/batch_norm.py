"""Statistics of batch normalization, measured again after a training of few steps."""

from contextlib import nullcontext

import keras
import numpy as np

BATCH = 64
"""Number of pictures in a batch; the statistics of all batches are averaged."""


def measure_statistics(network: keras.Model, images: np.ndarray) -> None:
    """Set the means and variances of batch normalization to their average over batches of training pictures.

    Args:
        network: Keras network without networks within it.
        images: uint8 array `(n, size, size, 1)`, the training pictures as they are.
    """
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    order = np.random.default_rng(0).permutation(len(images))
    try:
        with _without_gradients():
            for number, part in enumerate(np.array_split(order, -(-len(images) // BATCH))):
                for layer in layers:
                    layer.momentum = number / (number + 1)
                network(images[part].astype("float32"), training=True)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def _without_gradients():
    if keras.backend.backend() != "torch":
        return nullcontext()
    import torch

    return torch.no_grad()
