"""Class activation maps as outputs of a network (Zhou et al., 2016, "Learning Deep Features for Discriminative
Localization", arXiv:1512.04150), so that an export answers where the network looked."""


def has_maps(network):
    """Tell whether a Keras network ends in global average pooling and one dense layer, so that its maps exist."""
    return any(layer.name == "features" for layer in network.layers)


def with_maps(network):
    """Return a Keras model of the pictures that `network` takes; it answers probabilities and the maps of all classes.

    A map has what each place of the last feature map adds to a class, before softmax and without the bias.

    Args:
        network: network of `fer.models.networks` that `has_maps`.
    """
    from keras import Model, ops

    kernel = ops.convert_to_numpy(network.get_layer("probabilities").kernel)
    return Model(network.input, [network.output, ops.matmul(network.get_layer("features").output, kernel)])
