import json
import shlex
import shutil
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from fer.cli.commands import main
from fer.detection.blazeface import NEAR
from fer.errors import UserError
from fer.export.activation_maps import with_maps
from fer.export.parity import build_crops
from fer.models.calibration import Calibration
from fer.models.config import (
    CONFIG,
    EXPORTS,
    WEIGHTS,
    ModelFolderError,
    change_document,
    describe_origin,
    load_config,
    save_calibration,
)
from fer.models.exports import record_export, save_exports
from fer.models.model_folder import BUNDLED, load_model
from fer.recognition.classification import classify
from fer.recognition.litert_network import LiteRTNetwork, read_litert_file
from fer.recognition.recognizer import Recognizer


@pytest.fixture
def small(exported, tmp_path):
    """A copy of `exported` that a test may change."""
    return shutil.copytree(exported, tmp_path / "small")


def test_the_litert_file_of_the_bundled_model_agrees_with_keras():
    recognizer = Recognizer.load("bundled")
    served = recognizer.network
    assert isinstance(served, LiteRTNetwork)
    network, config = load_model("bundled")
    assert recognizer.labels == config.labels
    assert recognizer.calibration == config.calibration.without_correction()
    assert served.input_shape == network.input_shape
    crops = build_crops(48)
    expected = config.calibration.apply(classify(network, crops))
    np.testing.assert_allclose(classify(served, crops), expected, atol=1e-4)
    _, maps = with_maps(network).predict_on_batch(crops[5:6, ..., None].astype("float32"))
    for index in (0, 3):
        mapped = served.map(crops[5], index)
        assert mapped.shape == (6, 6)
        np.testing.assert_allclose(mapped, maps[0, ..., index], atol=1e-3)


def test_the_temperature_is_in_the_litert_file_and_the_threshold_is_not(small):
    recognizer = Recognizer.load(small)
    served = recognizer.network
    assert isinstance(served, LiteRTNetwork)
    assert recognizer.calibration == Calibration(temperature=1.0, threshold=0.6)
    network, config = load_model(small)
    crops = build_crops(16)
    expected = config.calibration.apply(classify(network, crops))
    np.testing.assert_allclose(recognizer.calibration.apply(classify(served, crops)), expected, atol=1e-4)
    save_calibration(small, replace(config.calibration, threshold=0.7))
    assert isinstance(read_litert_file(small).open(), LiteRTNetwork)


def record_again(folder):
    """Record the current LiteRT file of a folder in `config.json`, as an attacker who can write both would."""
    made_of = describe_origin(load_config(folder))
    save_exports(folder, {"litert": record_export(folder / EXPORTS["litert"], made_of)})


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "end", "other"])
def test_a_damaged_litert_file_is_refused(small, damage):
    file = small / EXPORTS["litert"]
    content = file.read_bytes()
    other = (NEAR).read_bytes()
    damaged = {"empty": b"", "text": b"no file", "cut": content[:5000], "end": content[:-100], "other": other}
    file.write_bytes(damaged[damage])
    with pytest.raises(ModelFolderError, match="expected by config.json; export it again, or delete it. Received: "):
        read_litert_file(small).open()
    record_again(small)
    with pytest.raises(ModelFolderError, match="must be an export of this project that is whole. .* Received: "):
        read_litert_file(small).open()


@pytest.mark.parametrize("error", [AttributeError("no name"), struct.error("out of range"), IndexError()])
def test_metadata_that_cannot_be_read_are_refused(small, monkeypatch, error):
    def read(content):
        raise error

    monkeypatch.setattr("fer.recognition.litert_network.read_metadata", read)
    with pytest.raises(ModelFolderError, match="must be an export of this project that is whole. .* Received: "):
        read_litert_file(small).open()


