"""Tests of `fer deploy` against the double of the Hub, and of the metadata of a Space."""

import os
import shutil
import subprocess
import sys

import gradio
import pytest
from conftest import ROOT
from hub_double.card_rules import complaints, metadata_of

from fer.cli.commands import main
from fer.errors import UserError
from fer.hub.client import ModelSource
from fer.hub.errors import HubError
from fer.models.config import EXPORTS, change_document, load_config
from fer.models.model_folder import BUNDLED, CARD
from fer.publishing import space
from fer.publishing.space import deploy
from fer.publishing.space_card import write_space_card
from fer.web.static_space import deploy_static

MODEL = "fer-bot/model"
SPACE = "fer-bot/space"

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a deploy takes the files of a git clone")


def find_space(hub):
    return hub.repos["spaces", SPACE]


def test_a_space_serves_the_model_at_its_commit(hub, capsys):
    sha = hub.put(BUNDLED, MODEL)
    assert main(["deploy", SPACE, "--model", MODEL, "--wait"]) == 0
    assert capsys.readouterr().out.strip() == f"{hub.url}/spaces/{SPACE}"
    assert find_space(hub).variables["FER_MODEL"]["value"] == f"{MODEL}@{sha}"
    assert find_space(hub).runtime["hardware"]["requested"] == "zero-a10g"
    assert not find_space(hub).secrets
    readme = find_space(hub).head.files["README.md"].content.decode()
    metadata = metadata_of(readme)
    assert metadata["models"] == [MODEL]
    files = "config.json,model.weights.h5,metrics.json,model.tflite"
    assert metadata["preload_from_hub"] == [f"{MODEL} {files} {sha}"]
    assert f"{MODEL}/tree/{sha}" in readme


def test_only_committed_files_that_the_app_needs_are_deployed(hub):
    hub.put(BUNDLED, MODEL)
    deploy(SPACE, MODEL)
    files = set(find_space(hub).head.files) - {".gitattributes", "README.md"}
    assert {"app.py", "fer/app/pages/photo.py", "requirements.txt", "fer/models/bundled/model.weights.h5"} < files
    committed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert files - {"requirements.txt"} <= set(committed.splitlines())
    requirements = find_space(hub).head.files["requirements.txt"].content.decode()
    assert "gradio[mcp]" in requirements
    assert "tensorflow" not in requirements
    assert not [path for path in files if path.startswith(("tests/", "runs/", "benchmarks/", "docs/", "."))]


def test_deploying_again_moves_the_space_to_the_new_commit(hub):
    hub.put(BUNDLED, MODEL)
    deploy(SPACE, MODEL)
    find_space(hub).head.files["stale.py"] = find_space(hub).head.files["app.py"]
    sha = hub.model(MODEL).commit("main", dict(hub.model(MODEL).head.files), "again").sha
    deploy(SPACE, MODEL, hardware="t4-small")
    assert find_space(hub).variables["FER_MODEL"]["value"] == f"{MODEL}@{sha}"
    assert find_space(hub).runtime["hardware"]["requested"] == "t4-small"
    assert "stale.py" not in find_space(hub).head.files


READS = {"scoped": [{"entity": {"name": MODEL}, "permissions": ["repo.content.read"]}], "global": []}
WRITES = {"scoped": [{"entity": {"name": MODEL}, "permissions": ["repo.content.read", "repo.write"]}], "global": []}
DISCUSSES = {**READS, "global": ["discussion.write"]}


@pytest.fixture
def tokens(hub):
    """Add a token of each kind to the Hub; all but `hf_stranger` belong to the owner of the model."""
    state = hub.state
    state.tokens |= {f"hf_{name}": "fer-bot" for name in ("read", "reads", "writes", "discusses", "oauth")}
    state.tokens["hf_stranger"] = "stranger"
    state.read_only |= {"hf_read", "hf_stranger"}
    state.fine_grained |= {"hf_reads": READS, "hf_writes": WRITES, "hf_discusses": DISCUSSES}
    state.oauth.add("hf_oauth")


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize("token", ["hf_read", "hf_reads"])
def test_a_private_model_is_deployed_with_a_read_token_and_without_preloading(hub, monkeypatch, token):
    hub.put(BUNDLED, MODEL, private=True)
    monkeypatch.setenv("FER_SPACE_TOKEN", f" {token}\n")
    deploy(SPACE, MODEL, private=True)
    assert find_space(hub).private
    assert find_space(hub).secrets["HF_TOKEN"]["value"] == token
    assert find_space(hub).variables["FER_ON_DEVICE"]["value"] == "0"
    assert "preload_from_hub" not in metadata_of(find_space(hub).head.files["README.md"].content.decode())


@pytest.fixture
def once_private(hub, tokens, monkeypatch):
    """Deploy a Space that serves a private model, and put a public model beside it."""
    hub.put(BUNDLED, "fer-bot/private", private=True)
    hub.put(BUNDLED, MODEL)
    monkeypatch.setenv("FER_SPACE_TOKEN", "hf_read")
    deploy(SPACE, "fer-bot/private")


