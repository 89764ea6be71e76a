"""Tests of the errors about a model that visitors see."""

import os

import pytest
from huggingface_hub import constants

from fer.app.demo import load_served_model
from fer.app.server.hidden_paths import hide_folders
from fer.errors import UserError
from fer.hub.client import resolve_model

REASON = "hub/models--a--b/config.json: no valid JSON"


@pytest.fixture
def fail(monkeypatch):
    """Function that makes the loading of a model fail with an error, and returns the reason that visitors see."""

    def fail(error):
        def resolve(name):
            if name != "bundled":
                raise error
            return resolve_model(name)

        monkeypatch.setattr("fer.hub.client.resolve_model", resolve)
        return load_served_model("a/b").reason

    return fail


def test_visitors_do_not_see_the_path_of_the_hubs_cache(fail):
    assert fail(UserError(f"{constants.HF_HUB_CACHE}/models--a--b/config.json: no valid JSON")) == REASON


@pytest.mark.parametrize("written", ["link", "relative"])
def test_visitors_do_not_see_the_path_to_which_the_hubs_cache_leads(monkeypatch, tmp_path, written):
    place = tmp_path / "Anna's files" / "hub"
    place.mkdir(parents=True)
    (tmp_path / "link").symlink_to(place.parent)
    monkeypatch.chdir(place.parent if written == "relative" else tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "hub" if written == "relative" else f"{tmp_path}/link/hub")
    for cache in (place, os.path.abspath(constants.HF_HUB_CACHE)):
        assert hide_folders(f"{cache}/models--a--b/config.json: no valid JSON", "a/b") == REASON


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("/srv/anna/x.json: not valid. Received: '/srv/anna/y'", "x.json: not valid. Received: 'y'"),
        ("a/b: see https://huggingface.co/a/b. Try: fer export /srv/a/b", "a/b: see https://huggingface.co/a/b. "
                                                                        "Try: fer export b"),
        ("a model holds config.json and/or others", "a model holds config.json and/or others"),
    ],
)  # fmt: skip
def test_only_the_last_part_of_a_path_is_shown(sentence, shown):
    assert hide_folders(sentence, "a/b") == shown


@pytest.mark.parametrize("name", [".", "..", "a" * 300, "a\0b", "~/m", "/"])
def test_any_name_of_a_model_can_be_hidden(name):
    assert hide_folders("no such model.", name) == "no such model."


@pytest.mark.parametrize("name", ["a" * 300, f"{'a' * 300}/b", "in a folder"])
def test_a_name_that_is_too_long_for_a_folder_falls_back_to_the_bundled_model(name, tmp_path, capsys):
    name = f"{tmp_path}/{'a' * 300}" if name == "in a folder" else name
    served = load_served_model(name)
    assert served.recognizer.model == "bundled"
    assert served.reason.endswith(f"{'a' * 300}: File name too long") or served.reason == f"{name}: File name too long"
    assert str(tmp_path) not in served.reason
    assert f"{name}: File name too long" in capsys.readouterr().err
