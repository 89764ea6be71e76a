import hashlib
import json
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import h5py
import keras
import numpy as np
import pytest
from keras import applications
from keras.src.utils import file_utils

import train
from fer.data.faces import load_faces
from fer.errors import UserError
from fer.evaluation.comparison import count_multiply_adds
from fer.export.activation_maps import with_maps
from fer.images.loading import load_image
from fer.models import efficientnet_lite
from fer.models.backbones import freeze_base, load_base
from fer.models.config import ModelConfig
from fer.models.model_folder import load_model, save_model
from fer.models.networks import NETWORKS, build_network
from fer.recognition.classification import classify
from fer.recognition.recognizer import Recognizer
from fer.training import callbacks
from fer.training import fit as training
from fer.training.batches import FaceBatches
from fer.training.fit import Run, TrainingData, fit
from fer.training.recipes import RECIPES, Recipe

CLASSES = ("happy", "sad")
LEAST = {"efficientnet_lite0": 32, "inception_v3": 75, "mobilenet": 32, "resnet50": 32, "vgg16": 32}
OWN = {
    "efficientnet_lite0": efficientnet_lite,
    "inception_v3": applications.inception_v3,
    "mobilenet": applications.mobilenet,
    "resnet50": applications.resnet50,
    "vgg16": applications.vgg16,
}
"""Modules with `preprocess_input`, by backbone."""
DEEP = {"efficientnet_lite0", "inception_v3", "resnet50"}
"""Backbones whose hundreds of layers take seconds to build."""
BUILD = {
    "efficientnet_lite0": efficientnet_lite.build_efficientnet_lite0,
    "inception_v3": applications.InceptionV3,
    "mobilenet": applications.MobileNet,
    "resnet50": applications.ResNet50,
    "vgg16": applications.VGG16,
}


PUBLISHER, KERNELS = "https://storage.googleapis.com", "_weights_tf_dim_ordering_tf_kernels_notop.h5"
PUBLISHED = {
    "vgg16": (f"vgg16/vgg16{KERNELS}", "6d6bbae143d832006294945121d1f1fc"),
    "resnet50": (f"resnet/resnet50{KERNELS}", "4d473c1dd8becc155b73f8504c6f6626"),
    "inception_v3": (f"inception_v3/inception_v3{KERNELS}", "bcbd6486424b2319ff4ef7d526e38f63"),
}
PUBLISHED = {name: (f"/tensorflow/keras-applications/{path}", digest) for name, (path, digest) in PUBLISHED.items()}
"""Path of each file of ImageNet weights at its publisher, and the MD5 with which Keras checks it."""


def each_backbone(**more):
    """Return the parameters of a test: each name with its values in `more`; deep backbones get the marker `slow`."""
    return [pytest.param(name, *more.get(name, ()), marks=[pytest.mark.slow] * (name in DEEP)) for name in LEAST]


@pytest.fixture(scope="module")
def data(draw_dataset, tmp_path_factory):
    return draw_dataset(tmp_path_factory.mktemp("data"), CLASSES, per_class=6)


def build_thin(include_top, weights, input_tensor=None, convolutions=(2, 2, 3, 3, 3)):
    """Build VGG16 without its top and with 4 to 20 filters per layer; `convolutions` are the layers per block."""
    x = keras.Input((None, None, 3)) if input_tensor is None else input_tensor
    for block, count in enumerate(convolutions, start=1):
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            x = keras.layers.Conv2D(4 * block, 3, padding="same", activation="relu", name=name)(x)
        x = keras.layers.MaxPooling2D(name=f"block{block}_pool")(x)
    return keras.Model(keras.utils.get_source_inputs(x), x)


def replace_base(monkeypatch, name, build):
    """Replace Keras' function of a backbone by `build` during the test."""
    entry = NETWORKS[name]
    load = replace(entry.backbone, load=lambda: (build, OWN[name].preprocess_input))
    monkeypatch.setitem(NETWORKS, name, replace(entry, backbone=load))


@pytest.fixture
def vgg16(tmp_path, monkeypatch):
    """A thin VGG16 without its top, and its weights file; the network `vgg16` is replaced by it during the test."""
    replace_base(monkeypatch, "vgg16", build_thin)
    base, path = build_thin(include_top=False, weights=None), tmp_path / "base.weights.h5"
    base.save_weights(path)
    return base, path


@pytest.fixture(scope="module")
def networks():
    """A function that builds each backbone once, with its smallest input."""
    return cache(lambda name: build_network(name, LEAST[name], 2))


