import os
import subprocess
import sys

import pytest
from conftest import ROOT

from fer.console import exit_on_user_error


@pytest.mark.parametrize("command", [["train.py", "--output", "never"], ["-m", "fer", "evaluate"]])
def test_a_backend_that_keras_does_not_have_is_no_traceback(command):
    environment = {**os.environ, "KERAS_BACKEND": "theano"}
    run = subprocess.run(
        [sys.executable, *command, "--data", "never"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 2
    rule = "`KERAS_BACKEND` must be one of tensorflow, jax, torch, and installed. Received: theano"
    assert run.stderr.splitlines()[-1].endswith(rule)
    assert "Traceback" not in run.stderr


def test_a_backend_that_is_not_installed_is_no_traceback(monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(SystemExit), exit_on_user_error("python train.py"):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    assert capsys.readouterr().err.endswith("and installed. Received: torch\n")


@pytest.mark.parametrize("backend", ["", "theano"])
def test_what_no_backend_is_to_blame_for_stays_what_it_is(monkeypatch, backend):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    with pytest.raises(ValueError, match="a defect"), exit_on_user_error("python train.py"):
        raise ValueError("a defect")
