"""Tests of tags and of replaced files in a push, against the double of the Hub."""

import shutil
import subprocess

import pytest

import train
from fer.cli.commands import main
from fer.cli.push import push_trained
from fer.errors import UserError
from fer.hub.client import REPOSITORY, pull_model
from fer.hub.errors import HubError
from fer.models.config import WEIGHTS, change_document, load_config
from fer.models.model_folder import BUNDLED, HISTORY
from fer.publishing.access import check_tag
from fer.publishing.push import push_model
from fer.training.options import TrainingOptions

MODEL = "fer-bot/model"
WRONG = """v1~2|v1^|v1:0|a?|a*|a[b|a\\b|v1 beta|a\tb|v1\n|a\x7f|a\x85b|a\u2028b|..|a..b|a@{b|@|a//b|/a|a/|.a|a/.b|a.|
a.lock|a.lock/b|-v1|main|HEAD|refs/pr/1|0123456789abcdef0123456789abcdef01234567|""".replace("|\n", "|").split("|")
"""Names that no tag may have."""
RIGHT = ["v1.0", "v1.0+rc", "2026-01/é", "a@b", "a-b_c", "lock", "x.lock1", "0123456", "maintained"]
"""Names that a tag may have."""


@pytest.fixture
def model(tmp_path):
    """A copy of the bundled model with a training log."""
    folder = shutil.copytree(BUNDLED, tmp_path / "model")
    (folder / HISTORY).write_text("epoch\n0\n")
    return folder


def test_the_history_of_the_model_before_is_removed(hub, model):
    assert HISTORY in push_model(model, MODEL).added
    assert push_model("bundled", MODEL).removed == (HISTORY,)
    assert HISTORY not in hub.read(MODEL)


def test_a_path_that_is_no_model_folder_is_told_before_a_token_is_asked_for(hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UserError, match="^nowhere: a model folder holds .*; there is no such folder"):
        push_model("nowhere", MODEL)


@pytest.mark.parametrize(
    "files",
    [
        {"README.md": "Mine.", "config.json": '{"model_type": "bert"}', "pytorch_model.bin": "weights"},
        {"data.csv": "1,2"},
    ],
    ids=["another model", "data"],
)
def test_what_somebody_else_made_is_not_replaced(hub, files):
    """The card and the configuration of another model were overwritten, and named only afterwards."""
    repository = hub.write("models", MODEL, files)
    with pytest.raises(HubError, match=r"nothing was pushed, since it holds something else .* such as (config|data)\."):
        push_model(BUNDLED, MODEL)
    assert len(repository.commits) == 1
    assert push_model(BUNDLED, MODEL, create_pr=True).url.endswith("/discussions/1")


def test_a_repository_with_a_readme_of_the_hub_is_filled(hub):
    hub.write("models", MODEL, {".gitattributes": "", "README.md": "---\nlicense: mit\n---\n"})
    assert WEIGHTS in push_model(BUNDLED, MODEL).added


def test_a_commit_without_files_that_the_repository_ignores_is_an_error_and_gets_no_tag(hub):
    """The weights were missing, and the push said that they were added."""
    hub.write("models", MODEL, {".gitignore": "*.h5\n"})
    with pytest.raises(HubError, match=r"was made without model\.weights\.h5, which its \.gitignore excludes"):
        push_model(BUNDLED, MODEL, tag="v1.0")
    assert "refs/tags/v1.0" not in hub.model(MODEL).refs


