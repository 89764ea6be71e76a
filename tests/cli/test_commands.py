import io
import json
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from contextlib import nullcontext
from importlib.metadata import version
from itertools import islice
from types import SimpleNamespace

import pytest
from conftest import ROOT, damage_clip, write_clip
from huggingface_hub import ModelCard

import train
from fer.cli import app
from fer.cli.commands import main
from fer.errors import UserError
from fer.images.clips import open_clip
from fer.labels import EMOTIONS
from fer.models.config import load_config
from fer.models.model_folder import BUNDLED


def test_predict_prints_the_faces(astronaut, capsys):
    assert main(["predict", str(astronaut)]) == 0
    out = capsys.readouterr().out
    assert "1 face" in out
    assert "1. happy" in out


def test_predict_prints_one_json_document_per_photo(astronaut, tmp_path, capsys):
    from PIL import Image

    wall = tmp_path / "wall.png"
    Image.new("RGB", (64, 48), "white").save(wall)
    assert main(["predict", "--json", str(astronaut), str(wall)]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(first) == {"image", "model", "width", "height", "faces", "faces_left_out"}
    (face,) = first["faces"]
    assert set(face) == {"box", "label", "probabilities", "detection_score", "confident"}
    assert list(face["probabilities"]) == list(EMOTIONS)
    facts = {"image": str(wall), "model": "bundled", "width": 64, "height": 48}
    assert second == {**facts, "faces": [], "faces_left_out": 0}


def test_unreadable_photos_print_one_line_each_and_the_others_are_recognized(astronaut, tmp_path, capsys):
    broken = tmp_path / "broken.jpg"
    broken.write_text("hello")
    assert main(["predict", str(broken), str(astronaut), str(tmp_path / "missing.jpg")]) == 2
    captured = capsys.readouterr()
    assert "happy" in captured.out
    assert len([line for line in captured.err.splitlines() if line.startswith(str(tmp_path))]) == 2
    assert "Traceback" not in captured.err


def test_video_prints_a_summary_and_writes_csv_video_and_json(astronaut, tmp_path, capsys):
    from PIL import Image

    clip = write_clip(tmp_path / "clip.mp4", [Image.open(astronaut)] * 15)
    table, annotated = tmp_path / "faces.csv", tmp_path / "faces.mp4"
    options = ["--every", "0.25", "--csv", str(table), "--annotated", str(annotated)]
    assert main(["video", str(clip), *options]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{clip}: 3 frames, 1 face",
        "  1. 0-0.52 s, 3 frames: happy 100%",
    ]
    assert [line.split(",")[:3] for line in table.read_text().splitlines()[1:]] == [
        ["0.0", "1", "happy"], ["0.28", "1", "happy"], ["0.52", "1", "happy"]
    ]  # fmt: skip
    assert open_clip(annotated).seconds == pytest.approx(0.75, abs=0.05)
    summary = tmp_path / "faces.json"
    assert main(["video", str(clip), "--every", "60", "--json", str(summary)]) == 0
    document = json.loads(summary.read_text())
    assert {name: document[name] for name in ("seconds", "width", "height", "every")} == {
        "seconds": 0.6, "width": 512, "height": 512, "every": 60.0
    }  # fmt: skip
    (face,) = document["faces"]
    assert (face["face"], face["frames"], face["shares"]) == (1, 1, {"happy": 1.0})
    assert "rows" not in document


def test_an_interrupted_clip_leaves_its_csv_and_no_half_video(astronaut, tmp_path, monkeypatch, capsys):
    from PIL import Image

    from fer.recognition import clip_reading

    def interrupted(*arguments):
        yield from islice(read_faces(*arguments), 2)
        raise KeyboardInterrupt

    read_faces = clip_reading.read_faces
    monkeypatch.setattr(clip_reading, "read_faces", interrupted)
    clip = write_clip(tmp_path / "clip.mp4", [Image.open(astronaut)] * 25)
    with pytest.raises(SystemExit, match="130"):
        main(["video", str(clip), "--csv", str(tmp_path / "a.csv"), "--annotated", str(tmp_path / "a.mp4")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "clip.mp4"]
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 3


def test_damaged_packets_of_a_clip_are_told_and_too_many_of_them_keep_the_csv(tmp_path, capsys):
    from PIL import Image

    path = write_clip(tmp_path / "clip.mp4", [Image.new("RGB", (64, 64), "gray")] * 50)
    outputs = {name: tmp_path / f"a.{name}" for name in ("csv", "json", "mp4")}
    options = ["--csv", str(outputs["csv"]), "--json", str(outputs["json"]), "--annotated", str(outputs["mp4"])]
    damage_clip(path, [20])
    assert main(["video", str(path), *options]) == 0
    message = "1 of 50 packets of the clip is damaged."
    assert f"{path}: {message}\n" in capsys.readouterr().err
    assert json.loads(outputs["json"].read_text())["message"] == message
    before = outputs["json"].read_text()
    assert len(outputs["csv"].read_text().splitlines()) == 1 + 10
    damage_clip(path, range(25, 50))
    with pytest.raises(SystemExit, match="2"):
        main(["video", str(path), *options])
    error = capsys.readouterr().err
    assert f"Written: {outputs['csv']}\n" in error
    assert f"{path}: the clip is damaged or incomplete (Invalid data found" in error
    assert 4 <= len(outputs["csv"].read_text().splitlines()) < 1 + 10
    assert outputs["json"].read_text() == before
    damage_clip(path, range(50))
    kept = outputs["csv"].read_text()
    with pytest.raises(SystemExit, match="2"):
        main(["video", str(path), *options])
    assert outputs["csv"].read_text() == kept  # Nothing was read, so nothing replaces the file.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["video", "nowhere.mp4"], "nowhere.mp4: no such file"),
        (["predict", "--model", "nowhere", "photo.jpg"], "model.weights.h5; there is no such folder"),
        (["predict", "--model", ".", "photo.jpg"], "model.weights.h5; config.json is missing"),
        (["evaluate", "--data", "nowhere"], "nowhere: no such file or folder"),
        (["evaluate", "--data", "nowhere", "--classes", "happy", "happy"], "happy and happy, which are one"),
        (["evaluate", "--data", "nowhere", "--prior", "abc"], "--prior: must be a number from 0 to 2. Received: abc"),
        (["calibrate", "x", "--data", "y", "--target", "2"], "--target: must be a number from 0 to 1. Received: 2"),
    ],
)
def test_a_user_error_ends_with_code_2_and_one_sentence(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_evaluate_prints_a_summary_and_writes_json_and_figure(draw_dataset, tmp_path, capsys):
    data = draw_dataset(tmp_path / "data", per_class=2)
    report, picture = tmp_path / "report.json", tmp_path / "matrix.png"
    assert main(["evaluate", "--data", str(data), "--json", str(report), "--figure", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "14 pictures of the validation split" in out
    assert "surprise" in out
    metrics = json.loads(report.read_text())
    keys = "n accuracy balanced_accuracy macro_f1 nll ece per_class confusion_matrix labels split model"
    assert set(keys.split()) <= set(metrics)
    assert metrics["n"] == 14
    assert metrics["split"] == "validation"
    assert metrics["model"] == "bundled"
    assert metrics["accuracy_interval"][0] <= metrics["accuracy"] <= metrics["accuracy_interval"][1]
    assert len(metrics["data_sha256"]) == 64
    assert sum(map(sum, metrics["confusion_matrix"])) == 14
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_evaluate_can_be_restricted_to_two_classes(draw_dataset, tmp_path, capsys):
    data = draw_dataset(tmp_path / "data", per_class=2)
    report = tmp_path / "report.json"
    main(["evaluate", "--data", str(data), "--split", "test", "--classes", "sad", "happy", "--json", str(report)])
    metrics = json.loads(report.read_text())
    assert metrics["labels"] == ["happy", "sad"]
    assert metrics["n"] == sum(map(sum, metrics["confusion_matrix"])) == 4


def test_evaluate_measures_agreement_with_votes_and_accuracy_without_duplicates(draw_dataset, tmp_path, capsys):
    data, votes, report = draw_dataset(tmp_path / "data", per_class=2), tmp_path / "votes.csv", tmp_path / "report.json"
    names = [path.relative_to(data).as_posix() for path in sorted(data.rglob("PublicTest_*"))]
    votes.write_text("file,neutral,happiness\n" + "".join(f"{name},8,2\n" for name in names))
    options = ["--votes", str(votes), "--duplicates", "--json", str(report)]
    assert main(["evaluate", "--data", str(data), *options]) == 0
    metrics = json.loads(report.read_text())
    assert metrics["agreement"]["top_share"] == pytest.approx(0.8)
    assert metrics["agreement"]["agreed"]["n"] == 14
    near = {"max_distance": 0.3, "found": 14, "identical": 0, "example": None}
    assert metrics["duplicates"] == {**near, "n": 0, "accuracy": None}
    assert "without the 14 near-duplicates of training pictures, pixel distance up to 0.3" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["evaluate", "--data", str(data), "--split", "train", "--duplicates"])


def test_a_split_that_copies_training_pictures_is_only_measured_on_request(draw_dataset, tmp_path, capsys):
    data, folder = draw_dataset(tmp_path / "data", per_class=2), tmp_path / "model"
    for original, copy in list(zip(*map(sorted, map(data.rglob, ("Training_*", "PublicTest_*"))), strict=True))[:10]:
        shutil.copy(original, copy)
    shutil.copytree(BUNDLED, folder)
    evaluate = ["evaluate", "--data", str(data), "--duplicates"]
    for command in (evaluate, ["calibrate", str(folder), "--data", str(data)]):
        with pytest.raises(SystemExit, match="2"):
            main(command)
        error = capsys.readouterr().err
        assert "At most 50% of the pictures to measure on may be training pictures; --allow-duplicates" in error
        assert "Received: 10 of 14 pictures (71.4%), such as test/angry/PublicTest_" in error
    report = tmp_path / "report.json"
    assert main([*evaluate, "--allow-duplicates", "--json", str(report)]) == 0
    assert json.loads(report.read_text())["duplicates"]["identical"] == 10
    printed = capsys.readouterr().out
    assert "of these 10 are pixel-identical to training pictures, such as test/angry/PublicTest_" in printed


def test_calibrate_rewrites_metrics_and_card_but_not_weights_and_class_shares(
    draw_dataset, tmp_path, monkeypatch, capsys
):
    data, folder = draw_dataset(tmp_path / "data", per_class=3), tmp_path / "model"
    shutil.copytree(BUNDLED, folder)
    weights = (folder / "model.weights.h5").read_bytes()
    converted = []
    monkeypatch.setattr("fer.export.litert_file.write_litert_file", converted.append)
    monkeypatch.chdir(data)
    assert main(["calibrate", str(folder), "--data", ".", "--target", "0.5"]) == 0
    said = "What was measured before with --photos, --groups, --votes, --end-to-end is not measured again, and goes."
    assert said in capsys.readouterr().err
    assert converted == [folder]
    assert (folder / "model.weights.h5").read_bytes() == weights
    metrics = json.loads((folder / "metrics.json").read_text())
    calibration = json.loads((folder / "config.json").read_text())["calibration"]
    assert calibration["temperature"] == metrics["temperature"]
    assert calibration["threshold"] == metrics["confident"]["threshold"]
    assert calibration["temperature"] != 1
    assert calibration["class_shares"] == list(load_config(BUNDLED).calibration.class_shares)
    assert metrics["nll"] < metrics["calibration"]["nll_before"]
    assert metrics["agreement"] is None
    assert (folder / "figures" / "reliability.png").read_bytes().startswith(b"\x89PNG")
    card = " ".join((folder / "README.md").read_text().split())
    assert f"a temperature of {metrics['calibration']['fitted_temperature']} " in card
    assert "Not measured: " in card
    counts = ", ".join(f"3 {label}" for label in EMOTIONS)
    assert f'of 21 pictures of another data set, "data": its validation split ({counts}).' in card
    dataset = ModelCard((folder / "README.md").read_text()).data.eval_results[0]
    assert (dataset.dataset_name, dataset.dataset_type) == ("data", "data")


INSTALLED = "import sys; from fer.cli import main; sys.argv[0] = 'fer'; sys.exit(main())"
"""Program that does what the console script `fer` does."""


@pytest.mark.parametrize(
    ("start", "program"),
    [
        (["-m", "fer"], "python -m fer"),
        (["-c", INSTALLED], "fer"),
    ],
)
def test_messages_begin_with_the_program_as_it_was_started(start, program, tmp_path):
    def run(*words):
        return subprocess.run([sys.executable, *start, *words], cwd=ROOT, capture_output=True, text=True)

    told = run("train", "--data", "nowhere", "--output", tmp_path / "run")
    assert (told.returncode, told.stderr) == (2, f"{program} train: nowhere: no such file or folder.\n")
    usage = run("predict")
    assert usage.returncode == 2
    assert usage.stderr.startswith(f"usage: {program} predict ")


def test_the_version_is_that_of_the_distribution(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"facial-expression-recognition {version('facial-expression-recognition')}\n"


def test_the_model_of_fer_app_must_be_loadable(monkeypatch):
    served = []
    monkeypatch.setattr("fer.app.server.cache.make_cache", lambda: None)
    monkeypatch.setattr("fer.app.demo.load_served_model", lambda *model: served.append(model))
    monkeypatch.setattr("fer.app.demo.running_app", lambda load, cache: nullcontext(load()))
    monkeypatch.setattr("fer.app.demo.ShutdownSignal", lambda: SimpleNamespace(wait=lambda: None))
    monkeypatch.setenv("FER_MODEL", "other")
    main(["app", "--model", str(BUNDLED)])
    main(["app"])
    assert served == [(str(BUNDLED), True), ("other", False)]


def test_lines_of_fer_app_reach_a_pipe_at_once(monkeypatch):
    pipe, received = io.BytesIO(), []

    def serve(*_):
        print("Running on local URL")
        received.append(pipe.getvalue())

    monkeypatch.setattr("fer.app.server.cache.make_cache", lambda: None)
    monkeypatch.setattr("fer.app.demo.serve", serve)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe))
    app.run(Namespace(model=None))
    assert received == [b"Running on local URL\n"]


def test_fer_app_starts_the_app(monkeypatch, capsys):
    monkeypatch.setenv("GRADIO_SERVER_PORT", "0")
    with pytest.raises(SystemExit, match="2"):
        main(["app"])
    rule = "`GRADIO_SERVER_PORT` must be a number from 1 to 65535. Received: '0'"
    assert capsys.readouterr().err == f"python -m fer app: {rule}\n"


def test_without_gradio_fer_app_prints_the_command_that_installs_it(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="2"):
        main(["app"])
    assert capsys.readouterr().err == 'python -m fer app: needs gradio, not installed here: pip install ".[app]"\n'


def test_predict_and_the_help_do_not_import_unneeded_libraries(astronaut):
    program = (
        "import sys\nfrom fer.cli.commands import build_parser, main\nbuild_parser('fer').format_help()\n"
        "assert not {'numpy', 'PIL', 'huggingface_hub', 'keras', 'gradio'} & set(sys.modules)\n"
        "main(['predict', sys.argv[1]])\n"
        "assert not {'keras', 'tensorflow', 'gradio', 'sklearn', 'matplotlib', 'ray'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", program, str(astronaut)]
    run = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_groups_requires_photos(command, capsys):
    folder = ["bundled"] if command == "calibrate" else []
    with pytest.raises(SystemExit) as end:
        main([command, *folder, "--data", str(ROOT), "--groups", "A(.)"])
    assert end.value.code == 2
    assert "--groups goes with --photos FOLDER. Received: --groups A(.)" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "calibrate"])
