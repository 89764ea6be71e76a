import json
import os
import shlex
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import keras
import pytest
from conftest import ROOT

import train
from fer import models
from fer.__main__ import main as fer_main
from fer.card import list_commands
from fer.data import load_faces
from fer.errors import UserError
from fer.forward import classify
from fer.model_folder import BUNDLED, load_config, load_model
from fer.recipes import RECIPES
from fer.training import one_hot, read_history


@pytest.fixture(scope="module")
def data(draw_dataset, tmp_path_factory):
    return draw_dataset(tmp_path_factory.mktemp("data"), per_class=3)


@pytest.mark.slow
def test_training_writes_a_whole_model_folder(data, tmp_path, astronaut, capsys):
    output = tmp_path / "runs" / "two"
    command = ["--data", str(data), "--output", str(output), "--classes", "sad", "happy", "--epochs", "1"]
    train.main([*command, "--batch-size", "4", "--export", "onnx", "litert"])
    assert {path.name for path in output.iterdir()} >= {
        "model.weights.h5", "config.json", "metrics.json", "history.csv", "logs", "figures", "README.md",
        "model.onnx", "model.tflite",
    }  # fmt: skip
    assert {path.name for path in (output / "figures").iterdir()} == {
        "curves.png", "confusion_matrix.png", "reliability.png", "risk_coverage.png"
    }  # fmt: skip
    assert 'InferenceSession("model.onnx")' in (output / "README.md").read_text()
    config = json.loads((output / "config.json").read_text())
    assert config["labels"] == ["happy", "sad"]
    assert config["options"] == {"stem": 64, "widths": [64, 128, 192], "depth": 2, "dropout": 0.2, "enlarged": None}
    assert config["training"]["epochs"] == 1
    assert config["training"]["command"].startswith(f"python train.py --data {data.name} --output ")
    assert config["training"]["seconds"] > 0
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["n"] == 6
    assert metrics["split"] == "validation"

    assert fer_main(["predict", "--model", str(output), "--json", str(astronaut)]) == 0
    (face,) = json.loads(capsys.readouterr().out.splitlines()[-1])["faces"]
    assert set(face["probabilities"]) == {"happy", "sad"}

    with pytest.raises(UserError, match="new or empty folder"):
        train.main(command)
    with pytest.raises(UserError, match=r"batch_size=4. Received: batch_size=96"):
        train.main([*command, "--resume"])
    other = ["--data", str(data), "--output", str(tmp_path / "other"), "--classes", "angry", "happy"]
    with pytest.raises(UserError, match="`--start` must be a se_resnet for angry, happy. Received: .* for happy, sad"):
        train.main([*other, "--start", str(output)])
    exports = load_config(output)[0].exports
    assert set(exports) == {"onnx", "litert"}
    train.main([*command, "--batch-size", "4", "--resume"])
    assert load_config(output)[0].exports == exports
    assert json.loads((output / "metrics.json").read_text()) == metrics


def test_a_validation_split_cut_from_a_copy_of_training_is_refused_before_anything_is_trained(
    draw_dataset, tmp_path, monkeypatch, capsys
):
    data = draw_dataset(tmp_path / "data", ["happy", "sad"], per_class=4)
    copies = sorted(data.rglob("PublicTest_*"))[:5]
    for number, copy in enumerate(copies):
        shutil.copy(sorted(data.rglob("Training_*"))[number], copy)
    monkeypatch.setitem(models.NETWORKS, "se_resnet", partial(models.se_resnet, stem=8, widths=(8,), depth=1))
    monkeypatch.setattr("fer.training.fit", lambda *_, **__: pytest.fail("it trains"))
    command = ["--data", str(data), "--output", str(tmp_path / "run"), "--classes", "happy", "sad", "--epochs", "1"]
    with pytest.raises(UserError, match=r"^At most 50% .* Received: 5 of 8 pictures \(62\.5%\), such as "):
        train.main(command)
    assert not (tmp_path / "run").exists()
    with pytest.raises(pytest.fail.Exception, match="it trains"):
        train.main([*command, "--allow-duplicates"])
    assert "5 of 8 pictures (62.5%) to measure on are training pictures, to the pixel" in capsys.readouterr().out


def test_an_enlarging_network_learns_from_large_pictures_and_reads_small_ones(data, tmp_path, monkeypatch):
    monkeypatch.setitem(models.NETWORKS, "se_resnet", partial(models.se_resnet, stem=8, widths=(8,), depth=1))
    command = ["--data", str(data), "--output", str(tmp_path / "run"), "--classes", "sad", "happy", "--epochs", "1"]
    train.main([*command, "--enlarged", "64"])
    network, config = load_model(tmp_path / "run")
    assert (network.input_shape, config.options["enlarged"]) == ((None, 48, 48, 1), 64)
    faces = load_faces(data, "validation", config.labels)
    answers = classify(network, faces.images[..., 0])
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=RECIPES["se_resnet"].label_smoothing)
    (epoch,) = read_history(tmp_path / "run")
    # float16 weights, and an enlargement that does not round.
    assert float(loss(one_hot(faces), answers)) == pytest.approx(epoch["val_loss"], abs=1e-3)


