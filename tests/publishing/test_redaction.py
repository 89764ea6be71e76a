"""Tests that nothing that is published contains paths or the name of the machine that trained the model."""

import json
import re
import shutil
import socket
import tempfile

import pytest

import train
from fer.cli.train_options import PROGRAM, parse_options
from fer.export.litert_file import write_litert_file
from fer.models.config import CONFIG, EXPORTS, ModelConfig, load_config
from fer.models.model_folder import BUNDLED, METRICS, save_model
from fer.publishing.command import command_to_publish
from fer.publishing.push import push_model
from fer.publishing.redaction import clean_command, clean_training

MODEL = "fer-bot/model"
SMALL = {"stem": 8, "widths": (8,), "depth": 1}


def test_names_of_folders_with_photos_are_not_published(hub, tmp_path):
    folder = shutil.copytree(BUNDLED, tmp_path / "model")
    metrics = json.loads((folder / METRICS).read_text())
    for row in metrics["photos"]["sets"].values():
        row["left_out"] = {"Anna Schmidt": 1}
    (folder / METRICS).write_text(json.dumps(metrics))
    push_model(folder, MODEL)
    assert not [path for path, content in hub.read(MODEL).items() if b"Schmidt" in content]


@pytest.mark.parametrize(
    ("command", "cleaned"),
    [
        ("python train.py --data=/home/alice/a.zip --output ~/runs/b", "python train.py --data=a.zip --output b"),
        ("python train.py --teacher /x/a '/x y/b c' --keep last", "python train.py --teacher a 'b c' --keep last"),
        ("python train.py --data 'never closed /home/alice/x", "python train.py --data ''\"'\"'never' closed x"),
    ],
)
def test_paths_are_removed_from_commands_of_earlier_versions(command, cleaned):
    assert clean_command(command) == cleaned


def test_the_published_command_keeps_the_name_of_a_model_on_the_hub():
    given = parse_options(["--data", "a/b.zip", "--output", "runs/c", "--start", "alice/faces@v1.0"])
    command = "python train.py --data b.zip --output c --start alice/faces@v1.0"
    assert command_to_publish(given, PROGRAM, "alice/faces") == command
    facts = {"command": command, "start": {"model": {"name": "alice/faces"}, "command": "python train.py --data d/e"}}
    cleaned = clean_training(facts)
    assert cleaned["command"] == command
    assert cleaned["start"]["command"] == "python train.py --data e"
    for odd in (None, {}, {"model": None}, {"model": "a/b"}, {"model": {"name": 5}}, "a/b"):
        assert clean_training({"command": command, "start": odd})["command"].endswith("--start faces@v1.0")
    facts["start"]["model"]["name"] = "faces"
    assert clean_training(facts)["command"].endswith("--start faces@v1.0")


def test_the_published_command_has_options_without_paths(tmp_path):
    given = [
        *(
            f"--data={tmp_path}/fer2013.zip",
            "--output",
            f"{tmp_path}/runs/taught",
            f"--votes={tmp_path}/fer2013new.csv",
        ),
        *("--teacher", f"{tmp_path}/first", "bundled", "--start", f"{tmp_path}/second", "--no-augment", "--seed", "0"),
        *("--learning-rate", "5e-4", "--mixed-precision", "--resume", "--hosts", "alice-pc:1", "--processes", "2"),
        *("--process-id", "0", "--push-to-hub", "alice/secret", "--private", "--tag", "v1"),
    ]
    words = command_to_publish(parse_options(given), PROGRAM)
    assert words == (
        "python train.py --data fer2013.zip --output taught --learning-rate 0.0005 --no-augment --seed 0 "
        "--votes fer2013new.csv --start second --teacher first bundled --mixed-precision"
    )
    # The cleaned command can be parsed again, and gives the same options.
    again = parse_options(words.split()[2:])
    assert again.teacher == ("first", "bundled")
    assert again.recipe == {"augment": False, "seed": 0, "learning_rate": 5e-4}


