import json
import re
import shutil
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter
from conftest import draw_face

import fer.export
import train
from fer.cli.commands import main
from fer.errors import UserError
from fer.export.convert import check_formats, export_model, open_export
from fer.export.parity import build_crops
from fer.hub.client import pull_model
from fer.labels import EMOTIONS
from fer.models.calibration import Calibration
from fer.models.config import CONFIG, EXPORTS, change_document, load_config, save_calibration
from fer.models.model_folder import CARD, load_model
from fer.publishing.push import push_model
from fer.recognition.classification import classify
from fer.recognition.litert_network import LiteRTNetwork, read_litert_file

MODEL = "fer-bot/model"


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    """Paths of exports of the bundled model by name, which `fer export` has written."""
    folder = tmp_path_factory.mktemp("exported")
    files = {name: folder / EXPORTS[name] for name in EXPORTS} | {"quantised": folder / "half.tflite"}
    for name, path in files.items():
        kind = ["litert", "--quantize"] if name == "quantised" else [name]
        assert main(["export", "bundled", "--output", str(path), "--format", *kind]) == 0
    assert set(folder.iterdir()) == set(files.values())
    return files


@pytest.fixture
def small(calibrated, tmp_path):
    """A copy of `calibrated` that a test may change."""
    return shutil.copytree(calibrated, tmp_path / "small")


@pytest.mark.slow  # Converts the network of 2 million parameters.
@pytest.mark.parametrize(("name", "limit"), [("onnx", 1e-4), ("litert", 1e-4), ("quantised", 1e-2)])
def test_exports_agree_with_keras_at_any_batch_size(bundled, name, limit):
    classify_crops = open_export(bundled[name], "onnx" if name == "onnx" else "litert")
    crops = np.stack([np.asarray(draw_face(emotion, number)) for number, emotion in enumerate(EMOTIONS)])
    network, config = load_model("bundled")
    for count in (1, 5, 7):
        received = classify_crops(crops[:count])
        assert received.dtype == np.float32
        expected = config.calibration.apply(classify(network, crops[:count]))
        np.testing.assert_allclose(received, expected, rtol=0, atol=limit)


@pytest.mark.slow  # Converts the network of 2 million parameters.
def test_a_quantised_export_has_half_the_size(bundled):
    assert bundled["quantised"].stat().st_size < 0.51 * bundled["litert"].stat().st_size


@pytest.mark.slow  # Converts the network of 2 million parameters, and starts two interpreters.
def test_the_code_in_the_card_runs_the_exports(hub, bundled, monkeypatch, tmp_path):
    # Copies the exports instead of making them again; another test covers exports during a push.
    monkeypatch.setattr(fer.export.convert, "export_model", lambda _, name, output: shutil.copy(bundled[name], output))
    push_model("bundled", MODEL, exports=("onnx", "litert"))
    files = hub.model(MODEL).head.files
    for name in EXPORTS.values():
        (tmp_path / name).write_bytes(hub.state.large[files[name].sha256])
    crops = build_crops(48)[:3, :, :, None]
    network, config = load_model("bundled")
    expected = config.calibration.apply(classify(network, crops[..., 0]))
    card = " ".join(files[CARD].content.decode().split())
    calls = re.findall(r'`((?:Interpreter|InferenceSession)\("[^`]+)`', card)
    assert len(calls) == 2
    monkeypatch.chdir(tmp_path)
    names = {"Interpreter": Interpreter, "InferenceSession": onnxruntime.InferenceSession, "crops": crops}
    for call in calls:
        np.testing.assert_allclose(np.squeeze(eval(call, names)), expected, atol=1e-4)


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_include_enlargement_temperature_and_prior(exported, name):
    network, config = load_model(exported)
    crops = build_crops(16)
    received = open_export(exported / EXPORTS[name], name)(crops)
    as_trained = classify(network, crops)
    np.testing.assert_allclose(received, config.calibration.apply(as_trained), atol=1e-4)
    assert np.abs(received - as_trained).max() > 1e-2


@pytest.mark.usefixtures("converted")
def test_an_export_that_disagrees_with_keras_is_not_written(small, tmp_path, capsys):
    save_calibration(small, Calibration(temperature=1.0))
    output = tmp_path / "out" / "model.tflite"
    output.parent.mkdir()
    with pytest.raises(SystemExit) as end:
        main(["export", str(small), "--format", "litert", "--output", str(output)])
    assert end.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"python -m fer export: .+ within 0.0001 of Keras' own. Received: a difference of 0\.\d+", said)
    assert not list(output.parent.iterdir())


