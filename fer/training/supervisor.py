"""A supervisor process: it starts the process that trains, and reports why JAX aborted that process.

JAX aborts a process from a thread of its own as soon as it misses another process of the group. No Python code runs
after that, so only the process that started it can print the reason.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import NoReturn

from fer.errors import UserError

SUPERVISED = "FER_SUPERVISED"
"""Environment variable that marks a process started by `run_supervised`; its standard input is a socket to the
supervisor."""


def run_supervised() -> None:
    """Run this program's command again in a child process and exit as the child does; only the child returns.

    The two processes end together: the supervisor passes an interruption on to the child, and the child ends when the
    supervisor is gone.

    Raises:
        UserError: if the child is aborted, with the reason that the child reported last.
    """
    if SUPERVISED not in os.environ:
        sys.exit(_supervise([sys.executable, *sys.orig_argv[1:]]))
    threading.Thread(target=_end_with_supervisor, daemon=True).start()


def report_reason(reason: object) -> None:
    """Tell the supervisor, if there is one, what to print if this process is aborted from now on."""
    if SUPERVISED in os.environ:
        with suppress(BrokenPipeError):  # The supervisor is gone, and this process is about to end.
            os.write(0, f"{reason}\0".encode())


def end_at_once(code: int) -> NoReturn:
    """End this process with an exit code, without waiting for other threads or for JAX."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _supervise(command):
    """Run a command that may call `report_reason`, and return its exit code."""
    own, childs = socket.socketpair()
    with own:
        with childs:
            # The child gets its own session: otherwise Ctrl+C would reach it twice.
            child = subprocess.Popen(command, stdin=childs, env={**os.environ, SUPERVISED: "1"}, start_new_session=True)
        while True:
            try:
                code = child.wait()
                break
            except KeyboardInterrupt:
                child.send_signal(signal.SIGINT)
        if code == -signal.SIGABRT:
            reasons = own.recv(2**16).decode().split("\0")
            raise UserError(reasons[-2] if len(reasons) > 1 else "the process that trains was aborted.")
        return 128 - code if code < 0 else code


def _end_with_supervisor():
    """Wait until the supervisor is gone, then end this process."""
    with suppress(ConnectionError):  # Raised where the supervisor did not read all that was reported.
        os.read(0, 1)  # The supervisor sends nothing: this returns at the end of the connection.
    end_at_once(2)