@pytest.fixture
def network(networks, name):
    """The backbone with the test's parameter `name`; its weights are restored after the test."""
    network = networks(name)
    before = network.get_weights()
    yield network
    network.set_weights(before)
    for layer in network.layers:
        layer.trainable = True


def load_both(data, size):
    return [load_faces(data, split, classes=CLASSES, image_size=size) for split in ("train", "validation")]


def pictures(size, count=2):
    return np.random.default_rng(0).uniform(0, 255, (count, size, size, 1)).astype("float32")


@pytest.mark.parametrize("name", each_backbone())
def test_the_base_preprocesses_and_answers_as_keras_applications_do(network, name):
    size = LEAST[name]
    base = BUILD[name](include_top=False, weights=None)
    network.set_weights(base.get_weights() + network.get_weights()[-2:])
    before = [layer.name for layer in network.layers].index("grey_to_color")
    first = network.layers[before + 1]
    features = keras.Model(network.input, [first.input, network.get_layer("features").output])
    seen, answered = features(pictures(size), training=False)
    faces = pictures(size)
    if side := NETWORKS[name].backbone.enlarged:
        faces = np.asarray(keras.ops.image.resize(faces, (side, side), interpolation="bilinear"))
    expected = OWN[name].preprocess_input(np.repeat(faces, 3, axis=-1))
    np.testing.assert_allclose(seen, expected, atol=1e-4)
    np.testing.assert_allclose(answered, base(expected, training=False), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "size", "billions"), [("inception_v3", 299, 5.7), ("resnet50", 224, 3.9), ("vgg16", 224, 15.3)]
)
def test_the_number_of_multiply_adds_is_the_published_one(name, size, billions):
    assert round(count_multiply_adds(build_network(name, size, 2)) / 1e9, 1) == billions


@pytest.mark.slow  # Builds, saves and loads each backbone in full depth.
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", LEAST)
def test_each_backbone_can_be_trained_saved_and_loaded(name, data, tmp_path):
    size = LEAST[name]
    config = ModelConfig(name, CLASSES, size)
    network, (faces, validation) = config.build(), load_both(data, size)
    before = network.get_weights()
    history = fit(
        network, TrainingData(faces, validation), replace(RECIPES[name], epochs=1, batch_size=12), Run(tmp_path)
    )
    assert len(history) == 1
    assert any(not np.array_equal(new, old) for new, old in zip(network.get_weights()[:-2], before[:-2], strict=True))
    save_model(tmp_path, network, config)
    loaded, _ = load_model(tmp_path)
    crops = validation.images[..., 0]
    probabilities = classify(loaded, crops)
    np.testing.assert_allclose(probabilities, classify(network, crops), atol=5e-3)
    _, maps = with_maps(loaded).predict_on_batch(crops[:1, ..., None].astype("float32"))
    logits = maps[0].mean(axis=(0, 1)) + np.asarray(loaded.get_layer("probabilities").bias)
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(), probabilities[0], atol=1e-4)


def test_all_backbones_are_in_these_tests():
    assert {name for name, network in NETWORKS.items() if network.backbone} == set(LEAST)


@pytest.mark.parametrize("name", LEAST)
def test_a_size_below_the_smallest_is_refused(name):
    least = LEAST[name]
    with pytest.raises(UserError, match=f"`image_size` must be at least {least} for {name}. Received: {least - 1}"):
        build_network(name, least - 1, 2)


def test_weights_files_of_keras_are_loaded(vgg16, tmp_path):
    base, path = vgg16
    base.save(tmp_path / "model.h5")
    # The files that keras.applications publishes have only these groups.
    with h5py.File(tmp_path / "model.h5") as model, h5py.File(tmp_path / "notop.h5", "w") as file:
        for name in model["model_weights"]:
            model.copy(f"model_weights/{name}", file)
        file.attrs.update(model["model_weights"].attrs)
    network = build_network("vgg16", 32, 2)
    network.set_weights(base.get_weights() + network.get_weights()[-2:])
    network.save_weights(tmp_path / "network.weights.h5")
    for file in (path, tmp_path / "notop.h5", tmp_path / "model.h5", tmp_path / "network.weights.h5"):
        loaded, facts = load_base("vgg16", file)
        assert facts["name"] == file.name
        assert len(facts["sha256"]) == 64
        for array, expected in zip(loaded, base.get_weights(), strict=True):
            np.testing.assert_array_equal(array, expected)


