import json
import re
import shutil

import pytest
from huggingface_hub import ModelCard

from fer.errors import UserError
from fer.models.config import CONFIG
from fer.models.model_folder import BUNDLED, CARD, METRICS
from fer.models.provenance import clean_command
from fer.publishing.card import render_card


@pytest.fixture
def folder(tmp_path):
    """A copy of the files of the bundled model from which its card is rendered."""
    for name in (METRICS, CONFIG):
        shutil.copy(BUNDLED / name, tmp_path)
    return tmp_path


def change(path, place, key, value):
    """Set the value `document[place][key]` of a JSON file."""
    document = json.loads(path.read_text())
    document[place][key] = value
    path.write_text(json.dumps(document))


def test_the_bundled_card_is_true_to_its_metrics():
    assert (BUNDLED / CARD).read_text() == render_card(BUNDLED, "bundled")


def test_the_cards_lines_answer_a_photo(monkeypatch, tmp_path, astronaut, capsys):
    shutil.copy(astronaut, tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    lines = re.search(r"```python\n(.+?)```", render_card(BUNDLED, "bundled"), re.DOTALL)[1]
    exec(compile(lines, CARD, "exec"), {})
    assert "'happy': 0.9" in capsys.readouterr().out


def test_the_card_carries_its_figures_for_the_hub():
    metrics = json.loads((BUNDLED / METRICS).read_text())
    results = {row.metric_type: row for row in ModelCard(render_card(BUNDLED, "bundled")).data.eval_results}
    assert results["accuracy"].metric_value == round(metrics["accuracy"], 4)
    assert results["ece"].dataset_split == "validation"


@pytest.mark.parametrize(
    ("file", "missing"),
    [
        *((METRICS, "nll"), (METRICS, "per_class"), (METRICS, "calibration"), (METRICS, "duplicates")),
        *((CONFIG, "seconds"), (CONFIG, "command")),
    ],
)
def test_a_card_with_a_missing_fact_is_not_rendered(folder, file, missing):
    document = json.loads((folder / file).read_text())
    del (document if file == METRICS else document["training"])[missing]
    (folder / file).write_text(json.dumps(document))
    with pytest.raises(UserError, match="a fact that the card states is missing"):
        render_card(folder, "mine")


def test_all_runs_before_are_told_in_order(folder):
    first = {"epochs": 24, "seconds": 5160, "command": "python train.py first"}
    change(folder / CONFIG, "training", "teachers", None)
    change(folder / CONFIG, "training", "start", first)
    alone = " ".join(render_card(folder, "mine").split())
    assert "It started from the weights of an earlier run of 24 epochs and 86 minutes." in alone
    second = {"epochs": 42, "seconds": 3360, "command": "python train.py second", "start": first}
    change(folder / CONFIG, "training", "start", second)
    both = " ".join(render_card(folder, "mine").split())
    assert "2 earlier runs, each from those of the one before: of 24 epochs and 86 minutes, of 42 epochs and 56" in both
    last = clean_command(json.loads((folder / CONFIG).read_text())["training"]["command"])
    assert f"``` python train.py first python train.py second {last} ```" in both
    small = {"name": "small", "sha256": "0", "training": {"command": "python train.py small", "start": second}}
    change(folder / CONFIG, "training", "teachers", {"models": [small], "weight": 0.9, "temperature": 2.0})
    taught = " ".join(render_card(folder, "mine").split())
    assert f"``` python train.py first python train.py second python train.py small {last} ```" in taught


def test_teachers_are_told(folder):
    taught = {"models": [{"name": "runs-a", "sha256": "0123abc"}], "weight": 0.9, "temperature": 2.0}
    change(folder / CONFIG, "training", "teachers", taught)
    card = " ".join(render_card(folder, "mine").split())
    assert "It was distilled from one teacher on the same augmented pictures" in card
    assert "at temperature 2.0 and with 90% of the loss." in card
    assert "The sha256 of the teachers' weights: - runs-a: `0123abc`" in card
    assert "The training loss is mostly the distance from the teachers' probabilities" in card
    change(folder / CONFIG, "training", "teachers", None)
    assert "teachers" not in render_card(folder, "mine")


def test_an_enlarging_network_is_told(folder):
    change(folder / CONFIG, "options", "enlarged", 96)
    assert "It enlarges the crop to 96x96 pixels first." in " ".join(render_card(folder, "mine").split())
    change(folder / CONFIG, "options", "enlarged", None)
    assert "enlarges" not in render_card(folder, "mine")


def test_photos_and_the_prior_stand_in_the_card_where_they_were_measured(folder):
    document = json.loads((folder / METRICS).read_text())
    (folder / METRICS).write_text(json.dumps(document | {"photos": None, "prior": None}))
    assert "whole photos of other people was not measured" in render_card(folder, "mine")
    row = {"accuracy": 0.9, "coverage": 0.5}
    one = {
        "n": 504,
        "balanced_accuracy": 0.774,
        "all_labels": {"balanced_accuracy": 0.7},
        "confident": row,
        "ece": None,
    }
    mean = {"balanced_accuracy": 0.774, "balanced_accuracy_all": 0.7, "coverage": 0.5, "accuracy": None, "ece": 0.1}
    document["photos"] = {"sets": {"lab": one}, "mean": {**mean, "recall": {"happy": 0.95, "sad": 0.5}}}
    tried = [{"exponent": exponent, "validation_accuracy": 0.7 - exponent / 100} for exponent in (0.0, 0.5, 1.0)]
    document["prior"] = {"exponent": 0.5, "tried": tried}
    (folder / METRICS).write_text(json.dumps(document))
    card = render_card(folder, "mine")
    assert "| lab | 504 | 77.4% | 70.0% | 50.0% | 90.0% | none |" in card
    assert "Recall, as a mean over the sets: happy 95%, sad 50%." in card
    assert "by groups that" not in card
    assert "70.0% with the power 0.0 and 69.5% with the power 0.5." in card
    counted = {"count": 1, "share": 0.1, "interval": [0.02, 0.4]}
    document["photos"]["fairness"] = {"F": {"n": 10, "angry": counted, "sad": counted, "any": counted}}
    (folder / METRICS).write_text(json.dumps(document))
    assert "| F | 10 | 10.0% (2.0% to 40.0%) | not a class | 10.0% (2.0% to 40.0%) |" in render_card(folder, "mine")
    del document["photos"]["mean"]["recall"]
    (folder / METRICS).write_text(json.dumps(document))
    with pytest.raises(UserError, match="a fact that the card states is missing"):
        render_card(folder, "mine")
