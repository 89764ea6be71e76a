import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from types import SimpleNamespace

import numpy as np
import pytest
from huggingface_hub import constants

from fer.cli.commands import main
from fer.export.parity import build_crops
from fer.models import conversion
from fer.models.calibration import Calibration
from fer.models.config import CONFIG, EXPORTS, ModelFolderError, load_config, save_calibration
from fer.models.conversion import convert_once, run_export
from fer.models.model_folder import load_model
from fer.recognition.classification import classify
from fer.recognition.litert_network import read_litert_file
from fer.recognition.recognizer import Recognizer


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Path of the cache of conversions, which is empty."""
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    return tmp_path.joinpath("assets", *conversion.CACHE)


@pytest.fixture
def folder(calibrated, tmp_path):
    """A model folder without a LiteRT file that a test may change."""
    return shutil.copytree(calibrated, tmp_path / "small")


@pytest.mark.usefixtures("conversion_here", "converted")
def test_a_folder_without_a_litert_file_is_converted_once(folder, cache, capsys):
    network, config = load_model(folder)
    crops = build_crops(16)
    recognizer = Recognizer.load(folder)
    (place,) = cache.iterdir()
    assert capsys.readouterr().err == (
        f"{folder}: it has no model.tflite that fits, so it is converted once, into {place}\n"
    )
    assert {path.name for path in place.iterdir()} == {CONFIG, EXPORTS["litert"]}
    raw = classify(network, crops)
    probabilities = recognizer.calibration.apply(classify(recognizer.network, crops))
    np.testing.assert_allclose(probabilities, config.calibration.apply(raw), atol=1e-4)
    uncalibrated = Recognizer.load_uncalibrated(folder, "small").network
    np.testing.assert_allclose(classify(uncalibrated, crops), raw, atol=2e-3)

    # A change of the threshold needs no new conversion, a change of the temperature does.
    save_calibration(folder, replace(config.calibration, threshold=0.9))
    assert read_litert_file(folder).config.calibration.threshold == 0.9
    assert list(cache.iterdir()) == [place]
    assert not capsys.readouterr().err
    assert not (folder / EXPORTS["litert"]).exists()


@pytest.mark.usefixtures("conversion_here", "conversion_of_another")
def test_a_litert_file_of_an_earlier_calibration_is_replaced_in_the_cache(exported, tmp_path, cache, capsys):
    folder = shutil.copytree(exported, tmp_path / "small")
    content = (folder / EXPORTS["litert"]).read_bytes()
    for temperature in (0.3, 0.4):
        save_calibration(folder, Calibration(temperature))
        read_litert_file(folder).open()
        first, second = capsys.readouterr().err.splitlines()
        assert "it is converted once, into" in first
        assert "model.tflite: not used, since it was made of other weights or an earlier calibration." in second
    assert len(list(cache.iterdir())) == 2
    assert (folder / EXPORTS["litert"]).read_bytes() == content


@pytest.mark.usefixtures("conversion_of_another")
def test_of_two_simultaneous_conversions_one_is_kept_and_both_can_be_used(folder, cache, monkeypatch, exported):
    from fer.models.exports import find_origin, record_export, save_exports

    both = Barrier(2, timeout=20)

    def export(folder, file, quantize=False):
        both.wait()
        shutil.copy(exported / EXPORTS["litert"], file)
        save_exports(file.parent, {"litert": record_export(file, find_origin(folder))})
        both.wait()

    monkeypatch.setattr(conversion, "run_export", export)
    with ThreadPoolExecutor(2) as pool:
        places = list(pool.map(convert_once, [folder, folder]))
    assert places == [cache / places[0].name] * 2
    assert list(cache.iterdir()) == places[:1]
    read_litert_file(folder).open()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.usefixtures("conversion_here", "conversion_of_another")
def test_a_model_that_changes_while_it_is_converted_is_not_kept(folder, cache, monkeypatch, moment):
    """The training that writes it ends at this moment, before or after its `config.json` is copied."""
    place = convert_once(folder)
    shutil.rmtree(place)

    def change_and_copy(source, target):
        if moment == "after":
            shutil.copyfile(source, target)
        save_calibration(folder, Calibration(0.3))
        if moment == "before":
            shutil.copyfile(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(conversion, "shutil", SimpleNamespace(copyfile=change_and_copy))
        with pytest.raises(ModelFolderError, match=f"{folder}: the model changed while it was converted. Try again"):
            convert_once(folder)
    assert not list(cache.iterdir())
    read_litert_file(folder).open()
    assert [path.name for path in cache.iterdir()] != [place.name]


def test_an_interrupted_conversion_leaves_nothing(folder, cache, monkeypatch):
    def interrupt(folder, file):
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "run_export", interrupt)
    with pytest.raises(KeyboardInterrupt):
        convert_once(folder)
    assert not list(cache.iterdir())


@pytest.mark.usefixtures("conversion_here", "conversion_of_another")
def test_a_changed_file_in_the_cache_is_refused(folder):
    place = convert_once(folder)
    (place / EXPORTS["litert"]).write_bytes(b"other")
    with pytest.raises(ModelFolderError, match="model.tflite: .* bytes expected by config.json; .*, or delete it"):
        read_litert_file(folder).open()
    (place / EXPORTS["litert"]).unlink()
    with pytest.raises(ModelFolderError, match="it must hold model.tflite and its sha256; delete it, to make it"):
        read_litert_file(folder).open()


def test_without_tensorflow_the_error_has_the_command(folder, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tensorflow" else name)
    with pytest.raises(ModelFolderError, match="Making it needs tensorflow, not installed here") as error:
        read_litert_file(folder).open()
    output = folder / EXPORTS["litert"]
    assert str(error.value).endswith(f": python -m fer export {folder} --format litert --output {output}")
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("conversion_here", "conversion_of_another")
def test_an_unwritable_cache_is_reported_with_the_command(folder, tmp_path):
    (tmp_path / "assets").write_text("no folder")
    with pytest.raises(ModelFolderError, match="cannot be written: .* To write it beside the weights: python -m fer"):
        read_litert_file(folder).open()


@pytest.mark.slow  # Starts Keras on TensorFlow in two processes.
def test_a_subprocess_converts_with_any_backend_in_this_process(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    # Modules in the current folder are not imported: it may be a model that somebody else made.
    for name in ("fer", "keras", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('code of the current folder')")
    assert main(["predict", "--model", str(folder), "--already-cropped", str(folder / "figure.png")]) == 2
    assert "it is converted once" in capsys.readouterr().err
    read_litert_file(folder).open()
    document = (folder / CONFIG).read_text()
    (folder / CONFIG).write_text(document.replace('"depth": 1', '"depht": 1'))
    assert load_config(folder).options["depht"] == 1
    with pytest.raises(ModelFolderError, match=r"^\S+config.json: the network cannot be built: ") as error:
        run_export(folder, tmp_path / "model.tflite")
    assert "\n" not in str(error.value)