def test_other_files_are_refused_before_anything_is_read(vgg16, tmp_path):
    base, path = vgg16
    content = path.read_bytes()
    (tmp_path / "cut.weights.h5").write_bytes(content[: len(content) // 2])
    (tmp_path / "damaged.weights.h5").write_bytes(content[:200] + bytes(3800) + content[4000:])
    base.save(tmp_path / "model.h5")
    (tmp_path / "cut.h5").write_bytes((tmp_path / "model.h5").read_bytes()[:50_000])
    (tmp_path / "words.h5").write_text("no weights")
    (tmp_path / "weights.txt").write_text("no weights")
    build_thin(False, None, convolutions=(2, 2, 4, 4, 4)).save_weights(tmp_path / "nineteen.weights.h5")
    small = build_network("se_resnet", 16, 2, stem=8, widths=(8,), depth=1)
    small.save_weights(tmp_path / "small.weights.h5")
    small.save(tmp_path / "small.h5")
    whole = "must be an HDF5 file that is whole"
    right = "must hold the weights of vgg16 without its top"
    there = "must be imagenet, none or a file"
    for name, rule in {
        "cut.weights.h5": whole,
        "cut.h5": whole,
        "damaged.weights.h5": whole,
        "words.h5": whole,
        "nineteen.weights.h5": right,
        "small.weights.h5": right,
        "small.h5": right,
        "weights.txt": "must be a file named",
        "none.h5": there,
        "": there,
    }.items():
        with pytest.raises(UserError, match=f"`--weights` {rule}.* Received: ") as error:
            train.main(
                ["--data", str(path), "--output", str(tmp_path / "run"), "--network", "vgg16"]
                + ["--weights", str(tmp_path / name)]
            )
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="without its top"):
        load_base("mobilenet", path)


class Files(BaseHTTPRequestHandler):
    """Handler that serves the files in `published`, by path, and appends requested paths to `asked`."""

    published, asked = {}, []

    def do_GET(self):  # noqa: N802 - name in the base class
        self.asked.append(self.path)
        content = self.published.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_):
        pass


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """Handler class of a server on this machine from which Keras downloads into an empty cache; see `Files`."""
    handler = type("Handler", (Files,), {"published": {}, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place, fetch = f"http://127.0.0.1:{server.server_port}", file_utils.urlretrieve

        def retrieve(url, *rest):
            assert url.startswith(f"{PUBLISHER}/tensorflow/keras-applications/")
            return fetch(url.replace(PUBLISHER, place), *rest)

        (tmp_path / "keras").mkdir()  # Keras uses another folder if it cannot write to this one.
        monkeypatch.setattr(file_utils, "urlretrieve", retrieve)
        monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path / "keras"))
        yield handler
        server.shutdown()


@pytest.mark.slow  # Builds and saves each of the three in full.
@pytest.mark.parametrize("name", PUBLISHED)
def test_imagenet_weights_are_downloaded_once_checked_and_kept(name, downloads, tmp_path, monkeypatch):
    path, digest = PUBLISHED[name]
    base, file = BUILD[name](include_top=False, weights=None), tmp_path / "published.h5"
    base.save(file)
    downloads.published[path] = file.read_bytes()
    with pytest.raises(UserError, match=f"The ImageNet weights of {name} could not .* hash does not match"):
        load_base(name, "imagenet")
    # Instead of the published file, another one is served, which is given its digest.
    sums, own = [], hashlib.md5(file.read_bytes()).hexdigest()

    def hash_as_published(path, hasher, chunk_size=65535, original=file_utils.hash_file):
        sums.append(original(path, hasher, chunk_size))
        return digest if sums[-1] == own else sums[-1]

    monkeypatch.setattr(file_utils, "hash_file", hash_as_published)
    for _ in range(2):
        loaded, facts = load_base(name, "imagenet")
        assert facts == {"name": "imagenet", "sha256": None}
        for array, expected in zip(loaded, base.get_weights(), strict=True):
            np.testing.assert_array_equal(array, expected)
    # At most the refused file is downloaded again.
    assert set(downloads.asked) == {path}
    assert len(downloads.asked) <= 2
    assert set(sums) == {own}
    assert [kept.name for kept in (tmp_path / "keras" / "models").iterdir()] == [Path(path).name]


def test_a_missing_file_of_weights_is_reported(downloads):
    with pytest.raises(UserError, match="of vgg16 could not be downloaded: .* 404 .*. `--weights PATH` takes a local"):
        load_base("vgg16", "imagenet")
    assert downloads.asked == [PUBLISHED["vgg16"][0]]


