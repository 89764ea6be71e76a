import numpy as np
import pytest

from fer.errors import UserError
from fer.models import build_network, classify


def test_default_network_has_the_documented_size():
    network = build_network("se_resnet", image_size=48, classes=7)
    assert network.input_shape == (None, 48, 48, 1)
    assert network.count_params() == 1_952_999
    assert network.get_layer("features").output.shape == (None, 6, 6, 192)


def test_answers_probabilities_for_pixels_of_0_to_255():
    network = build_network("se_resnet", image_size=16, classes=3, stem=8, widths=(8, 16), depth=1)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 1)).astype("float32")
    probabilities = network.predict_on_batch(pixels)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (4, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert not np.allclose(probabilities[0], probabilities[1])


def test_many_crops_are_classified_in_bounded_batches(monkeypatch):
    network = build_network("se_resnet", image_size=16, classes=3, stem=8, widths=(8, 16), depth=1)
    crops = np.random.default_rng(0).integers(0, 256, (300, 16, 16)).astype(np.uint8)
    alone = classify(network, crops[299:])
    passes = []
    forward = network.predict_on_batch
    monkeypatch.setattr(network, "predict_on_batch", lambda batch: passes.append(len(batch)) or forward(batch))
    probabilities = classify(network, crops)
    assert passes == [256, 44]
    assert probabilities.shape == (300, 3)
    np.testing.assert_allclose(probabilities[299], alone[0], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet999", 48, 7), "`network` must be one of se_resnet. Received: 'resnet999'"),
        (("se_resnet", 50, 7), "multiple of 8"),
        (("se_resnet", 8, 7), "from 16 to 512"),
        (("se_resnet", 1024, 7), "from 16 to 512. Received: 1024"),
        (("se_resnet", 48, 1), "at least two classes"),
    ],
)
def test_refuses_what_it_cannot_build(arguments, message):
    with pytest.raises(UserError, match=message):
        build_network(*arguments)


@pytest.mark.parametrize(
    "options", [{"stem": 10**6}, {"widths": [64, 10**6]}, {"widths": [8] * 1000}, {"widths": []}, {"depth": 10**9}]
)
def test_refuses_options_that_would_use_up_the_memory(options):
    with pytest.raises(UserError, match="Received"):
        build_network("se_resnet", 48, 7, **options)
