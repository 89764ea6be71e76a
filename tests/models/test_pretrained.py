import hashlib
import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import applications, ops

from fer.errors import UserError
from fer.models.backbones import check_base, load_base
from fer.models.networks import NETWORKS, build_network
from fer.models.pretrained import LAYERS, MEANS, SOURCE

WIDTHS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
"""Filters of MobileNet's first convolution and of the pointwise ones behind it (Howard et al., 2017, table 1)."""
HALVING = ("conv1", "conv_dw_2", "conv_dw_4", "conv_dw_6", "conv_dw_12")
"""Layers with stride 2."""


@pytest.fixture(scope="module")
def arrays():
    """Return random weights in the layout of the file, about as large as trained ones."""
    random = np.random.default_rng(0)
    found, width = {}, 3
    for name in LAYERS:
        if "_dw_" in name:
            found[f"{name}/depthwise_kernel"] = random.normal(0, 1 / 3, (3, 3, width, 1))
            found[f"{name}_bn/batchnorm_1/mul"] = random.uniform(0.5, 1.5, width)
        else:
            side, before = (3, width) if name == "conv1" else (1, width)
            width = WIDTHS[0] if name == "conv1" else WIDTHS[int(name.rsplit("_", 1)[1])]
            deviation = (2 / (side * side * before)) ** 0.5 / (60 if name == "conv1" else 1)
            found[f"{name}/convolution/merged_input"] = random.normal(0, deviation, (side, side, before, width))
        found[f"{name}_bn/batchnorm_1/sub"] = random.normal(0, 0.3, width)
    # The published file has float16 numbers, and constants of the graph.
    return {**{name: array.astype("float16") for name, array in found.items()}, "conv1_relu/Cast": np.float32(6)}


@pytest.fixture
def file(arrays, tmp_path):
    return write(tmp_path / "faceres.json", arrays)


def write(path, arrays):
    """Write arrays as TensorFlow.js does, float16 arrays as quantised float32."""
    weights = []
    for name, array in arrays.items():
        weight = {"name": name, "shape": list(array.shape), "dtype": "float32"}
        if array.dtype == np.float16:
            weight["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
        weights.append(weight)
    manifest = [{"paths": ["faceres.bin"], "weights": weights}]
    path.write_text(json.dumps({"format": "graph-model", "weightsManifest": manifest}))
    path.with_name("faceres.bin").write_bytes(b"".join(array.tobytes() for array in arrays.values()))
    return path


def answer(arrays, faces):
    """Return the last feature map of the published network for grey faces `(n, 48, 48, 1)`."""
    x = ops.image.resize(faces, (128, 128), interpolation="bilinear")
    x = np.repeat(np.asarray(x), 3, axis=-1) - np.array(MEANS, "float32")
    # Keras' MobileNet pads its preprocessed input with zeros, which stand for pixels of 127.5.
    beyond = np.broadcast_to((127.5 - np.array(MEANS, "float32")), (len(x), 129, 129, 3)).copy()
    beyond[:, :128, :128] = x
    x, padding = beyond, "valid"
    for name in LAYERS:
        shift = arrays[f"{name}_bn/batchnorm_1/sub"].astype("float32")
        strides = 2 if name in HALVING else 1
        if "_dw_" in name:
            kernel = arrays[f"{name}/depthwise_kernel"].astype("float32")
            x = ops.depthwise_conv(x, kernel, strides, "same") * arrays[f"{name}_bn/batchnorm_1/mul"].astype("float32")
        else:
            kernel = arrays[f"{name}/convolution/merged_input"].astype("float32")
            x = ops.conv(x, kernel, strides, padding)
        x, padding = ops.relu6(x + shift), "same"
    return np.asarray(x)


def test_the_network_answers_as_the_published_one(arrays, file):
    network = build_network("mobilenet", image_size=48, classes=7)
    base, facts = load_base("mobilenet", file)
    network.set_weights(base + network.get_weights()[-2:])
    faces = np.random.default_rng(1).uniform(0, 255, (2, 48, 48, 1)).astype("float32")
    features = keras.Model(network.input, network.get_layer("features").output)(faces, training=False)
    features = np.asarray(features)
    assert features.shape == (2, 4, 4, 1024)
    assert 0.1 < features.std() < 6
    np.testing.assert_allclose(features, answer(arrays, faces), atol=1e-3)
    content = file.read_bytes() + file.with_name("faceres.bin").read_bytes()
    assert facts == {"name": "faceres.json", "sha256": hashlib.sha256(content).hexdigest(), "source": SOURCE}


def test_other_files_are_refused(arrays, file, monkeypatch):
    base = applications.MobileNet(include_top=False, weights=None)
    entry = NETWORKS["mobilenet"]
    same = replace(entry.backbone, load=lambda: (lambda **how: base, None))  # One network for all files.
    monkeypatch.setitem(NETWORKS, "mobilenet", replace(entry, backbone=same))
    whole = "must be a TensorFlow.js model that is whole. Received: .*faceres.json"
    numbers = file.with_name("faceres.bin")
    content = numbers.read_bytes()
    for damaged in (content[:-2], content + b"more", b""):
        numbers.write_bytes(damaged)
        with pytest.raises(UserError, match=whole):
            load_base("mobilenet", file)
    numbers.unlink()
    with pytest.raises(UserError, match=f"{whole}.*No such file"):
        load_base("mobilenet", file)
    for text in ("", "[]", "{}", '{"weightsManifest": [{"paths": []}]}', "[" * 100_000):
        file.write_text(text)
        with pytest.raises(UserError, match=whole):
            load_base("mobilenet", file)
    document = json.loads(write(file, arrays).read_text())
    document["weightsManifest"][0]["weights"][0]["quantization"] = {"dtype": "uint8", "min": -1.0, "scale": 0.01}
    file.write_text(json.dumps(document))
    with pytest.raises(UserError, match=f"{whole}.*quantised to uint8"):
        load_base("mobilenet", file)
    other = "must hold the MobileNet of faceres.json.* Received: .*faceres.json, which holds another network"
    lacking = {name: array for name, array in arrays.items() if name != "conv_pw_13_bn/batchnorm_1/sub"}
    wide = {**arrays, "conv_pw_3/convolution/merged_input": np.zeros((1, 1, 128, 64), "float16")}
    for arrays_of_another in ({}, lacking, wide):
        with pytest.raises(UserError, match=other):
            load_base("mobilenet", write(file, arrays_of_another))
    with pytest.raises(UserError, match=r"`--weights \*.json` goes with the network mobilenet. Received: vgg16"):
        check_base("vgg16", file)


def test_only_files_beside_the_manifest_are_read(arrays, tmp_path):
    (tmp_path / "model").mkdir()
    file = write(tmp_path / "model" / "faceres.json", arrays)
    document = json.loads(file.read_text())
    document["weightsManifest"][0]["paths"] = ["../elsewhere/faceres.bin"]
    file.write_text(json.dumps(document))
    loaded, _ = load_base("mobilenet", file)
    assert len(loaded) == len(applications.MobileNet(include_top=False, weights=None).get_weights())