def test_groups_and_votes_that_match_nothing_are_refused_before_a_picture_is_answered(
    command, draw_dataset, tmp_path, monkeypatch, capsys
):
    data, folder = draw_dataset(tmp_path / "data", per_class=1), shutil.copytree(BUNDLED, tmp_path / "model")
    model = ["--model", str(folder)] if command == "evaluate" else [str(folder), "--data", str(data)]
    photos, votes = draw_dataset(tmp_path / "photos") / "train", tmp_path / "votes.csv"
    votes.write_text("file,smile\n" + "".join(f"{path.relative_to(data)},1\n" for path in data.rglob("PublicTest_*")))
    for place in ("evaluate.classify", "evaluate.measure_photos", "report.classify", "report._read_photos"):
        monkeypatch.setattr(f"fer.evaluation.{place}", lambda *_: pytest.fail("pictures were answered"))
    cases = {
        "`groups` must match names of neutral photos. Received: '(Q)'": ["--photos", str(photos), "--groups", "(Q)"],
        "A column of votes must be one of the classes": ["--data", str(data), "--votes", str(votes)],
    }
    for rule, options in cases.items():
        with pytest.raises(SystemExit, match="2"):
            main([command, *model, *options])
        assert rule in capsys.readouterr().err


@pytest.mark.parametrize(("words", "layout"), [([], "ckplus"), (["--layout", "raf-db"], "raf-db")])
@pytest.mark.parametrize("command", ["evaluate", "calibrate", "export"])
def test_models_are_measured_in_the_layout_of_their_training(command, words, layout, tmp_path, monkeypatch, capsys):
    """In CK+'s own layout, no person is in both splits; without it, pictures of the training were measured."""
    folder, data = shutil.copytree(BUNDLED, tmp_path / "model"), tmp_path / "ck"
    data.mkdir()
    config = json.loads((folder / "config.json").read_text())
    config["training"]["data"] = {"name": "ck", "layout": "ckplus"}
    (folder / "config.json").write_text(json.dumps(config))

    def load_faces(path, split, layout, **how):
        raise UserError(f"read in the layout {layout}")

    for place in ("data.faces", "evaluation.evaluate", "export.convert"):
        monkeypatch.setattr(f"fer.{place}.load_faces", load_faces)
    options = {
        "evaluate": ["--model", str(folder)],
        "calibrate": [str(folder)],
        "export": [str(folder), "--format", "litert", "--output", str(tmp_path / "model.tflite")],
    }
    with pytest.raises(SystemExit, match="2"):
        main([command, *options[command], "--data", str(data), *words])
    assert f"read in the layout {layout}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["predict", "a.jpg", ""], "PHOTO"),
        (["predict", "a.jpg", "--csv="], "--csv"),
        (["evaluate", "--photos", ""], "--photos"),
        (["evaluate", "--data", "data", "--classes", "happy", ""], "--classes"),
        (["data", ""], "PATH"),
        (["data", "data", "--model", ""], "--model"),
        (["score", "", "out"], "PICTURES"),
        (["train", "--data", "data", "--output", ""], "--output"),
        (["average", "bundled", "bundled", "--output", ""], "--output"),
    ],
)
def test_empty_values_are_refused(words, name, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert capsys.readouterr().err.endswith(f"{words[0]}: error: argument {name}: must not be empty. Received: ''\n")


def test_train_py_and_app_py_refuse_empty_values(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        train.main(["--data", "data", "--output", "run", "--votes", ""])
    monkeypatch.setattr(sys, "argv", ["app.py", "--model", ""])
    with pytest.raises(SystemExit, match="2"):
        app.main("python app.py")
    told = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert told == [
        "python train.py: error: argument --votes: must not be empty. Received: ''",
        "python app.py: error: argument --model: must not be empty. Received: ''",
    ]


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (["--photos", "tests"], "--photos goes without options of --data. Received: --allow-duplicates"),
        (["--data", "tests"], "--allow-duplicates goes with --duplicates. Received: --allow-duplicates alone"),
    ],
)
def test_allow_duplicates_without_effect_is_refused(words, rule, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", *words, "--allow-duplicates"])
    assert capsys.readouterr().err == f"python -m fer evaluate: {rule}\n"
