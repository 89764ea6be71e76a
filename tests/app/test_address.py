"""Tests of the address that the app listens on, and of the error message if that fails."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, hub_environment

from fer.app.server.address import check_port, explain_address_errors
from fer.cli.app import main
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