@pytest.mark.parametrize("name", ["history.csv", "figures", "logs/train", "figures/more/x.png", "README.md"])
def test_a_link_out_of_a_folder_from_somebody_else_is_neither_published_nor_written(hub, model, tmp_path, capsys, name):
    """A push published the file that it leads to, such as a key, and `fer calibrate` overwrote it."""
    secret, link = tmp_path / "secret", model / name
    secret.write_text("mine")
    if link.is_dir():
        shutil.rmtree(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    refusal = f"{link}: a model folder is published, or written to, only if its files lie in it. Received: a link to"
    for command in (["push", str(model), MODEL], ["calibrate", str(model), "--data", "nowhere"]):
        with pytest.raises(SystemExit, match="2"):
            main(command)
        assert f"{refusal} {secret}\n" in capsys.readouterr().err
    assert not hub.repos


def test_a_folder_of_the_cache_is_published_although_its_files_are_links(hub):
    hub.put(BUNDLED, "other/model")
    folder = pull_model("other/model").folder
    assert (folder / WEIGHTS).is_symlink()
    assert WEIGHTS in push_model(folder, MODEL).added


def test_a_model_whose_data_set_has_a_name_that_is_not_utf_8_is_pushed(hub, model):
    """The error was about a token with a wrong character, and an empty repository had been made."""
    command = {"command": "python train.py --data faces\udcff.zip --output mine"}
    change_document(model, training=load_config(model).training | command)
    push_model(model, MODEL)
    assert "--data 'faces\\udcff.zip'" in hub.read(MODEL)["README.md"].decode()


def test_a_pull_request_is_not_tried_again_if_it_may_have_been_opened(hub, model, monkeypatch):
    monkeypatch.setattr("fer.publishing.push.PAUSES", (0,))
    push_model(BUNDLED, MODEL)
    hub.fail("/commit/", 503)
    with pytest.raises(HubError):
        push_model(model, MODEL, create_pr=True)
    hub.fail("/commit/", 412)
    assert push_model(model, MODEL, create_pr=True).url.endswith("/discussions/1")


@pytest.mark.usefixtures("hub")
def test_a_trained_model_that_cannot_be_published_is_named_with_the_command(tmp_path):
    options = TrainingOptions(
        data="faces.zip", output=tmp_path, push_to_hub=MODEL, private=True, tag="v1.0", export=("onnx",)
    )
    with pytest.raises(UserError, match=r"config\.json is missing.*; the model is in .*\. To publish it: ") as error:
        push_trained(options)
    assert str(error.value).endswith(f"push {tmp_path} {MODEL} --private --tag v1.0 --export onnx")


@pytest.mark.parametrize("tag", WRONG, ids=ascii)
def test_a_tag_that_cannot_be_made_or_found_is_refused(tag):
    with pytest.raises(UserError, match=r"^`--tag` must be a name that Git allows .*\. Received: '"):
        check_tag(tag)


def test_git_allows_and_a_model_has_the_tags_that_are_not_refused():
    for tag in RIGHT:
        check_tag(tag)
        assert REPOSITORY.fullmatch(f"{MODEL}@{tag}")["revision"] == tag
        subprocess.run(["git", "check-ref-format", f"refs/tags/{tag}"], check=True)
    check_tag(None, create_pr=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tag", "v1 beta"], "Received: 'v1 beta'"),
        (["--tag", "v1", "--create-pr"], "`--tag` goes without `--create-pr`, since only commits of main get tags"),
    ],
)
def test_a_wrong_tag_is_refused_before_anything_is_sent_or_trained(hub, tmp_path, capsys, options, message):
    hub.put(BUNDLED, MODEL)
    hub.requests.clear()
    with pytest.raises(SystemExit):
        main(["push", "bundled", MODEL, *options])
    assert message in capsys.readouterr().err
    with pytest.raises(UserError, match=message):
        train.main(["--data", "nowhere", "--output", str(tmp_path / "run"), "--push-to-hub", MODEL, *options])
    assert not hub.requests


def test_if_the_tag_fails_after_the_upload_the_message_says_what_was_done(hub, model):
    hub.fail("/tag/", 403)
    with pytest.raises(HubError) as error:
        push_model(model, MODEL, tag="v1.0")
    head = hub.model(MODEL).head.sha
    assert str(error.value).startswith(f"{MODEL}: the commit {head} was made, and only its tag v1.0 is missing: ")
    hub.fail("/tag/", 403)
    with pytest.raises(HubError, match=f"the commit {head} holds the model, and only its tag v1.0 is missing: "):
        push_model(model, MODEL, tag="v1.0")
    assert push_model(model, MODEL, tag="v1.0").revision == hub.model(MODEL).find("v1.0").sha == head