@pytest.mark.usefixtures("once_private")
def test_a_space_that_served_a_private_model_loses_the_token_with_a_public_one(hub):
    deploy(SPACE, MODEL)
    assert find_space(hub).secrets == {}
    assert {*find_space(hub).variables} == {"FER_MODEL"}


@pytest.mark.usefixtures("once_private")
@pytest.mark.parametrize("failing", ["/secrets", "/variables"])
def test_a_repeated_deployment_removes_what_a_failed_one_left(hub, failing):
    hub.fail(failing, 403, 1, method="DELETE")
    with pytest.raises(HubError):
        deploy(SPACE, MODEL)
    deploy(SPACE, MODEL)
    assert find_space(hub).secrets == {}
    assert {*find_space(hub).variables} == {"FER_MODEL"}


def test_a_setting_that_was_made_by_hand_stays_when_a_space_is_deployed_again(hub):
    hub.put(BUNDLED, MODEL)
    deploy(SPACE, MODEL)
    find_space(hub).variables["FER_ON_DEVICE"] = {"value": "0"}
    deploy(SPACE, MODEL)
    assert find_space(hub).variables["FER_ON_DEVICE"]["value"] == "0"


@pytest.mark.usefixtures("once_private")
def test_a_space_keeps_its_model_and_token_if_the_files_of_a_public_model_cannot_be_uploaded(hub):
    before = dict(find_space(hub).variables)
    hub.fail("/commit/", 403, 20)
    with pytest.raises(HubError):
        deploy(SPACE, MODEL)
    assert find_space(hub).variables == before
    assert before["FER_MODEL"]["value"].startswith("fer-bot/private@")
    assert find_space(hub).secrets["HF_TOKEN"]["value"] == "hf_read"


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize("rules", [{"private": True}, {"gated": True}], ids=["private", "gated"])
@pytest.mark.parametrize(
    ("token", "received"),
    [
        (None, "none"),
        ("hf_write", "one with the role write"),
        ("hf_writes", "one that may repo.write"),
        ("hf_discusses", "one that may discussion.write"),
        ("hf_oauth", "one of a login by browser, which does not tell what it may do"),
        ("hf_stranger", "one that may not read it$"),
        ("hf_wrong", r"one of which the Hub says: the token is not valid\.$"),
        ("hf_é", r"one of which the Hub says: the token holds a character that no token has\.$"),
    ],
)
def test_only_a_token_that_can_only_read_is_given_to_a_space(hub, monkeypatch, token, received, rules):
    hub.put(BUNDLED, MODEL, **rules)
    if token:
        monkeypatch.setenv("FER_SPACE_TOKEN", token)
    rule = "`FER_SPACE_TOKEN` must be a token that may read it and can write nothing"
    with pytest.raises(HubError, match=f"{MODEL}: is private or gated, so {rule}. .* Received: {received}") as error:
        deploy(SPACE, MODEL)
    assert "hf_" not in str(error.value)
    assert "HF_TOKEN" not in str(error.value)
    assert ("spaces", SPACE) not in hub.repos


def test_private_is_refused_for_an_existing_public_space(hub, capsys):
    hub.put(BUNDLED, MODEL)
    deploy(SPACE, MODEL)
    head = find_space(hub).head
    with pytest.raises(SystemExit) as end:
        main(["deploy", SPACE, "--model", MODEL, "--private"])
    assert end.value.code == 2
    assert f"Make it private first, with `hf repos settings {SPACE} --type space --private`" in capsys.readouterr().err
    assert find_space(hub).head is head


def test_hardware_that_needs_a_paid_plan_is_explained(hub):
    hub.put(BUNDLED, MODEL)
    with pytest.raises(HubError, match="cpu-basic needs a paid plan. Free accounts .* --hardware zero-a10g"):
        deploy(SPACE, MODEL, hardware="cpu-basic")


@pytest.mark.parametrize("hardware", [None, "zero-a10g"])
def test_a_space_too_many_is_explained(hub, hardware):
    hub.put(BUNDLED, MODEL)
    hub.fail("/api/repos/create", 402)
    with pytest.raises(HubError, match="may have no further Space on ZeroGPU. Free accounts may have two, if their"):
        deploy(SPACE, MODEL, hardware=hardware)


def test_a_space_that_does_not_start_is_reported(hub, monkeypatch):
    hub.put(BUNDLED, MODEL)
    deploy(SPACE, MODEL)
    find_space(hub).runtime["stage"] = "BUILD_ERROR"
    monkeypatch.setattr(space, "upload", lambda *_, **__: None)
    with pytest.raises(HubError, match=r"did not come up \(BUILD_ERROR\)"):
        deploy(SPACE, MODEL, wait=True)


