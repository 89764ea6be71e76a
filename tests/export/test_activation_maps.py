import numpy as np
import pytest

from fer.export.activation_maps import has_maps, with_maps
from fer.models.networks import build_network


@pytest.fixture(scope="module")
def network():
    return build_network("se_resnet", 32, 3, stem=8, widths=(8, 16), depth=1)


def test_the_means_of_the_maps_are_the_logits_without_bias(network):
    crops = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype("float32")
    probabilities, maps = with_maps(network).predict_on_batch(crops)
    assert maps.shape == (2, 8, 8, 3)
    logits = maps.mean(axis=(1, 2)) + np.asarray(network.get_layer("probabilities").bias)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(expected, probabilities, atol=1e-5)
    np.testing.assert_allclose(probabilities, network.predict_on_batch(crops), atol=1e-6)
    assert not np.allclose(maps[0], maps[1])


def test_a_network_without_global_average_pooling_has_no_maps(network):
    assert has_maps(network)
    assert not has_maps(build_network("original_cnn", 16, 2))
