import numpy as np
import pytest

from fer.models.networks import build_network
from fer.recognition.activation_maps import ClassActivation
from fer.recognition.classification import classify


@pytest.fixture(scope="module")
def network():
    return build_network("se_resnet", 32, 3, stem=8, widths=(8, 16), depth=1)


def test_the_map_adds_up_to_what_the_network_answered(network):
    crop = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    activation, bias = ClassActivation(network), np.asarray(network.get_layer("probabilities").bias)
    maps = [activation.map(crop, index) for index in range(3)]
    assert maps[0].shape == (8, 8)
    logits = np.array([place.mean() for place in maps]) + bias
    (probabilities,) = classify(network, crop[None])
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(), probabilities, atol=1e-5)


def test_the_map_follows_the_picture(network):
    crop = np.random.default_rng(1).integers(0, 256, (32, 32), np.uint8)
    activation = ClassActivation(network)
    assert not np.allclose(activation.map(crop, 0), activation.map(np.zeros_like(crop), 0))
