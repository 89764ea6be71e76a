"""Class activation maps as an output of a network, so that an export can explain its answers.

See Zhou et al., 2016, "Learning Deep Features for Discriminative Localization", arXiv:1512.04150.
"""

from typing import Any


def has_maps(network: Any) -> bool:
    """Return whether a Keras network ends in global average pooling and one dense layer, and so has such maps."""
    return any(layer.name == "features" for layer in network.layers)


def with_maps(network: Any) -> Any:
    """Return a Keras model with the input of a network and two outputs: probabilities, and the maps of all classes.

    A map holds what each position of the last feature map contributes to the logit of a class, without the bias. Its
    shape is `(n, height, width, classes)`.

    Args:
        network: network of `fer.models.networks` that `has_maps`.
    """
    from keras import Model, ops

    kernel = ops.convert_to_numpy(network.get_layer("probabilities").kernel)
    return Model(network.input, [network.output, ops.matmul(network.get_layer("features").output, kernel)])
