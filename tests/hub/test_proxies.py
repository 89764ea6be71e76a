"""Tests of proxies of the environment that cannot be used."""

import sys

import pytest
from huggingface_hub import close_session

from fer.hub.client import pull_model
from fer.hub.errors import HubError, explained
from fer.models.model_folder import BUNDLED
from fer.publishing.access import check_push

MODEL = "fer-bot/model"
ADDRESS = "must be the address of a proxy, such as http://localhost:3128 or socks5://localhost:1080. Received: another"


@pytest.mark.parametrize(
    ("name", "address", "message"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080", "is a SOCKS proxy, which needs socksio, not installed here: pip inst"),
        ("ALL_PROXY", "socks://127.0.0.1:1080", ADDRESS),
        ("HTTPS_PROXY", "http://proxy:80a", ADDRESS),
        ("HTTPS_PROXY", "http://user:se/cret@proxy:8080", ADDRESS),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_address(hub, monkeypatch, name, address, message):
    """The error was a traceback with a part of the password."""
    hub.put(BUNDLED, MODEL)
    monkeypatch.setenv(name, address)
    monkeypatch.setitem(sys.modules, "socksio", None)
    close_session()  # The client that follows reads the environment.
    for ask in (lambda: pull_model(MODEL), lambda: check_push(MODEL)):
        with pytest.raises(HubError, match=f"^{MODEL}: `{name}` {message}") as error:
            ask()
        assert "se/" not in str(error.value)


def test_that_a_library_is_missing_is_no_fault_of_a_proxy():
    with pytest.raises(ModuleNotFoundError, match="jinja2"), explained(MODEL):
        raise ModuleNotFoundError("No module named 'jinja2'", name="jinja2")
