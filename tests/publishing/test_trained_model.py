"""Tests of the model folder that a training writes."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fer.cli.train_options import PROGRAM, parse_options
from fer.models.calibration import Calibration
from fer.models.config import load_config
from fer.models.model_folder import METRICS, save_model
from fer.publishing.trained_model import write_model_folder
from fer.training.plan import make_plan


@pytest.mark.usefixtures("small_network")
def test_a_resumed_run_keeps_what_was_measured_of_the_same_weights(trained, tmp_path, monkeypatch, capsys):
    folder, reports = tmp_path / "run", []
    (tmp_path / "run").mkdir()
    shutil.copy(trained.folder / METRICS, folder)
    plan = make_plan(parse_options([*trained.command, "--output", str(folder), "--resume"]))
    network, origins = plan.config.build(), SimpleNamespace(start_facts=None, base=[])
    save_model(folder, network, replace(plan.config, calibration=Calibration(threshold=0.9)))
    metrics = json.loads((folder / METRICS).read_text()) | {"photos": {"sets": {}}, "agreement": {"n": 1}}
    metrics["calibration"]["target"] = 1.0
    (folder / METRICS).write_text(json.dumps(metrics))
    monkeypatch.setattr("fer.publishing.trained_model.describe_training", lambda *_: {})
    monkeypatch.setattr("fer.publishing.trained_model.save_curves", lambda *_: None)
    monkeypatch.setattr("fer.publishing.trained_model.save_report", lambda *_, **__: reports.append(1) or metrics)
    monkeypatch.setattr("fer.publishing.trained_model.write_exports", lambda *_: None)
    monkeypatch.setattr("fer.publishing.trained_model.write_card", lambda *_: None)
    result = SimpleNamespace(
        plan=plan, network=network, history=[], data=SimpleNamespace(train=(), validation=()), origins=origins
    )
    write_model_folder(result, PROGRAM, print)
    assert "The run was finished: its calibration and metrics stay." in capsys.readouterr().out
    assert json.loads((folder / METRICS).read_text()) == metrics
    assert (load_config(folder).calibration.threshold, reports) == (0.9, [])

    network.set_weights([array + 1 for array in network.get_weights()])
    write_model_folder(result, PROGRAM, print)
    said = "measured again; what `fer calibrate` did with --target 1, --photos, --votes is gone.\n"
    assert said in capsys.readouterr().out
    assert reports == [1]
    assert not (folder / METRICS).exists()