def test_a_litert_file_with_another_type_of_input_is_refused(small, monkeypatch):
    class Other(LiteRTNetwork):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.input_type = "float64"

    monkeypatch.setattr("fer.recognition.litert_network.LiteRTNetwork", Other)
    with pytest.raises(ModelFolderError, match="`input type` must be that of config.json, uint8. Received: float64"):
        read_litert_file(small).open()


def test_changed_bytes_of_the_bundled_file_are_refused_before_it_is_opened(tmp_path, monkeypatch):
    folder = shutil.copytree(BUNDLED, tmp_path / "bundled")
    content = bytearray((folder / EXPORTS["litert"]).read_bytes())
    content[-3_000_000:-2_999_972] = bytes(28)
    (folder / EXPORTS["litert"]).write_bytes(content)
    monkeypatch.setattr("fer.recognition.litert_network.Interpreter", None)
    with pytest.raises(ModelFolderError, match="model.tflite: sha256 .* expected by config.json"):
        read_litert_file(folder).open()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ["angry", "sad"]}, "`labels` must be that of config.json, .*'angry', 'sad'.*'happy', 'sad'"),
        ({"labels": ["angry", "fear", "sad"]}, "`class_shares` must be 3 numbers. Received: "),
        (
            {"image_size": 24},
            r"`input` must be that of config.json, \(None, 24, 24, 1\). Received: .* 16, 16, 1",
        ),
    ],
)
def test_a_litert_file_with_other_labels_or_another_size_is_refused(small, changes, message):
    change_document(small, **changes)
    with pytest.raises(ModelFolderError, match=message):
        read_litert_file(small).open()


@pytest.mark.usefixtures("converted", "conversion_here")
def test_a_litert_file_that_is_not_recorded_is_not_opened_and_the_command_printed(small, capsys):
    document = json.loads((small / CONFIG).read_text())
    del document["exports"]
    (small / CONFIG).write_text(json.dumps(document))
    (small / EXPORTS["litert"]).write_bytes(b"whatever somebody put here")
    assert read_litert_file(small).path.parent != small
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"{small / EXPORTS['litert']}: not used, since config.json has no sha256 of it. ")
    with pytest.raises(ModelFolderError, match="not used, since config.json has no sha256 of it. To export it again: "):
        read_litert_file(small, convert=False)
    assert main(shlex.split(said.split("python -m fer ")[1])) == 0
    assert read_litert_file(small).path.parent == small
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    "entry",
    [
        {"file": "../model.tflite", "size": 1, "sha256": "0", "made_of": ""},
        {"file": "model.tflite", "size": "1", "sha256": "0", "made_of": ""},
        {"file": "model.tflite", "size": 1},
        [],
    ],
)
def test_an_invalid_record_of_an_export_is_refused(small, entry):
    change_document(small, exports={"litert": entry})
    with pytest.raises(ModelFolderError, match="`exports` must give file, size, sha256, made_of and quantized"):
        read_litert_file(small).open()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_answers_that_are_not_finite_are_an_error(astronaut, detector, photo, value):
    class Broken:
        input_shape = (None, 16, 16, 1)

        def predict_on_batch(self, pixels):
            return np.full((len(pixels), 2), value, np.float32)

    recognizer = Recognizer(Broken(), ("happy", "sad"), detector, "broken")
    with pytest.raises(UserError, match=f"A network must return finite numbers.* Received: {value}"):
        recognizer.recognize(photo)


def test_damaged_weights_are_refused_even_if_only_the_litert_file_is_used(small):
    (small / WEIGHTS).write_bytes(b"cut short")
    with pytest.raises(ModelFolderError, match="bytes expected. Received: 9"):
        read_litert_file(small).open()


def test_a_network_can_be_shared_between_threads(exported):
    served = read_litert_file(exported).open()
    crops = build_crops(16)
    alone = [classify(served, crops[number : number + 1 + number % 3]) for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        together = pool.map(lambda number: classify(served, crops[number : number + 1 + number % 3]), range(60))
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one, other)
