import os
import socket
import subprocess
import sys

import pytest
from conftest import ROOT

from fer.errors import UserError
from fer.training.supervisor import SUPERVISED, run_supervised

REPORTED = "import os; os.write(0, b'first\\0the others are gone\\0'); "
"""Source of a program that sends two messages to its supervisor."""


def supervise(monkeypatch, program):
    """Return the exit code with which `run_supervised` ends a process whose command runs this program."""
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", program])
    with pytest.raises(SystemExit) as ended:
        run_supervised()
    return ended.value.code


def test_an_abort_is_explained_by_the_last_message(monkeypatch):
    with pytest.raises(UserError, match="^the others are gone$"):
        supervise(monkeypatch, REPORTED + "os.abort()")
    with pytest.raises(UserError, match=r"^the process that trains was aborted\.$"):
        supervise(monkeypatch, "import os; os.abort()")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("pass", 0),
        ("raise SystemExit(2)", 2),
        ("os.kill(os.getpid(), 9)", 137),
        ("import time; os.kill(os.getppid(), 2); time.sleep(60)", 130),
    ],
)
def test_other_exit_codes_and_interruptions_are_passed_on(monkeypatch, end, code):
    assert supervise(monkeypatch, REPORTED + end) == code


def test_a_process_ends_when_its_supervisor_does():
    program = "from fer.training.supervisor import run_supervised; run_supervised(); import time; time.sleep(60)"
    own, its = socket.socketpair()
    environment = {**os.environ, SUPERVISED: "1"}
    with subprocess.Popen([sys.executable, "-c", REPORTED + program], cwd=ROOT, env=environment, stdin=its) as process:
        its.close()
        own.recv(1)  # The process runs, and has sent more than is read here.
        own.close()
        assert process.wait(30) == 2
