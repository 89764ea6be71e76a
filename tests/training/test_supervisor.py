import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from fer.errors import UserError
from fer.training.supervisor import SUPERVISED, run_supervised

REPORTED = "import os; os.write(0, b'first\\0the others are gone\\0'); "
"""Source of a program that sends two messages to its supervisor."""
INTERRUPT = """import time
while not os.path.exists("waits"):
    time.sleep(0.01)
os.kill(os.getppid(), 2)
time.sleep(60)"""
"""The rest of a program that interrupts its supervisor once the file `waits` says that it waits."""


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
        (INTERRUPT, 130),
    ],
)
def test_other_exit_codes_and_interruptions_are_passed_on(monkeypatch, tmp_path, end, code):
    class Child(subprocess.Popen):
        def wait(self, timeout=None):
            Path("waits").touch()  # An interruption before this would end the tests.
            return super().wait(timeout)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "Popen", Child)
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
