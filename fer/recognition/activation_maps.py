"""Where a network looked: class activation maps (Zhou et al., 2016, "Learning Deep Features for Discriminative
Localization", arXiv:1512.04150).

A network of `fer.models.networks` ends in global average pooling and one dense layer, so what speaks for a class is a
sum over the places of the last feature map, and no second network is needed to say where it came from.
"""

import numpy as np

from fer.recognition.litert_network import LiteRTNetwork


def find_map(network):
    """What maps a crop and the index of a class as `ClassActivation.map` does.

    Args:
        network: Keras network of `fer.models.networks`, or `fer.recognition.litert_network.LiteRTNetwork`.

    Returns:
        The function; None for a network that does not end so that its maps exist.
    """
    if isinstance(network, LiteRTNetwork):
        return network.map if network.has_maps else None
    return ClassActivation(network).map if ClassActivation.fits(network) else None


def with_maps(network):
    """A Keras model of the pictures that `network` takes, which answers its probabilities and the maps of all classes.

    Args:
        network: of `fer.models.networks`, one that `ClassActivation.fits`.
    """
    from keras import Model, ops

    kernel = ops.convert_to_numpy(network.get_layer("probabilities").kernel)
    return Model(network.input, [network.output, ops.matmul(network.get_layer("features").output, kernel)])


class ClassActivation:
    """Class activation maps of a network; may be shared between threads.

    Args:
        network: of `fer.models.networks`, with layers named `features` and `probabilities`.
    """

    @staticmethod
    def fits(network):
        """Whether a network ends so that its maps exist."""
        return any(layer.name == "features" for layer in network.layers)

    def __init__(self, network):
        self._network = with_maps(network)

    def map(self, crop, index):
        """What each place adds to the class, before softmax and without the bias.

        Args:
            crop: grey uint8 array `(image_size, image_size)`, values 0-255.
            index: of the class among the network's outputs.

        Returns:
            float32 array of the last feature map's size, `(6, 6)` for a 48-pixel face; its mean plus the dense layer's
            bias is the class's logit.
        """
        _, maps = self._network.predict_on_batch(np.asarray(crop, np.float32)[None, ..., None])
        return np.asarray(maps)[0, ..., index]