def test_a_failed_download_is_reported_with_the_address_and_an_alternative(monkeypatch):
    def fail(include_top, weights):
        raise Exception("URL fetch failure on https://somewhere/vgg16.h5: None -- [Errno -2] Name or service not known")

    replace_base(monkeypatch, "vgg16", fail)
    with pytest.raises(
        UserError, match=r"vgg16 could not .*https://somewhere/vgg16.h5.*`--weights PATH` takes a local"
    ):
        load_base("vgg16", "imagenet")


@pytest.mark.parametrize(
    ("name", "blocks"),
    each_backbone(
        efficientnet_lite0=[("block7a", "top")],
        inception_v3=[None],
        mobilenet=[tuple(f"conv_{kind}_{block}" for block in range(4, 14) for kind in ("dw", "pw"))],
        resnet50=[("conv5_block3",)],
        vgg16=[("block5",)],
    ),
)
def test_freeze_base_freezes_batch_normalization_and_all_but_the_last_block(network, name, blocks):
    images = pictures(LEAST[name])
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.moving_mean.assign(layer.moving_mean + 0.1)
    freeze_base(network)
    before = network.get_weights()
    trained, inferred = network(images, training=True), network(images, training=False)
    np.testing.assert_allclose(np.asarray(trained), np.asarray(inferred), atol=1e-6)
    for new, old in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(new, old)
    assert not any(layer.trainable_weights for layer in norms)
    learning = [layer.name for layer in network.layers if layer.trainable_weights]
    assert learning[-1] == "probabilities"
    if blocks:
        convolutions = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
        assert learning[:-1] == [
            layer.name for layer in network.layers if layer.name.startswith(blocks) and isinstance(layer, convolutions)
        ]
    else:
        # Of the eleven modules of InceptionV3 the last has nine convolutions (Szegedy et al., 2016, figure 7).
        assert len(learning) == 9 + 1


def run(data, base, folder, resume=False, teachers=(), **recipe):
    """Train `vgg16` from the weights of `base`, and return the network and its history."""
    keras.utils.set_random_seed(7)
    network = build_network("vgg16", 32, len(CLASSES))
    network.set_weights(base.get_weights() + network.get_weights()[-2:])
    folder.mkdir(exist_ok=True)
    recipe = Recipe(**{"epochs": 4, "head_epochs": 2, "batch_size": 4, "seed": 7, "mixup": 0.0, **recipe})
    return network, fit(
        network, TrainingData(*load_both(data, 32), teachers=teachers), recipe, Run(folder, resume, "last")
    )


@pytest.mark.usefixtures("eager")
def test_the_head_is_trained_first_and_then_the_last_block_with_it(data, vgg16, tmp_path, monkeypatch):
    base, _ = vgg16
    between, batches = [], []

    def leave(network, tune, original=freeze_base):
        between.append(network.get_weights())
        original(network, tune)

    class Recorded(FaceBatches):
        def __init__(self, faces, *arguments, **how):
            super().__init__(faces, *arguments, **how)
            batches.append(faces.images.shape)

    monkeypatch.setattr(training, "freeze_base", leave)
    monkeypatch.setattr(training, "FaceBatches", Recorded)
    network, history = run(data, base, tmp_path, epochs=3, batch_size=12, learning_rate=1e-2, tuning_rate=1e-3)
    assert [row["epoch"] for row in history] == [0, 1, 2]
    # The base computes its features once, and the epochs of the head train on these.
    assert batches == [(12, 32, 32, 1)] * 2 + [(12, 20)] * 2 + [(12, 32, 32, 1)] * 2
    (after_head,), after = between, network.get_weights()
    for new, old in zip(after_head[:-2], base.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    assert not np.array_equal(after_head[-1], np.zeros(2))
    changed = [not np.array_equal(new, old) for new, old in zip(after, after_head, strict=True)]
    assert changed == [weight.path.startswith(("block5", "probabilities")) for weight in network.weights]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("tune", "heads", "learnt"), [("head", 2, "prob"), ("block", 1, ("prob", "block5")), ("all", 1, ("prob", "block"))]
)
def test_the_recipe_chooses_the_layers_that_are_tuned(data, vgg16, tmp_path, tune, heads, learnt):
    base, _ = vgg16
    network, history = run(data, base, tmp_path, epochs=2, head_epochs=heads, batch_size=12, tune=tune)
    assert [row["epoch"] for row in history] == [0, 1]
    before = [*base.get_weights(), None, None]
    changed = [not np.array_equal(new, old) for new, old in zip(network.get_weights(), before, strict=True)]
    assert changed == [weight.path.startswith(learnt) for weight in network.weights]


