import argparse
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest

from fer.cli.train import main
from fer.cli.train_options import PROGRAM, add_options, parse_options
from fer.errors import UserError
from fer.models.config import load_config
from fer.publishing.command import command_to_publish
from fer.training.options import TrainingOptions
from fer.training.plan import ARGUMENTS, check_output, claim_output, find_start, make_plan
from fer.training.recipes import RECIPES, Recipe
from training.conftest import plan


def test_each_field_of_the_recipe_with_a_help_text_is_an_option():
    given = [("--no-" if field.type is bool else "--") + field.name.replace("_", "-") for field in fields(Recipe)]
    known = argparse.ArgumentParser()
    add_options(known)
    options = [name for name, field in zip(given, fields(Recipe), strict=True) if "help" in field.metadata]
    assert len(options) == len(fields(Recipe)) - 3
    assert all(name in known.format_help() for name in options)
    changed = plan("--no-augment", "--epochs", "3", "--seed", "0", "--mixup", "0").recipe
    assert (changed.augment, changed.epochs, changed.seed, changed.mixup) == (False, 3, 0, 0.0)
    assert plan().recipe == RECIPES["se_resnet"]


def test_the_options_of_the_command_are_those_of_programs():
    words = ["--data", "a", "--output", "b"]
    parser = argparse.ArgumentParser()
    add_options(parser)
    own = {field.name for field in fields(TrainingOptions)} - {"recipe"}
    of_recipe = {field.name for field in fields(Recipe) if "help" in field.metadata}
    assert set(vars(parser.parse_args(words))) == own | of_recipe
    assert parse_options(words) == TrainingOptions(data="a", output=Path("b"))


def test_the_licence_is_an_identifier_of_the_hub():
    assert plan("--license", "cc-by-nc-4.0").options.license == "cc-by-nc-4.0"
    for wrong in ("CC BY 4.0", "CC-BY-4.0", ""):
        options = TrainingOptions(data="fer2013.zip", output=Path("run"), license=wrong)
        with pytest.raises(UserError, match=f"`--license` must be an identifier of the Hub .* Received: {wrong}"):
            make_plan(options)


def test_votes_share_requires_votes():
    assert plan("--votes", "v.csv").recipe.votes_share == 0.7
    shared = plan("--votes", "v.csv", "--votes-share", "0")
    assert shared.recipe.votes_share == 0
    assert command_to_publish(shared.options, PROGRAM).endswith("--votes-share 0.0 --votes v.csv")
    with pytest.raises(UserError, match=r"--votes-share goes with --votes CSV\. Received: no --votes"):
        plan("--votes-share", "0.7")
    for wrong in ("-0.1", "1.01", "nan"):
        with pytest.raises(UserError, match="`votes_share` must be from 0 to 1. Received: "):
            plan("--votes", "v.csv", f"--votes-share={wrong}")


@pytest.mark.parametrize("option", ["--teacher bundled", "--zoom 0.2", "--degrade 0.3"])
def test_the_head_alone_is_trained_on_pictures_as_they_are(option):
    head = ["--network", "mobilenet", "--weights", "faces.json", "--tune", "head"]
    assert not plan(*head).recipe.augment
    with pytest.raises(UserError, match=f"{option.split()[0]} goes without --tune head"):
        plan(*head, *option.split())


def test_start_is_a_folder_or_a_hub_model(tmp_path, monkeypatch):
    folder = tmp_path / "seven"
    folder.mkdir()
    assert find_start(str(folder)) == (folder, "seven")
    assert find_start("bundled")[1] == "bundled"
    source = SimpleNamespace(name="someone/model", folder=folder, revision="abc")
    monkeypatch.setattr("fer.hub.client.resolve_model", lambda name: source)
    assert find_start("someone/model@v1") == (folder, "someone/model")
    with pytest.raises(UserError, match="a model folder holds"):
        load_config(find_start("nowhere")[0])


def plan_into(output, *words):
    return plan(*words, data=output.parent / "data", output=output)


@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_a_run_refuses_a_folder_that_another_run_trains_into(tmp_path, resume):
    """Two runs that began together mixed their files, and both succeeded."""
    output = tmp_path / "runs" / "mine"
    with claim_output(plan_into(output, *resume)):
        assert list(output.iterdir()) == []
        (output / ARGUMENTS).write_text("{}")
        rule = r"^`--output` must be the folder of one run, and another run is training into it\. Received: .*mine$"
        with pytest.raises(UserError, match=rule), claim_output(plan_into(output, "--resume")):
            pass
    assert [path.name for path in output.iterdir()] == [ARGUMENTS]
    with claim_output(plan_into(output, "--resume")):
        pass
    with pytest.raises(UserError, match="a new or empty folder, or --resume"), claim_output(plan_into(output)):
        pass


@pytest.mark.parametrize("name", ["bundled", "./bundled/"])
def test_a_folder_that_commands_would_take_for_the_packages_model_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="`--output` must be another path than bundled, .* Received: bundled"):
        check_output(plan(output=name))
    check_output(plan(output="runs/bundled"))


def test_a_run_that_fails_before_it_wrote_leaves_no_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), claim_output(plan_into(tmp_path / "runs" / "mine")):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "own").mkdir()
    with claim_output(plan_into(tmp_path / "own")):
        pass
    assert (tmp_path / "own").is_dir()


def test_a_second_training_is_refused_before_it_reads_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("fer.cli.train.check", lambda plan: None)
    with claim_output(plan_into(tmp_path / "mine")), pytest.raises(UserError, match="another run is training into it"):
        main(["--data", str(tmp_path / "data"), "--output", str(tmp_path / "mine")])
