import json
import shutil

import numpy as np
import pytest
from conftest import SMALL

from fer.cli.commands import main
from fer.errors import UserError
from fer.models.averaging import KEY, average_models
from fer.models.calibration import Calibration
from fer.models.config import CONFIG, ModelConfig, load_config, save_calibration
from fer.models.model_folder import METRICS, load_model, save_model
from fer.publishing.card import render_card
from fer.publishing.lineage import list_commands


def make_folder(folder, start=None, labels=("happy", "sad"), **options):
    """Write a model folder whose network seems to have been trained on from that of another one."""
    model = start and {"name": start.name, "sha256": load_config(start).weights.sha256}
    training = {"epochs": 2, "seconds": 60, "command": f"python train.py --output {folder.name}"}
    training["start"] = start and {**load_config(start).training, "model": model}
    config = ModelConfig("se_resnet", labels, 16, {**SMALL, **options}, training)
    folder.mkdir()
    save_model(folder, config.build(), config)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model, and two that were trained on from it."""
    home = tmp_path_factory.mktemp("models")
    first = make_folder(home / "first")
    return first, make_folder(home / "second", first), make_folder(home / "third", first)


def test_the_weights_are_the_mean(models):
    network, config = average_models(models)
    members = [load_model(folder)[0].get_weights() for folder in models]
    for mean, arrays in zip(network.get_weights(), zip(*members, strict=True), strict=True):
        np.testing.assert_allclose(mean, np.mean(arrays, axis=0), atol=1e-6)
    members = config.training[KEY]["models"]
    assert [member["name"] for member in members] == ["first", "second", "third"]
    # What the last model started from is among its own facts.
    assert [member.get("training", {}).get("command") for member in members] == [
        None,
        "python train.py --output second",
        None,
    ]
    assert config.labels == ("happy", "sad")


def test_an_average_can_be_averaged_again(models, tmp_path):
    network, config = average_models(models[1:])
    (tmp_path / "mean").mkdir()
    save_model(tmp_path / "mean", network, config)
    # Its members are known in any order; as the last one, it lost them, with their licences and data sets.
    for members in ([models[0], tmp_path / "mean"], [tmp_path / "mean", models[0]]):
        _, config = average_models(members)
        assert "python train.py --output second" in set(list_commands(with_command(config.training)))


def with_command(training):
    """Return the facts of an average with the command, which `fer average` adds."""
    return json.loads(json.dumps(training).replace('"mean_of": {', '"mean_of": {"command": "fer average", '))


def test_the_mean_keeps_the_class_shares_of_training_without_a_calibration(models, conversion_of_another, tmp_path):
    members = [shutil.copytree(folder, tmp_path / folder.name) for folder in models[1:]]
    save_calibration(members[1], Calibration(0.5, 0.6, prior_exponent=0.5, class_shares=(0.9, 0.1)))
    assert main(["average", *map(str, members), "--output", str(tmp_path / "mean")]) == 0
    assert load_config(tmp_path / "mean").calibration == Calibration(class_shares=(0.9, 0.1))


def test_an_average_stays_if_its_litert_file_cannot_be_written(models, tmp_path, monkeypatch, capsys):
    """The command ended with an error, and a repetition was refused because the folder was not empty any more."""
    monkeypatch.setattr("fer.export.litert_file.write_litert_file", refuse)
    assert main(["average", *map(str, models[1:]), "--output", str(tmp_path / "mean")]) == 0
    assert load_config(tmp_path / "mean").training[KEY]["models"]
    told = capsys.readouterr()
    assert "no LiteRT here" in told.err
    assert "fer calibrate" in told.out


def refuse(folder):
    raise UserError("no LiteRT here")


def test_models_of_another_kind_and_of_other_starts_are_refused(models, tmp_path):
    first, second, third = models
    other = make_folder(tmp_path / "other")
    with pytest.raises(
        UserError, match=r"must have been trained on from the same weights .*Received: .*second, .*other"
    ):
        average_models([second, other])
    larger = make_folder(tmp_path / "larger", first, stem=16)
    with pytest.raises(UserError, match=r"must be of the same kind as .*second\. Received: .*larger, a se_resnet with"):
        average_models([second, larger])
    three = make_folder(tmp_path / "three", first, labels=("happy", "neutral", "sad"))
    with pytest.raises(UserError, match="for happy, neutral, sad in 16 pixels"):
        average_models([second, three])
    for few in ([second], [second, third, shutil.copytree(second, tmp_path / "copy")]):
        with pytest.raises(UserError, match="two or more different models"):
            average_models(few)


def test_the_command_writes_a_model_folder(models, calibrated, conversion_of_another, tmp_path, capsys):
    first, second, _ = models
    folder = tmp_path / "mean"
    assert main(["average", str(first), str(second), "--output", str(folder)]) == 0
    captured = capsys.readouterr()
    assert f"python -m fer calibrate {folder}" in captured.out
    assert f"Written: {folder}" in captured.err
    config = load_config(folder)
    command = config.training[KEY]["command"]
    assert command == "python -m fer average first second --output mean"
    load_model(folder)
    shutil.copy(calibrated / METRICS, folder)
    facts = load_config(calibrated).training
    config.training.update({key: facts[key] for key in facts.keys() - {"start", "command"}})
    save_model(folder, load_model(folder)[0], config)
    card = " ".join(render_card(folder, "mean").split())
    assert "The weights are the mean of those of `first` (sha256 `" in card
    assert "curves.png" not in card
    assert f"python train.py --output first python train.py --output second {command}" in card


def test_an_output_that_is_there_or_would_not_be_found_is_refused(models, tmp_path, monkeypatch, capsys):
    (tmp_path / CONFIG).touch()
    monkeypatch.chdir(tmp_path)
    for output, rule in ((tmp_path, "a new or empty folder"), ("bundled", "another path than bundled")):
        with pytest.raises(SystemExit, match="2"):
            main(["average", *map(str, models), "--output", str(output)])
        said = capsys.readouterr().err
        assert f"`--output` must be {rule}" in said
        assert f". Received: {output}" in said