@pytest.mark.usefixtures("eager")
def test_resuming_a_finished_head_changes_nothing(data, vgg16, tmp_path):
    base, _ = vgg16
    how = {"epochs": 1, "head_epochs": 1, "batch_size": 12, "tune": "head"}
    network, history = run(data, base, tmp_path, **how)
    again, same = run(data, base, tmp_path, resume=True, **how)
    assert same == history
    for weights, expected in zip(again.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_tune_all_tunes_all_layers_but_batch_normalization(networks):
    network = networks("mobilenet")
    try:
        freeze_base(network, "all")
        learning = {type(layer) for layer in network.layers if layer.trainable_weights}
    finally:
        for layer in network.layers:
            layer.trainable = True
    assert learning == {keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense}


@pytest.mark.slow  # Trains a VGG16 twice.
@pytest.mark.usefixtures("eager")
def test_distillation_begins_with_the_tuning_and_not_with_the_head(data, vgg16, tmp_path):
    base, _ = vgg16
    last = base.get_layer("block5_conv3")
    last.set_weights([array / 100 for array in last.get_weights()])  # So that the first answers of a head are uniform.
    teacher = build_network("se_resnet", 32, len(CLASSES), stem=8, widths=(8,), depth=1)
    teacher.get_layer("probabilities").bias.assign([9.0, 0.0])
    # With one batch per epoch, a loss is that of the weights at the start of the epoch.
    (_, alone), (_, taught) = (
        run(data, base, tmp_path / name, epochs=2, head_epochs=1, batch_size=12, teachers=teachers)
        for name, teachers in (("alone", ()), ("taught", (teacher,)))
    )
    assert taught[0]["loss"] == pytest.approx(alone[0]["loss"], rel=1e-3)
    # For a student with uniform probabilities: a tenth of the loss from labels, nine tenths of that from this teacher.
    assert taught[1]["loss"] > 2 * alone[1]["loss"]


@pytest.mark.slow  # Five runs of two trainings each.
@pytest.mark.usefixtures("eager")
def test_a_run_interrupted_in_either_stage_is_resumed_with_the_same_result(data, vgg16, tmp_path, monkeypatch):
    base, _ = vgg16
    whole, expected = run(data, base, tmp_path / "whole", batch_size=6)
    for cut in (1, 2, 3):

        def interrupt(self, epoch, logs=None, cut=cut):
            if epoch == cut:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(callbacks.EpochSeconds, "on_epoch_begin", interrupt)
            with pytest.raises(KeyboardInterrupt):
                run(data, base, tmp_path / "cut", resume=cut > 1, batch_size=6)
    resumed, history = run(data, base, tmp_path / "cut", resume=True, batch_size=6)
    for row, other in zip(history, expected, strict=True):
        assert {**row, "seconds": 0} == {**other, "seconds": 0}
    for weights, same in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(weights, same, atol=1e-6)


@pytest.mark.slow  # A complete training of VGG16, with graphs.
def test_a_model_trained_from_weights_by_the_command_line_recognizes_a_photo(data, tmp_path, astronaut):
    path = tmp_path / "base.weights.h5"
    applications.VGG16(include_top=False, weights=None).save_weights(path)
    output = tmp_path / "run"
    command = ["--data", str(data), "--output", str(output), "--classes", *CLASSES, "--network", "vgg16"]
    command += ["--image-size", "32", "--epochs", "2", "--head-epochs", "1", "--weights", str(path)]
    train.main(command)
    facts = json.loads((output / "config.json").read_text())["training"]
    assert facts["weights"] == load_base("vgg16", path)[1]
    assert (facts["head_epochs"], facts["tuning_rate"]) == (1, Recipe.tuning_rate)
    assert str(path.parent) not in facts["command"]
    assert f"the weights of a file, {path.name}" in " ".join((output / "README.md").read_text().split())
    (face,) = Recognizer.load(output).recognize(load_image(astronaut))
    assert set(face.probabilities) == set(CLASSES)
    other = path.with_name("other.weights.h5")
    applications.VGG16(include_top=False, weights=None).save_weights(other)
    with pytest.raises(UserError, match="weights={'name': 'base.*Received: weights={'name': 'other"):
        train.main([*command[:-1], str(other), "--resume"])
