"""Tests of the deployment of static Spaces against the double of the Hub."""

import json

import pytest
from hub_double.card_rules import complaints, metadata_of

from fer.cli.commands import main
from fer.errors import UserError
from fer.models.model_folder import BUNDLED
from fer.web.static_space import deploy_static

MODEL, SPACE = "fer-bot/model", "fer-bot/space"


def test_a_static_space_has_the_model_at_its_commit_and_the_site(hub, capsys):
    sha = hub.put(BUNDLED, MODEL)
    assert main(["deploy", SPACE, "--model", MODEL, "--static", "--wait"]) == 0
    assert capsys.readouterr().out.strip() == f"{hub.url}/spaces/{SPACE}"
    space = hub.repos["spaces", SPACE]
    assert space.sdk == "static"
    assert not space.variables
    files = space.head.files
    assert {"index.html", "module/recognizer.js", "networks/expressions.tflite", "runtime/NOTICE"} < set(files)
    assert json.loads(files["settings.json"].content)["model"]["name"] == f"{MODEL}@{sha}"
    readme = files["README.md"].content.decode()
    metadata = metadata_of(readme)
    assert complaints(metadata, "space") == []
    assert (metadata["sdk"], metadata["app_file"], metadata["models"]) == ("static", "index.html", [MODEL])
    assert not {"sdk_version", "python_version", "preload_from_hub"} & set(metadata)
    assert metadata["title"] == "Facial expression recognition"
    assert f"{MODEL}/tree/{sha}" in readme


@pytest.mark.parametrize("rules", [{"private": True}, {"gated": True}], ids=["private", "gated"])
def test_a_private_or_gated_model_needs_a_private_space(hub, rules):
    hub.put(BUNDLED, MODEL, **rules)
    with pytest.raises(UserError, match="hands its model to every visitor, so the Space must be private: --private"):
        deploy_static(SPACE, MODEL)
    assert ("spaces", SPACE) not in hub.repos
    deploy_static(SPACE, MODEL, private=True)
    assert hub.repos["spaces", SPACE].private


def test_a_static_space_loses_the_token_and_the_settings_of_the_app(hub):
    sha = hub.put(BUNDLED, MODEL)
    deploy_static(SPACE, MODEL)
    space = hub.repos["spaces", SPACE]
    space.secrets = {"HF_TOKEN": {"value": "hf_read"}, "MINE": {"value": "1"}}
    space.variables = {
        "FER_MODEL": {"value": f"{MODEL}@{sha}"},
        "FER_ON_DEVICE": {"value": "0"},
        "MINE": {"value": "1"},
    }
    deploy_static(SPACE, MODEL)
    assert set(space.secrets) == set(space.variables) == {"MINE"}


def test_a_static_space_needs_a_hub_model_and_refuses_hardware(hub, capsys):
    with pytest.raises(SystemExit):
        main(["deploy", SPACE, "--model", MODEL, "--static", "--hardware", "t4-small"])
    assert "`--hardware` must be left out with --static" in capsys.readouterr().err
    with pytest.raises(UserError, match="Publish it first: python -m fer push bundled OWNER/NAME"):
        deploy_static(SPACE, "bundled")
