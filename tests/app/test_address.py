"""Tests of the address that the app listens on, and of the error message if that fails."""

import os
import socket
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest
from conftest import ROOT, hub_environment

from fer.app.server.address import check_port, explain_address_errors, reach_directly
from fer.cli.app import main, run
from fer.errors import UserError


@pytest.mark.parametrize("port", ["", "web", "7860.5", "-1", "0", "65536", "٧٨٦٠", " 7860"])
def test_an_invalid_port_is_refused(monkeypatch, port):
    monkeypatch.setenv("GRADIO_SERVER_PORT", port)
    with pytest.raises(UserError, match="`GRADIO_SERVER_PORT` must be a number from 1 to 65535. Received: "):
        check_port()


@pytest.mark.parametrize("port", ["1", "7860", "65535"])
def test_a_valid_port_is_accepted(monkeypatch, port):
    monkeypatch.setenv("GRADIO_SERVER_PORT", port)
    check_port()


def test_an_address_of_another_machine_is_refused(monkeypatch):
    monkeypatch.setenv("GRADIO_SERVER_NAME", "192.0.2.1")
    with (
        pytest.raises(UserError, match="must be an address of this machine.* Received: 192.0.2.1, "),
        explain_address_errors(),
    ):
        socket.create_server(("192.0.2.1", 0))


def test_other_errors_are_not_changed():
    with pytest.raises(FileNotFoundError), explain_address_errors():
        Path("/nothing/there").read_text()


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ({"GRADIO_SERVER_PORT": "web"}, "`GRADIO_SERVER_PORT` must be a number from 1 to 65535. Received: 'web'"),
        ({"FER_ON_DEVICE": "off"}, "`FER_ON_DEVICE` must be 0 or false, 1 or true. Received: 'off'"),
        (
            {"GRADIO_TEMP_DIR": "/dev/null/cache"},
            "`GRADIO_TEMP_DIR` must be a folder that can be made and written to. "
            "Received: /dev/null/cache (Not a directory)",
        ),
    ],
)
def test_wrong_settings_end_the_app_with_one_sentence(setting, rule):
    command = [sys.executable, "app.py"]
    run = subprocess.run(command, cwd=ROOT, env=hub_environment(**setting), capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (2, f"python app.py: {rule}\n")


class EnoughError(Exception):
    """Error that ends the start of the app."""


@pytest.fixture
def proxies(monkeypatch):
    """Function that sets the proxies of the environment, by variable; the test has no others."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        for variable in (name, name.lower()):
            monkeypatch.setenv(variable, "")  # So that a value that the app sets is removed at the end too.
            monkeypatch.delenv(variable)
    # What comes after the checks of `run`.
    monkeypatch.setattr("fer.app.server.cache.make_cache", Mock(side_effect=EnoughError))
    return lambda **values: [monkeypatch.setenv(name, value) for name, value in values.items()]


@pytest.mark.parametrize("exceptions", ["", "example.com", "example.com, [::1]"])
def test_the_app_reaches_itself_although_a_proxy_is_set(hub, proxies, monkeypatch, exceptions):
    """Docker sets HTTP_PROXY without an exception for the container, and Gradio did not start."""
    monkeypatch.setenv("GRADIO_SERVER_NAME", "192.0.2.1")
    proxies(HTTP_PROXY="http://127.0.0.1:9", NO_PROXY=exceptions)
    for _ in range(2):
        with pytest.raises(EnoughError):
            run(Namespace(model=None))
    for name in ("NO_PROXY", "no_proxy"):
        hosts = ["example.com"] * bool(exceptions) + ["::1"] * ("::1" in exceptions)
        expected = dict.fromkeys([*hosts, "127.0.0.1", "localhost", "::1", "192.0.2.1"])
        assert os.environ[name] == ",".join(expected)
    assert httpx.get(f"{hub.url}/api/nothing").status_code == 404


def test_without_proxies_the_environment_stays_as_it_is(proxies):
    proxies()
    reach_directly()
    assert "NO_PROXY" not in os.environ


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        ({"ALL_PROXY": "socks5://127.0.0.1:1080"}, "`ALL_PROXY` is a SOCKS proxy, which needs socksio, not installed"),
        ({"all_proxy": "socks://127.0.0.1:1080"}, "`ALL_PROXY` must be the address of a proxy"),
        ({"HTTPS_PROXY": "http://user:se/cret@proxy:8080"}, "`HTTPS_PROXY` must be the address of a proxy"),
    ],
    ids=lambda value: "".join(value) if isinstance(value, dict) else "",
)
def test_a_proxy_that_cannot_be_used_ends_the_app_with_one_sentence(proxies, monkeypatch, proxy, message):
    proxies(**proxy)
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(UserError, match=f"^{message}") as error:
        run(Namespace(model=None))
    assert "cret" not in str(error.value)


def test_an_argument_of_the_app_is_refused_instead_of_ignored(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["app.py", "--port", "7861"])
    with pytest.raises(SystemExit, match="2"):
        main("python app.py")
    assert "python app.py: error: unrecognized arguments: --port 7861" in capsys.readouterr().err


def test_the_help_of_the_app_lists_its_settings(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["app.py", "--help"])
    with pytest.raises(SystemExit, match="0"):
        main("python app.py")
    assert "GRADIO_SERVER_PORT" in capsys.readouterr().out