def test_a_model_must_be_on_the_hub(hub, monkeypatch):
    with pytest.raises(UserError, match="Publish it first: python -m fer push bundled OWNER/NAME"):
        deploy(SPACE, "bundled")
    with pytest.raises(HubError, match="no such repository on the Hub"):
        deploy(SPACE, "fer-bot/nothing")
    assert not hub.repos
    monkeypatch.delenv("HF_TOKEN")  # What is wrong with the command is said before a token is asked for.
    with pytest.raises(UserError, match="Publish it first"):
        deploy(SPACE, "bundled")


def test_a_model_without_a_litert_file_is_refused(hub, tmp_path):
    folder = shutil.copytree(BUNDLED, tmp_path / "model")
    (folder / EXPORTS["litert"]).unlink()
    hub.put(folder, MODEL)
    with pytest.raises(UserError, match=r"a Space answers from model\.tflite, .+ push FOLDER fer-bot/model\. R"):
        deploy(SPACE, MODEL)
    assert ("spaces", SPACE) not in hub.repos


def test_a_space_of_another_user_is_refused(hub):
    hub.put(BUNDLED, MODEL)
    with pytest.raises(HubError, match="the token belongs to fer-bot"):
        deploy("other/space", MODEL)
    assert ("spaces", "other/space") not in hub.repos


def test_a_deploy_needs_a_git_clone(hub, monkeypatch, tmp_path):
    hub.put(BUNDLED, MODEL)
    monkeypatch.setattr(space, "PROJECT", tmp_path)
    with pytest.raises(UserError, match="takes the committed files of a git clone"):
        deploy(SPACE, MODEL)


def test_uncommitted_files_are_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(space, "PROJECT", tmp_path)
    for name in ("app.py", "notes.txt"):
        (tmp_path / name).write_text("")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert space.uncommitted() == ["app.py"]


SPACES = """
import gradio

def GPU(function):
    print(function.__name__)
    return function
"""
"""A module in the place of `spaces`, which imports Gradio too."""
START = """
import sys
from argparse import Namespace
from types import SimpleNamespace
from fer.cli.app import run

def serve(cache, model):
    from gradio import mcp
    print(mcp.DEFAULT_TEMP_DIR == cache.name)

sys.modules["fer.app.demo"] = SimpleNamespace(serve=serve)
run(Namespace(model=None))
"""


def test_on_a_space_the_app_has_a_function_for_zerogpu_and_gradio_the_folder_of_the_app(tmp_path):
    (tmp_path / "spaces.py").write_text(SPACES)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", START], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["use_no_gpu", "True"]


def test_the_metadata_of_a_space_is_complete_and_valid(hub):
    hub.put(BUNDLED, MODEL)
    deploy(SPACE, MODEL)
    metadata = metadata_of(find_space(hub).head.files["README.md"].content.decode())
    assert complaints(metadata, "space") == []
    assert (metadata["sdk"], metadata["sdk_version"]) == ("gradio", gradio.__version__)
    assert metadata["python_version"] == "3.12"
    assert metadata["app_file"] == "app.py"
    assert "app.py" in find_space(hub).head.files
    assert metadata["title"] == "Facial expression recognition"
    assert (metadata["emoji"], metadata["colorFrom"], metadata["colorTo"]) == ("🙂", "blue", "yellow")
    assert 0 < len(metadata["short_description"]) <= 60
    assert (metadata["license"], metadata["pinned"]) == ("apache-2.0", False)
    assert "facial-expression-recognition" in metadata["tags"]


@pytest.mark.parametrize("static", [False, True])
def test_a_space_states_classes_data_and_licence_of_its_model(hub, tmp_path, static):
    """Each said: seven probabilities, FER2013, and the licence of this project, under which it gave the weights too."""
    folder = shutil.copytree(BUNDLED, tmp_path / "model")
    config = load_config(folder)
    change_document(folder, training=config.training | {"data": {"name": "mine"}, "license": "cc-by-nc-4.0"})
    sha = hub.put(folder, MODEL)
    write_space_card(tmp_path, ModelSource(MODEL, folder, sha), "static" if static else "gradio")
    metadata = metadata_of((tmp_path / CARD).read_text())
    assert metadata["license"] == ("cc-by-nc-4.0" if static else "apache-2.0")
    assert metadata["tags"] == ["facial-expression-recognition", "keras"]
    assert metadata["short_description"] == "Every face in a photo, with 7 probabilities"


@pytest.mark.parametrize("static", [False, True])
def test_a_space_that_somebody_else_made_is_not_replaced(hub, static):
    """Its files were deleted."""
    hub.put(BUNDLED, MODEL)
    hub.write("spaces", SPACE, {"README.md": "---\ntags: [chat]\n---\n", "app.py": "", "data.csv": "1,2"})
    with pytest.raises(HubError, match=r"nothing was deployed, since .* something else .* such as app\.py"):
        (deploy_static if static else deploy)(SPACE, MODEL)
    assert "data.csv" in find_space(hub).head.files


def test_the_readme_of_the_project_has_no_metadata():
    assert metadata_of((ROOT / "README.md").read_text()) == {}
