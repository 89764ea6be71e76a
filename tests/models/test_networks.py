import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from fer.errors import UserError
from fer.models.layers import Enlarge
from fer.models.networks import NETWORKS, build_network, find_network
from fer.recognition.classification import classify
from fer.training.recipes import RECIPES, TRANSFERS, Recipe, find_recipe


def test_default_network_has_the_documented_size():
    network = build_network("se_resnet", image_size=48, classes=7)
    assert network.input_shape == (None, 48, 48, 1)
    assert network.count_params() == 1_952_999
    assert network.get_layer("features").output.shape == (None, 6, 6, 192)


def test_an_enlarging_network_answers_as_a_larger_one_on_enlarged_pictures():
    enlarging = build_network("se_resnet", image_size=16, classes=3, stem=8, widths=(8, 16), depth=1, enlarged=32)
    large = build_network("se_resnet", image_size=32, classes=3, stem=8, widths=(8, 16), depth=1)
    large.set_weights(enlarging.get_weights())
    crops = np.random.default_rng(0).integers(0, 256, (4, 16, 16), np.uint8)
    pictures = np.stack([Image.fromarray(crop).resize((32, 32), Image.Resampling.LANCZOS) for crop in crops])
    (enlarge,) = (layer for layer in enlarging.layers if isinstance(layer, Enlarge))
    # Pillow rounds after each pass, and the second pass multiplies the rounding errors by at most 1.3.
    np.testing.assert_allclose(np.asarray(enlarge(crops[..., None].astype("float32")))[..., 0], pictures, atol=1.2)
    assert enlarging.get_layer("features").output.shape == large.get_layer("features").output.shape
    np.testing.assert_allclose(classify(enlarging, crops), classify(large, pictures), atol=0.01)


def test_original_cnn_has_the_layers_and_parameters_of_the_original_experiment():
    network = build_network("original_cnn", NETWORKS["original_cnn"].size.usual, classes=2)
    assert network.input_shape == (None, 244, 244, 1)
    rescaling, *rest = network.layers[1:]
    assert rescaling.scale == 1 / 255
    kinds = "Conv2D Conv2D LeakyReLU BatchNormalization MaxPooling2D Dropout Flatten Dense Dropout Dense"
    assert [type(layer).__name__ for layer in rest] == kinds.split()
    first, second, leaky, _, pooling, drop, _, dense, more_drop, last = rest
    assert (first.filters, first.kernel_size, first.padding) == (32, (3, 3), "same")
    assert (second.filters, second.kernel_size, second.padding) == (16, (3, 3), "same")
    assert [layer.activation.__name__ for layer in (first, second, dense, last)] == [
        "relu",
        "linear",
        "relu",
        "softmax",
    ]
    assert (leaky.negative_slope, pooling.pool_size, drop.rate, more_drop.rate) == (0.5, (2, 2), 0.25, 0.5)
    counts = [layer.count_params() for layer in (first, second, dense, last)]
    assert counts == [320, 4_624, 122 * 122 * 16 * 200 + 200, 402]
    assert network.count_params() == 47_634_410
    plain = {"weight_decay": 0.0, "label_smoothing": 0.0, "mixup": 0.0, "augment": False, "average": False}
    sgd = {"optimizer": "sgd", "learning_rate": round(float(keras.optimizers.SGD().learning_rate), 6)}
    assert RECIPES["original_cnn"] == Recipe(epochs=10, batch_size=32, drop_remainder=True, seed=42, **sgd, **plain)


def test_each_network_has_a_recipe_and_each_backbone_one_for_given_weights():
    assert set(RECIPES) == set(NETWORKS)
    assert set(TRANSFERS) == {name for name, network in NETWORKS.items() if network.backbone}
    with pytest.raises(UserError, match="`network` must be one with a recipe in RECIPES of .* Received: 'transformer'"):
        find_recipe("transformer")


def test_a_network_is_found_by_its_former_name():
    assert find_network("seed") is find_network("original_cnn") is NETWORKS["original_cnn"]
    assert build_network("seed", 16, 2).name == "original_cnn"


def test_names_and_sizes_can_be_read_without_keras():
    program = "import sys\nfrom fer.models.networks import find_network\n"
    program += "print(find_network('vgg16').size.least, 'keras' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["32", "False"]


def test_networks_return_probabilities_for_pixels_of_0_to_255():
    network = build_network("se_resnet", image_size=16, classes=3, stem=8, widths=(8, 16), depth=1)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 1)).astype("float32")
    probabilities = network.predict_on_batch(pixels)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (4, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert not np.allclose(probabilities[0], probabilities[1])


def test_crops_are_classified_in_batches_of_at_most_64(monkeypatch):
    network = build_network("se_resnet", image_size=16, classes=3, stem=8, widths=(8, 16), depth=1)
    crops = np.random.default_rng(0).integers(0, 256, (300, 16, 16)).astype(np.uint8)
    alone = classify(network, crops[299:])
    passes = []
    forward = network.predict_on_batch
    monkeypatch.setattr(network, "predict_on_batch", lambda batch: passes.append(len(batch)) or forward(batch))
    probabilities = classify(network, crops)
    assert passes == [64, 64, 64, 64, 44]
    assert probabilities.shape == (300, 3)
    np.testing.assert_allclose(probabilities[299], alone[0], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet999", 48, 7), "`network` must be one of efficientnet_lite0, .*, vgg16. Received: 'resnet999'"),
        (("se_resnet", 50, 7), "multiple of 8"),
        (("se_resnet", 8, 7), "at least 16 for se_resnet. Received: 8"),
        (("se_resnet", 1024, 7), "at most 512. Received: 1024"),
        (("se_resnet", 48, 1), "at least two classes"),
    ],
)
def test_networks_that_cannot_be_built_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        build_network(*arguments)


@pytest.mark.parametrize(
    "options", [{"stem": 10**6}, {"widths": [64, 10**6]}, {"widths": [8] * 1000}, {"widths": []}, {"depth": 10**9}]
)
def test_options_that_need_too_much_memory_are_refused(options):
    with pytest.raises(UserError, match="Received"):
        build_network("se_resnet", 48, 7, **options)


@pytest.mark.parametrize("side", [16, 48, 60, 520])
def test_invalid_sides_for_the_enlargement_are_refused(side):
    message = f"`enlarged` must be a multiple of 8 above the input's 48, at most 512. Received: {side}"
    with pytest.raises(UserError, match=message):
        build_network("se_resnet", 48, 7, enlarged=side)
