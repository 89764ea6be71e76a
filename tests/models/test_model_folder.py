import hashlib
import json
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from fer.errors import UserError
from fer.labels import EMOTIONS
from fer.models.calibration import UNCALIBRATED, Calibration
from fer.models.config import CONFIG, WEIGHTS, ModelConfig, ModelFolderError, WeightsRecord, load_config
from fer.models.model_folder import BUNDLED, METRICS, find_model, load_metrics, load_model, save_model

SMALL = {"stem": 8, "widths": (8, 16), "depth": 1}


def make_folder(folder, labels=("happy", "sad"), **options):
    """Save an untrained network as a model folder, and return the network."""
    config = ModelConfig("se_resnet", labels, 16, {**SMALL, **options})
    network = config.build()
    folder.mkdir(exist_ok=True)
    save_model(folder, network, config)
    return network


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "saved"
    make_folder(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A model folder that a test may change."""
    return shutil.copytree(saved, tmp_path / "model")


def edit_config(folder, **changes):
    """Replace values in the `config.json` of a model folder."""
    path = folder / CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_saved_model_answers_the_same_after_loading(tmp_path):
    network = make_folder(tmp_path)
    loaded, config = load_model(tmp_path)
    assert config.labels == ("happy", "sad")
    assert config.image_size == 16
    pixels = np.random.default_rng(1).uniform(0, 255, (3, 16, 16, 1)).astype("float32")
    np.testing.assert_allclose(loaded.predict_on_batch(pixels), network.predict_on_batch(pixels), atol=2e-3)
    again, _ = load_model(tmp_path)
    np.testing.assert_array_equal(again.predict_on_batch(pixels), loaded.predict_on_batch(pixels))


def test_a_calibration_is_saved_with_the_weights_and_loaded(tmp_path):
    calibration = Calibration(0.5, 0.6, prior_exponent=0.5, class_shares=(0.9, 0.1))
    config = ModelConfig("se_resnet", ("happy", "sad"), 16, SMALL, calibration=calibration)
    save_model(tmp_path, config.build(), config)
    document = json.loads((tmp_path / CONFIG).read_text())
    assert document["calibration"] == {
        "temperature": 0.5, "threshold": 0.6, "prior_exponent": 0.5, "class_shares": [0.9, 0.1]
    }  # fmt: skip
    loaded = load_config(tmp_path)
    assert loaded.calibration == calibration
    content = (tmp_path / WEIGHTS).read_bytes()
    assert loaded.weights == WeightsRecord(len(content), hashlib.sha256(content).hexdigest())


def test_a_folder_of_earlier_versions_without_calibration_and_exports_is_uncalibrated(folder):
    path = folder / CONFIG
    document = json.loads(path.read_text())
    assert document.pop("calibration") == {"temperature": 1.0, "threshold": 0.0}
    path.write_text(json.dumps(document))
    config = load_config(folder)
    assert (config.calibration, config.exports) == (UNCALIBRATED, {})


def test_the_text_bundled_names_the_bundled_model_and_a_path_does_not():
    assert (find_model("bundled"), find_model(Path("bundled"))) == (BUNDLED, Path("bundled"))


def test_a_model_trained_in_mixed_precision_is_loaded_in_full_precision(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        make_folder(tmp_path)
        loaded, _ = load_model(tmp_path)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}


def test_weights_are_stored_in_half_precision_without_optimizer_state(tmp_path):
    network = make_folder(tmp_path)
    assert (tmp_path / WEIGHTS).stat().st_size < 2 * network.count_params() + 200_000


def test_weights_beyond_half_precision_are_stored_in_full_precision(tmp_path):
    config = ModelConfig("se_resnet", ("happy", "sad"), 16, SMALL)
    network = config.build()
    norm = next(layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    norm.moving_variance.assign(norm.moving_variance * 1e5)
    save_model(tmp_path, network, config)
    loaded, _ = load_model(tmp_path)
    for array, expected in zip(loaded.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_the_bundled_model_knows_the_seven_emotions_and_is_small():
    _, config = load_model("bundled")
    assert config.labels == EMOTIONS
    assert (BUNDLED / WEIGHTS).stat().st_size <= 8_000_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "`format_version` must be 1. Received: 2"),
        ({"network": "transformer"}, "`network` must be one of"),
        ({"labels": ["<glad>", "sad"]}, "Received: '<glad>'"),
        ({"labels": ["glad", "sad"]}, "must be in the order"),
        ({"labels": ["sad", "happy"]}, "must be in the order"),
        ({"labels": ["happy"]}, "At least two"),
        ({"labels": "happy"}, "`labels` must be a JSON list"),
        ({"options": {"depht": 3}}, "cannot be built"),
        ({"image_size": 17}, "multiple of 8"),
        ({"image_size": 0}, "at least 16"),
        ({"image_size": True}, "`image_size` and `enlarged` must be integers. Received: True"),
        ({"image_size": 60_000}, "at most 512"),
        ({"options": {"enlarged": "96"}}, "must be integers. Received: 16, '96'"),
        ({"labels": [f"class {number}" for number in range(20_000)]}, "At most 50 classes .* Received: 20000"),
        ({"calibration": {"temperature": 0, "threshold": 0.5}}, "`temperature` must be a number from 0.1 to 10"),
        ({"calibration": {"temperature": float("nan"), "threshold": 0.5}}, "`temperature` must be a number"),
        ({"calibration": {"temperature": 1.0, "threshold": 1.1}}, "`threshold` must be a number from 0.0 to 1.0"),
        ({"calibration": {"temperature": "1", "threshold": True}}, "`temperature` must be a number"),
        (
            {"calibration": {"temperature": 1.0, "threshold": 0.5, "class_shares": [10**400, 1]}},
            "`class_shares` must be above 0 and sum to 1",
        ),
        ({"calibration": {"temperature": 1.0}}, "`calibration` must give temperature and threshold"),
        ({"weights": {"file": "../model.weights.h5", "size": 1, "sha256": "0"}}, "must give file model.weights.h5"),
        ({"weights": {"file": "model.weights.h5", "size": 1, "sha256": []}}, "must give file model.weights.h5"),
        ({"training": {"data": "abc"}}, "`data` among the facts about a training must be a JSON dict with `name`"),
        ({"training": {"data": {}}}, "`data` among the facts about a training must be a JSON dict with `name`"),
        ({"training": {"start": "x"}}, "`start` among the facts about a training must be a JSON dict. Received: 'x'"),
        ({"training": {"start": {"license": ["x"]}}}, "`license` among the facts about a training must be a JSON str"),
        ({"training": {"mean_of": {"models": ["x"]}}}, "`models` among the facts .* must be a JSON list of JSON dicts"),
    ],
)
def test_an_invalid_config_is_refused(folder, changes, message):
    edit_config(folder, **changes)
    with pytest.raises(ModelFolderError, match=message):
        load_model(folder)


def test_damaged_files_are_refused(folder):
    weights = folder / WEIGHTS
    content = weights.read_bytes()
    weights.write_bytes(content[:-1])
    with pytest.raises(ModelFolderError, match=f"{len(content)} bytes expected. Received: {len(content) - 1}"):
        load_model(folder)
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelFolderError, match="sha256"):
        load_model(folder)
    weights.unlink()
    with pytest.raises(ModelFolderError, match="model.weights.h5 is missing"):
        load_model(folder)
    (folder / CONFIG).write_text("{")
    with pytest.raises(ModelFolderError, match="no valid JSON"):
        load_model(folder)
    (folder / CONFIG).unlink()
    with pytest.raises(ModelFolderError, match="config.json is missing"):
        load_model(folder)
    with pytest.raises(ModelFolderError, match="there is no such folder"):
        load_model(folder / "nowhere")


def test_damage_that_was_there_when_the_weights_were_recorded_is_refused_in_one_sentence(folder):
    """h5py raises a RuntimeError for some of it."""
    content, refused = (folder / WEIGHTS).read_bytes(), 0
    for seed in range(8):
        places = np.random.default_rng(seed).integers(0, len(content), 30)
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[places] ^= 255
        (folder / WEIGHTS).write_bytes(damaged.tobytes())
        digest = hashlib.sha256(damaged.tobytes()).hexdigest()
        edit_config(folder, weights={"file": WEIGHTS, "size": len(content), "sha256": digest})
        try:
            load_model(folder)
        except ModelFolderError as error:
            refused += "not the weights of a se_resnet" in str(error)
    assert refused


def test_weights_of_another_network_are_refused(tmp_path):
    make_folder(tmp_path / "small")
    make_folder(tmp_path / "large", widths=(8, 24))
    content = (tmp_path / "large" / WEIGHTS).read_bytes()
    (tmp_path / "small" / WEIGHTS).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    edit_config(tmp_path / "small", weights={"file": WEIGHTS, "size": len(content), "sha256": digest})
    with pytest.raises(ModelFolderError, match="not the weights of a se_resnet"):
        load_model(tmp_path / "small")


def test_weights_without_some_layers_are_refused(tmp_path):
    make_folder(tmp_path)
    with h5py.File(tmp_path / WEIGHTS, "a") as file:
        del file["layers/batch_normalization"]
    content = (tmp_path / WEIGHTS).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    edit_config(tmp_path, weights={"file": WEIGHTS, "size": len(content), "sha256": digest})
    with pytest.raises(
        ModelFolderError, match="not the weights of a se_resnet: A total of 1 objects could not be loaded"
    ):
        load_model(tmp_path)


def test_a_model_folder_with_the_former_network_name_is_loaded(tmp_path):
    config = ModelConfig("original_cnn", ("happy", "sad"), 8)
    network = config.build()
    save_model(tmp_path, network, config)
    assert json.loads((tmp_path / CONFIG).read_text())["network"] == "original_cnn"
    edit_config(tmp_path, network="seed")
    loaded, config = load_model(tmp_path)
    assert config.network == "original_cnn"
    np.testing.assert_allclose(loaded.get_weights()[0], network.get_weights()[0], atol=1e-3)


def test_metrics_of_version_0_2_have_the_keys_of_today(tmp_path):
    (tmp_path / METRICS).write_text('{"n": 5, "served_path": {"found": 4, "loader_accuracy": 0.5}}')
    today = {"n": 5, "end_to_end": {"found": 4, "accuracy_without_scenes": 0.5}}
    assert load_metrics(tmp_path, "a test") == today


def test_metrics_that_are_a_device_are_refused(folder):
    """`/dev/zero` was read without end."""
    (folder / METRICS).symlink_to("/dev/null")
    with pytest.raises(UserError, match=r"metrics\.json: a test needs the model's figures; it must be a file"):
        load_metrics(folder, "a test")


def test_metrics_that_are_no_json_object_are_refused(tmp_path):
    (tmp_path / METRICS).write_text("[]")
    with pytest.raises(UserError, match=r"metrics\.json: must be a JSON object\. Received: a JSON list$"):
        load_metrics(tmp_path, "a test")