@pytest.fixture
def home(tmp_path):
    """A folder with a distinctive name, to be searched for in published files."""
    folder = tmp_path / "alice-at-home"
    folder.mkdir()
    return folder


def save_small(folder, training):
    """Save a small, untrained network as a model folder."""
    folder.mkdir(parents=True)
    config = ModelConfig("se_resnet", ("happy", "sad"), 16, {**SMALL, "dropout": 0.2, "enlarged": None}, training)
    save_model(folder, config.build(), config)


@pytest.mark.slow(reason="trains, and exports in each format")
@pytest.mark.usefixtures("small_network", "eager")
def test_pushed_files_contain_no_folder_and_no_host_name(hub, draw_dataset, home):
    data, run, first = draw_dataset(home / "data", ("happy", "sad"), 2), home / "runs" / "taught", home / "first"
    save_small(first, {"command": f"python train.py --data={data} --output {first}", "epochs": 1, "seconds": 1})
    command = [f"--data={data}", f"--output={run}", f"--start={first}", "--teacher", str(first), "--epochs", "1"]
    command += ["--classes", "happy", "sad", "--image-size", "16"]
    train.main([*command, "--push-to-hub", MODEL, "--export", "onnx", "litert"])
    pushed = hub.read(MODEL)
    assert {*EXPORTS.values(), "history.csv", "figures/curves.png", CONFIG, METRICS} < set(pushed)
    assert any(path.startswith("logs/train/events.out.tfevents.") for path in pushed)
    card = pushed["README.md"].decode()
    assert "python train.py --data data --output taught" in card
    assert "python train.py --data=data --output first" in card
    assert not find_private(pushed, home)


def test_paths_that_earlier_versions_recorded_are_removed_in_a_push(hub, home):
    dirty = {"command": f"python train.py --data={home}/data --output {home}/first", "epochs": 1, "seconds": 60}
    facts = load_config(BUNDLED).training
    teachers = {"models": [{"name": "first", "sha256": "0", "training": dirty}], "weight": 0.9, "temperature": 2.0}
    run = home / "runs" / "taught"
    save_small(run, {**facts, **dirty, "start": dirty, "teachers": teachers})
    metrics = json.loads((BUNDLED / METRICS).read_text())
    duplicates = metrics["duplicates"] | {"example": ["validation/happy/1.png", "train/happy/Jane Doe.png"]}
    (run / METRICS).write_text(json.dumps(metrics | {"model": str(run), "duplicates": duplicates}))
    for part, number in (("train", 1700000000), ("validation", 1700000100)):
        log = run / "logs" / part / f"events.out.tfevents.{number}.{socket.gethostname()}.12.0.v2"
        log.parent.mkdir(parents=True)
        log.write_bytes(b"\0log")
    write_litert_file(run)
    before = (run / CONFIG).read_bytes()
    push_model(run, MODEL)
    pushed = hub.read(MODEL)
    assert not find_private(pushed, home)
    assert {path for path in pushed if "tfevents" in path} == {
        "logs/train/events.out.tfevents.1700000000.0", "logs/validation/events.out.tfevents.1700000100.1"
    }  # fmt: skip
    assert json.loads(pushed[METRICS])["model"] == "taught"
    assert b"Jane Doe" not in pushed[METRICS]
    assert (run / CONFIG).read_bytes() == before


def find_private(files, home):
    """Return pairs of the path of a published file and a private word in its path or content."""
    words = [home.name, str(home.parent), tempfile.gettempdir() + "/"]
    found = [(path, word) for path, content in files.items() for word in words if word.encode() in content]
    host = re.compile(rb"\b%b\b" % re.escape(socket.gethostname()).encode())
    texts = (".md", ".json", ".csv")
    found += [(path, "host") for path in files if host.search(path.encode())]
    return found + [(path, "host") for path, content in files.items() if path.endswith(texts) and host.search(content)]
