import argparse
from dataclasses import fields
from types import SimpleNamespace

import pytest

from fer.cli.train import main
from fer.cli.train_options import add_options, command_to_publish
from fer.errors import UserError
from fer.models.config import load_config
from fer.training.plan import ARGUMENTS, check_output, claim_output, find_start, make_plan
from fer.training.recipes import RECIPES, Recipe


def plan(output, *more):
    """Return the plan of a training with options."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(program="python train.py", command="train", own_process=False)
    add_options(parser)
    return make_plan(parser.parse_args(["--data", "fer2013.zip", "--output", str(output), *more]))


def test_each_field_of_the_recipe_with_a_help_text_is_an_option(tmp_path):
    given = [("--no-" if field.type is bool else "--") + field.name.replace("_", "-") for field in fields(Recipe)]
    known = argparse.ArgumentParser()
    add_options(known)
    options = [name for name, field in zip(given, fields(Recipe), strict=True) if "help" in field.metadata]
    assert len(options) == len(fields(Recipe)) - 3
    assert all(name in known.format_help() for name in options)
    changed = plan(tmp_path, "--no-augment", "--epochs", "3", "--seed", "0", "--mixup", "0").recipe
    assert (changed.augment, changed.epochs, changed.seed, changed.mixup) == (False, 3, 0, 0.0)
    assert plan(tmp_path).recipe == RECIPES["se_resnet"]


def test_the_licence_is_an_identifier_of_the_hub(tmp_path):
    assert plan(tmp_path, "--license", "cc-by-nc-4.0").options.license == "cc-by-nc-4.0"
    for wrong in ("CC BY 4.0", "CC-BY-4.0", ""):
        with pytest.raises(UserError, match=f"`--license` must be an identifier of the Hub .* Received: {wrong}"):
            plan(tmp_path, "--license", wrong)


def test_votes_share_requires_votes(tmp_path):
    assert plan(tmp_path, "--votes", "v.csv").recipe.votes_share == 0.7
    shared = plan(tmp_path, "--votes", "v.csv", "--votes-share", "0")
    assert shared.recipe.votes_share == 0
    assert command_to_publish(shared.options).endswith("--votes-share 0.0 --votes v.csv")
    with pytest.raises(UserError, match=r"--votes-share goes with --votes CSV\. Received: no --votes"):
        plan(tmp_path, "--votes-share", "0.7")
    for wrong in ("-0.1", "1.01", "nan"):
        with pytest.raises(UserError, match="`votes_share` must be from 0 to 1. Received: "):
            plan(tmp_path, "--votes", "v.csv", f"--votes-share={wrong}")


@pytest.mark.parametrize("option", ["--teacher bundled", "--zoom 0.2", "--degrade 0.3"])
def test_the_head_alone_is_trained_on_pictures_as_they_are(tmp_path, option):
    head = ["--network", "mobilenet", "--weights", "faces.json", "--tune", "head"]
    assert not plan(tmp_path, *head).recipe.augment
    with pytest.raises(UserError, match=f"{option.split()[0]} goes without --tune head"):
        plan(tmp_path, *head, *option.split())


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


def plan_into(output, *more):
    parser = argparse.ArgumentParser()
    add_options(parser)
    return make_plan(parser.parse_args(["--data", str(output.parent / "data"), "--output", str(output), *more]))


@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_a_run_refuses_a_folder_that_another_run_trains_into(tmp_path, resume):
    """Two runs that began together mixed their files, and both succeeded."""
    output = tmp_path / "runs" / "mine"
    plan = plan_into(output, *resume)
    with claim_output(plan):
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
        check_output(plan(name))
    check_output(plan("runs/bundled"))


def test_a_run_that_fails_before_it_wrote_leaves_no_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), claim_output(plan_into(tmp_path / "runs" / "mine")):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "own").mkdir()
    with claim_output(plan_into(tmp_path / "own")):
        pass
    assert (tmp_path / "own").is_dir()


def test_where_there_are_no_locks_a_run_begins(tmp_path, monkeypatch):
    monkeypatch.setattr("fer.file_lock.fcntl", None)
    plan = plan_into(tmp_path / "mine")
    with claim_output(plan), claim_output(plan):
        pass


def test_a_second_training_is_refused_before_it_reads_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("fer.cli.train.check", lambda plan: None)
    with claim_output(plan_into(tmp_path / "mine")), pytest.raises(UserError, match="another run is training into it"):
        main(["--data", str(tmp_path / "data"), "--output", str(tmp_path / "mine")])
