import hashlib

import keras
import numpy as np
import pytest

from fer import dlib
from fer.__main__ import main
from fer.dlib import load_dlib, make_start, read_convolutions, shrink_stem
from fer.errors import UserError
from fer.model_folder import load_model
from fer.models import build_network

FILTERS = [(7, 3, 32), *[(3, 32, 32)] * 6]
for before, width, blocks in ((32, 64, 4), (64, 128, 3), (128, 256, 3), (256, 256, 1)):
    FILTERS += [(3, before, width), *[(3, width, width)] * (2 * blocks - 1)]
"""Side, channels and filters of the 29 convolutions of dlib's network, the input's first."""


@pytest.fixture(scope="module")
def convolutions():
    """Random weights of such a network, as large as trained ones."""
    random = np.random.default_rng(0)
    return [
        (
            random.normal(0, (2 / (side * side * channels)) ** 0.5, (side, side, channels, filters)).astype("float32"),
            random.uniform(0.5, 1.5, filters).astype("float32"),
            random.normal(0, 0.3, filters).astype("float32"),
        )
        for side, channels, filters in FILTERS
    ]


@pytest.fixture
def file(convolutions, tmp_path, monkeypatch):
    """A file of dlib's format with these weights, which then is the one to expect."""

    def integer(value):
        size = max(1, (value.bit_length() + 7) // 8)
        return bytes([size]) + value.to_bytes(size, "little")

    def array(values):
        sides = b"".join(map(integer, (len(values), 1, 1, 1)))
        return integer(2) + sides + values.astype("<f4").tobytes()

    content = b"\x01\x01loss_metric_2 input_rgb_image_sized"
    for kernel, scale, shift in convolutions:
        bias = np.full(len(shift), 0.25, np.float32)
        filters = kernel.transpose(3, 2, 0, 1).ravel()
        content += b"\x05con_4" + array(np.concatenate([filters, bias])) + b"\x03\x03"
        content += b"\x07affine_" + array(np.concatenate([scale, shift - 0.25 * scale])) + b"\x05relu_"
    path = tmp_path / dlib.SOURCE
    path.write_bytes(content)
    monkeypatch.setattr(dlib, "SHA256", hashlib.sha256(content).hexdigest())
    return path


def test_reads_what_dlib_writes(file, convolutions):
    read = read_convolutions(file)
    assert len(read) == 29
    for got, written in zip(read, convolutions, strict=True):
        for a, b in zip(got, written, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_small_stem_sees_what_the_large_one_sees_of_the_enlarged_picture():
    random = np.random.default_rng(1)
    kernel = random.normal(size=(7, 7, 3, 4))
    picture = random.uniform(size=(1, 16, 16, 1)).astype("float32")
    small = keras.ops.conv(picture, shrink_stem(kernel).astype("float32"), padding="same")
    enlarged = keras.layers.UpSampling2D(2, interpolation="bilinear")(picture)
    grey = kernel.sum(2, keepdims=True).astype("float32")
    large = keras.ops.conv(enlarged, grey, strides=2, padding="same")
    inside = (slice(None), slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(np.asarray(small)[inside], np.asarray(large)[inside], atol=1e-4)


def test_each_normalization_does_what_dlibs_scale_and_shift_do(convolutions):
    network = build_network("face_resnet", image_size=48, classes=7)
    images = np.random.default_rng(2).integers(0, 256, (8, 48, 48, 1)).astype("float32")
    load_dlib(network, convolutions, images)
    pairs = dlib._convolutions(network)
    probe = keras.Model(network.input, [[first.output, second.output] for first, second in pairs])
    seen = [(np.asarray(a), np.asarray(b)) for a, b in probe.predict_on_batch(images)]
    own = [(out, normal) for (layer, _), (out, normal) in zip(pairs, seen, strict=True) if layer.kernel_size == (3, 3)]
    assert len(own) == 24
    for (out, normal), (_, scale, shift) in zip(own, convolutions[1:], strict=False):
        np.testing.assert_allclose(normal, scale * out + shift, atol=1e-3 * np.abs(normal).max())
    # What training's own means and variances would do is the same: batch normalization may go on from here.
    for (_, normalization), (out, _) in zip(pairs, seen, strict=True):
        np.testing.assert_allclose(normalization.moving_mean, out.mean((0, 1, 2)), atol=1e-3)
        np.testing.assert_allclose(normalization.moving_variance, out.var((0, 1, 2)), rtol=1e-2, atol=1e-4)
    # The stem sees grey pixels as dlib's sees them in each of its three channels.
    kernel, scale, shift = convolutions[0]
    flat = load_stem(network, np.full((1, 48, 48, 1), 100.0, np.float32))
    expected = (
        scale * sum((100 - mean) / 256 * kernel[:, :, c].sum((0, 1)) for c, mean in enumerate(dlib.MEANS)) + shift
    )
    np.testing.assert_allclose(flat[0, 24, 24], expected, atol=1e-3)


def load_stem(network, images):
    """What a network's first convolution and normalization make of pictures."""
    (_, normalization), *_ = dlib._convolutions(network)
    return keras.Model(network.input, normalization.output).predict_on_batch(images)


def test_the_command_writes_a_folder_to_start_from(file, draw_dataset, tmp_path, capsys):
    data = draw_dataset(tmp_path / "data", per_class=2)
    output = tmp_path / "runs" / "dlib"
    assert main(["start", str(file), str(output), "--data", str(data), "--classes", "happy", "sad"]) == 0
    assert f"--start {output}" in capsys.readouterr().out
    network, config = load_model(output)
    assert (config.network, config.labels) == ("face_resnet", ("happy", "sad"))
    assert config.training["weights"] == {"name": dlib.SOURCE, "sha256": dlib.SHA256}
    with pytest.raises(UserError, match="new or empty folder. Received"):
        make_start(file, output, data, ("happy", "sad"))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_convolutions(tmp_path / "nowhere.dat")
    other = tmp_path / "other.dat"
    other.write_bytes(b"con_4")
    with pytest.raises(UserError, match="must be dlib's dlib_face_recognition_resnet_model_v1.dat, sha256 55533b2"):
        read_convolutions(other)