def test_an_export_never_replaces_that_of_another_format(small, exported, tmp_path, monkeypatch):
    monkeypatch.setattr(fer.export.convert, "load_model", lambda folder: pytest.fail("the work has begun"))
    served, other = small / EXPORTS["litert"], tmp_path / "other" / EXPORTS["litert"]
    other.parent.mkdir()
    for file in (served, other):
        shutil.copy(exported / EXPORTS["litert"], file)
    for output, rule in (
        (served, "must be a file that is not read"),
        (other, "must not end in .tflite, the suffix of"),
    ):
        with pytest.raises(UserError, match=f"`--output` {rule}.* Received: {output}"):
            export_model(small, "onnx", output)
    assert served.read_bytes() == other.read_bytes() == (exported / EXPORTS["litert"]).read_bytes()


def test_an_export_never_replaces_that_of_another_model(small, exported, tmp_path, monkeypatch):
    monkeypatch.setattr(fer.export.convert, "load_model", lambda folder: pytest.fail("the work has begun"))
    other = shutil.copytree(exported, tmp_path / "other")
    save_calibration(other, Calibration(temperature=0.3))
    before = (other / EXPORTS["litert"]).read_bytes()
    with pytest.raises(UserError, match="`--output` must be in no folder of another model"):
        export_model(small, "litert", other / EXPORTS["litert"])
    assert (other / EXPORTS["litert"]).read_bytes() == before


@pytest.mark.usefixtures("conversion_of_another")
def test_an_export_is_recorded_as_made_of_what_was_loaded(small, monkeypatch):
    load = fer.export.convert.load_model

    def load_and_change(folder):
        loaded = load(folder)
        save_calibration(folder, Calibration(temperature=0.3))
        return loaded

    monkeypatch.setattr(fer.export.convert, "load_model", load_and_change)
    export_model(small, "litert", small / EXPORTS["litert"])
    assert "litert" not in load_config(small).exports


@pytest.mark.usefixtures("converted")
def test_an_export_that_answers_nan_is_refused(small, tmp_path, monkeypatch):
    monkeypatch.setattr(fer.export.convert, "open_export", lambda *_: lambda crops: np.full((len(crops), 2), np.nan))
    with pytest.raises(UserError, match="Received: a difference of nan"):
        export_model(small, "litert", tmp_path / "model.tflite")


@pytest.mark.usefixtures("converted")
def test_the_accuracies_of_keras_and_the_export_are_printed(small, draw_dataset, tmp_path, capsys):
    data = draw_dataset(tmp_path / "data", ("happy", "sad"), per_class=2)
    arguments = ["export", str(small), "--format", "litert", "--quantize", "--output", str(tmp_path / "half.tflite")]
    (data / "test" / "happy" / "PublicTest_broken.jpg").write_bytes(b"\xff\xd8\xff")
    for option in (["--skip-bad"], ["--layout", "ckplus"]):
        with pytest.raises(SystemExit):
            main([*arguments, *option])
        assert f"{option[0]} goes with --data PATH. Received: no --data" in capsys.readouterr().err
    assert main([*arguments, "--data", str(data), "--skip-bad"]) == 0
    told = capsys.readouterr()
    assert [line for line in told.err.splitlines() if line.startswith("skipped: ")]
    line = told.out.splitlines()[-1]
    assert re.fullmatch(r"accuracy on 4 pictures of the validation split: Keras (\S+), this file \1", line)


@pytest.mark.usefixtures("converted")
def test_the_accuracy_of_keras_includes_the_prior(small, draw_dataset, tmp_path, monkeypatch):
    data = draw_dataset(tmp_path / "data", ("happy", "sad"), per_class=2)
    next((data / "test" / "happy").glob("PublicTest_*")).unlink()
    calibration = load_config(small).calibration

    def answer(network, crops):
        return np.tile([0.6, 0.4], (len(crops), 1))

    assert calibration.apply(answer(None, [0])).argmax() == 1
    monkeypatch.setattr(fer.export.convert, "classify", answer)
    monkeypatch.setattr(
        fer.export.convert, "open_export", lambda *_: lambda crops: calibration.apply(answer(None, crops))
    )
    accuracy = export_model(small, "litert", tmp_path / "model.tflite", data=data).accuracy
    assert accuracy == {"n": 3, "keras": pytest.approx(2 / 3), "file": pytest.approx(2 / 3)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--format", "tensorrt"], "`format` must be onnx or litert. Received: 'tensorrt'"),
        (["--format", "onnx", "--quantize"], "`quantize` goes with the format litert. Received: 'onnx'"),
        (
            ["--output", "missing/model.onnx"],
            "`--output` must be in an existing folder. Received: missing/",
        ),
        (["--output", "."], "`--output` must be a file. Received the folder ."),
        (["--data", "nowhere"], "nowhere: no such file or folder"),
        (["nowhere"], "nowhere: a model folder holds config.json and model.weights.h5; there is no such folder."),
    ],
)
def test_a_user_error_ends_with_code_2_and_one_sentence(changes, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model, changes = (changes, []) if changes == ["nowhere"] else (["bundled"], changes)
    with pytest.raises(SystemExit) as end:
        main(["export", *model, "--format", "onnx", "--output", "model.onnx", *changes])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"python -m fer export: {message}")
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tf2onnx" else name)
    with pytest.raises(UserError, match=r'needs tf2onnx, .+: pip install "\.\[export\]"$'):
        check_formats(["litert", "onnx"])