@pytest.mark.slow
def test_a_taught_run_keeps_how_its_teacher_was_trained(data, tmp_path, monkeypatch):
    monkeypatch.setitem(models.NETWORKS, "se_resnet", partial(models.se_resnet, stem=8, widths=(8,), depth=1))
    common = ["--data", str(data), "--classes", "sad", "happy", "--epochs", "1"]
    for seed, name in enumerate(("teacher", "other")):
        train.main([*common, "--output", str(tmp_path / name), "--seed", str(seed)])
    taught = [*common, "--output", str(tmp_path / "taught"), "--teacher"]
    train.main([*taught, str(tmp_path / "teacher")])
    facts = json.loads((tmp_path / "taught" / "config.json").read_text())["training"]["teachers"]
    teacher = json.loads((tmp_path / "teacher" / "config.json").read_text())
    kept = {"name": "teacher", "sha256": teacher["weights"]["sha256"], "training": teacher["training"]}
    assert facts["models"] == [kept]
    assert f"```\n{teacher['training']['command']}\npython train.py" in (tmp_path / "taught" / "README.md").read_text()
    train.main([*taught, str(tmp_path / "teacher"), "--resume"])
    with pytest.raises(UserError, match="resumed with its own settings"):
        train.main([*taught, str(tmp_path / "other"), "--resume"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "no such file or folder"),
        (["--network", "vgg999"], "`network` must be one of"),
        (["--classes", "happy"], "At least two"),
        (["--classes", "happy", "glad"], "Received: glad"),
        (["--epochs", "0"], "`epochs` must be at least 1"),
        (["--image-size", "0"], "`image_size` must be"),
        (["--network", "seed", "--label-smoothing", "1"], "`label_smoothing` must be"),
        (["--limit", "0"], "`limit` must be at least 7"),
        (["--network", "inception_v3", "--image-size", "48"], "`image_size` must be at least 75 for inception_v3"),
        (
            ["--weights", "none"],
            "`--weights` goes with the networks inception_v3, mobilenet, resnet50, vgg16. Received: se_resnet",
        ),
        (["--network", "vgg16", "--weights", "nowhere.h5"], "must be imagenet, none or a file. Received: nowhere.h5"),
        (["--enlarged", "60"], "`enlarged` must be a multiple of 8 above the input's 48"),
        (["--network", "vgg16", "--enlarged", "64"], "--enlarged goes with the network se_resnet. Received: vgg16"),
        (["--zoom", "0.3", "--no-augment"], "--zoom goes with augmentation. Received: --no-augment"),
        (["--zoom", "0.3", "--network", "seed"], "--zoom goes with augmentation. Received: the network seed"),
        (["--network", "vgg16", "--head-epochs", "2"], "--head-epochs and --tuning-rate go with --weights"),
        (
            ["--network", "vgg16", "--weights", "imagenet", "--start", "x"],
            "--start goes without --weights. Received: --weights imagenet",
        ),
    ],
)
def test_mistakes_are_told_before_training(data, tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        train.main(["--data", str(data), "--output", str(tmp_path / "run"), *arguments])


def test_a_class_without_pictures_is_told_before_training(draw_dataset, tmp_path):
    data = draw_dataset(tmp_path / "data", ("happy", "sad"), per_class=2)
    with pytest.raises(UserError, match="the train split has no picture of class angry"):
        train.main(["--data", str(data), "--output", str(tmp_path / "run"), "--classes", "happy", "sad", "angry"])
    assert not (tmp_path / "run").exists()


def test_training_never_opens_the_test_split(draw_dataset, tmp_path):
    data = draw_dataset(tmp_path / "data", per_class=2)
    for path in (data / "test").rglob("PrivateTest_*"):
        path.write_bytes(b"")
    train.main(["--data", str(data), "--output", str(tmp_path / "run"), "--epochs", "1", "--classes", "sad", "happy"])
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["skipped"] == 0


@pytest.mark.slow
def test_training_runs_with_jax_alone(data, tmp_path):
    """As on a machine for training, which has no use for what only the app and its tools need."""
    program = (
        "import runpy, sys\n"
        "from importlib.machinery import PathFinder\n"
        "missing = ('tensorflow', 'tensorboard', 'ai_edge_litert', 'huggingface_hub', 'gradio')\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *rest: None if name in missing else find(name, *rest)\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    script = Path(__file__).parent / "train_small.py"
    arguments = ["--data", data, "--output", tmp_path / "run", "--classes", "sad", "happy", "--epochs", "1"]
    run = subprocess.run(
        [sys.executable, "-c", program, script, *arguments],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert "No card: it needs huggingface_hub" in run.stdout
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["n"] == 6


def test_make_recipe_runs_the_bundled_networks_commands():
    make = ["make", "--always-make", "--dry-run", "recipe"]
    told = subprocess.run([*make, "DATA=fer2013.zip"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    runs = [shlex.split(line) for line in told.splitlines() if "train.py" in line]
    planned = [["python", *(word for word in run[1:] if word != "--resume")] for run in runs]
    trained = list(dict.fromkeys(list_commands(load_config(BUNDLED)[0].training)))
    assert planned == [shlex.split(command) for command in trained]

    refused = subprocess.run([*make[:1], "recipe", "DATA="], cwd=ROOT, capture_output=True, text=True)
    assert "make recipe DATA=fer2013.zip: the dataset is needed. Received: none" in refused.stderr