def test_an_unknown_format_is_refused_before_training(tmp_path):
    with pytest.raises(UserError, match="`format` must be onnx or litert. Received: 'coreml'"):
        train.main(["--data", "nowhere", "--output", str(tmp_path / "run"), "--export", "onnx", "coreml"])


@pytest.mark.usefixtures("converted")
def test_a_push_makes_the_requested_exports(hub, small, tmp_path):
    (small / "model.onnx").write_text("of an earlier calibration")
    assert main(["push", str(small), MODEL, "--export", "onnx", "litert"]) == 0
    files = hub.read(MODEL)
    assert {"model.weights.h5", *EXPORTS.values()} < set(files)
    assert len(hub.model(MODEL).commits) == 2  # the first one makes the repository
    (tmp_path / "pushed").write_bytes(files["model.onnx"])
    network, config = load_model(small)
    expected = config.calibration.apply(classify(network, build_crops(16)))
    np.testing.assert_allclose(open_export(tmp_path / "pushed", "onnx")(build_crops(16)), expected, atol=1e-4)


@pytest.mark.usefixtures("converted")
def test_valid_exports_are_always_pushed_and_the_changes_are_printed(hub, small, capsys):
    def push():
        assert main(["push", str(small), MODEL]) == 0
        return capsys.readouterr().out.splitlines()[2:]

    # The folder has no LiteRT file yet.
    assert push() == ["added: README.md, config.json, metrics.json, model.tflite, model.weights.h5"]
    served, file = small / EXPORTS["litert"], small / EXPORTS["onnx"]
    assert hub.read(MODEL)["model.tflite"] == served.read_bytes()
    assert "litert" in load_config(small).exports
    assert isinstance(read_litert_file(pull_model(MODEL).folder).open(), LiteRTNetwork)
    served.unlink()
    assert push() == ["nothing has changed"]
    assert main(["export", str(small), "--format", "onnx", "--output", str(file)]) == 0
    capsys.readouterr()
    assert push() == ["added: model.onnx", "changed: README.md, config.json"]
    assert hub.read(MODEL)["model.onnx"] == file.read_bytes()
    pushed = hub.read(MODEL)
    kept = "kept, of the same weights and calibration: model.onnx"

    # The folder has no valid export any more. The one on the Hub was made of the same weights, so it stays.
    file.unlink()
    assert push() == ["nothing has changed", kept]
    change_document(small, exports={"litert": json.loads((small / CONFIG).read_text())["exports"]["litert"]})
    file.write_text("of an earlier calibration")
    lines = push()
    assert lines[:2] == ["nothing has changed", kept]
    assert lines[2].startswith(f"{file}: not used, since config.json has no sha256 of it. To export it again: ")
    file.unlink()
    assert hub.read(MODEL) == pushed


@pytest.mark.usefixtures("conversion_of_another")
def test_exports_of_another_calibration_are_removed_and_a_damaged_one_is_refused(hub, small, exported):
    push_model(exported, MODEL)
    assert set(EXPORTS.values()) < set(hub.read(MODEL))
    before = load_config(small).calibration
    save_calibration(small, replace(before, temperature=0.3))
    push = push_model(small, MODEL)
    assert push.removed == ("model.onnx",)
    assert "model.tflite" in push.changed
    file = small / EXPORTS["litert"]
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="model.tflite: sha256 .* expected by config.json; export it again"):
        push_model(small, MODEL)


def test_a_push_without_tensorflow_prints_the_command_that_makes_the_export(hub, small, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tensorflow" else name)
    with pytest.raises(UserError, match="model.tflite: not written, since it needs tensorflow, .* python -m fer"):
        push_model(small, MODEL)
    assert not hub.repos


def test_a_quantised_export_is_used_and_described_in_the_card(hub, small):
    export_model(small, "litert", small / EXPORTS["litert"], quantize=True)
    assert isinstance(read_litert_file(small).open(), LiteRTNetwork)
    push_model(small, MODEL)
    assert "(`model.tflite`, whose weights are float16, within 0.01)" in " ".join(
        hub.read(MODEL)["README.md"].decode().split()
    )


@pytest.mark.usefixtures("conversion_of_another")
def test_calibrate_writes_the_litert_file_and_reports_outdated_exports(small, draw_dataset, tmp_path, capsys):
    data = draw_dataset(tmp_path / "data", ("happy", "sad"))
    for name in EXPORTS.values():
        (small / name).touch()
    assert main(["calibrate", str(small), "--data", str(data)]) == 0
    said, written = capsys.readouterr().err.splitlines()
    assert written == f"Written: {small}"
    assert said.startswith(f"{small / 'model.onnx'}: not used, since config.json has no sha256 of it. ")
    assert read_litert_file(small).path == small / "model.tflite"
    assert 'Interpreter("model.tflite")' in (small / CARD).read_text()
