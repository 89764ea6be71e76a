"""Terminal of the commands: libraries' messages are dropped, and errors are one sentence instead of a traceback."""

import errno
import io
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

from fer.errors import UserError
from fer.models.keras_backend import BACKENDS, find_backend
from fer.resources import install_command

EXTRAS = {"gradio": "app", **dict.fromkeys(("jinja2", "keras", "matplotlib", "scipy", "sklearn"), "train")}
"""Extras of the package, by the name of a module that they install and that a command may need."""
VERBOSITY = "TF_CPP_MIN_LOG_LEVEL"
"""Environment variable of TensorFlow for the lowest severity that it logs. If the user sets it, nothing is filtered."""
CHATTER = (
    # Notes and warnings of TensorFlow and LiteRT; TensorFlow writes some before it reads `VERBOSITY`.
    r"[IW]\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] ",
    r"WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR",
    # A harmless "error", which otherwise only hiding all errors would hide: nothing is computed with float16 weights.
    r"E\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] oneDNN supports DT_HALF only on platforms with AVX-512",
    # A message that LiteRT's Python package has no setting for.
    r"INFO: Created TensorFlow Lite XNNPACK delegate for CPU",
    # Ray's messages that it has read the setting that makes it quiet.
    r"\[[-\d :,]+ [IW] \d+ \d+\] \w+\.cc:\d+: ",
)
"""Regular expressions for the beginnings of lines that libraries write to file descriptor 2, and that are dropped."""
FILTER = """
import re, sys

chatter = re.compile("|".join(sys.argv[1:]).encode())
for line in sys.stdin.buffer:
    if not chatter.match(line):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""
"""Program that drops the lines of `CHATTER`. It runs in its own process, so that it also passes on the last message of
a library that ends this process."""


class Terminated(KeyboardInterrupt):
    """Exception for SIGTERM, on which a command stops and cleans up as on Ctrl+C."""


@contextmanager
def own_terminal() -> Iterator[None]:
    """Set up the terminal of a program; run everything within this context, including the imports of libraries.

    Lines of `CHATTER` do not reach standard error. If standard output or standard error fails (its pipe is closed, the
    disk is full, or it was closed before the start), the work continues without it. SIGTERM ends the program as Ctrl+C
    does.

    Raises:
        SystemExit: with code 2 if standard output failed for another reason than a closed pipe.
    """
    before = sys.stdout, sys.stderr
    _fill_closed_descriptors()
    end = signal.signal(signal.SIGTERM, _terminate)
    filtered = nullcontext() if VERBOSITY in os.environ else _without_chatter()
    quiet_libraries()
    with filtered:
        sys.stdout, sys.stderr = _never_failing(sys.stdout), _never_failing(sys.stderr)
        try:
            yield
        finally:
            error = _flush(sys.stdout)
            sys.stdout, _ = before
            signal.signal(signal.SIGTERM, end)
            if error and not isinstance(error, BrokenPipeError):
                print(f"Standard output could not be written: {error.strerror}", file=sys.stderr)
                raise SystemExit(2)


def nobody_reads() -> bool:
    """Return whether standard output is a pipe whose reader has ended, so that output would be lost."""
    return isinstance(_flush(sys.stdout), BrokenPipeError)


@contextmanager
def exit_on_user_error(program: str) -> Iterator[None]:
    """Exit with one sentence instead of a traceback: with code 2 on an error, 130 on Ctrl+C and 143 on SIGTERM.

    Errors that the user cannot correct are raised unchanged.

    Args:
        program: command by which the program was started, for the sentence.
    """
    try:
        yield
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        if error.filename is None:
            print(f"{program}: the disk: {os.strerror(error.errno)}", file=sys.stderr)
            if "h5py" in sys.modules:  # HDF5 cannot close its file then, and ends the process by a signal.
                from fer.training.supervisor import end_at_once

                end_at_once(2)
        else:
            print(f"{program}: {os.fsdecode(error.filename)}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except (ModuleNotFoundError, ValueError) as error:
        name = (getattr(error, "name", None) or "").partition(".")[0]
        if name in EXTRAS:
            print(f"{program}: needs {name}, not installed here: {install_command(EXTRAS[name])}", file=sys.stderr)
            sys.exit(2)
        # Keras raises one of these when it is first imported: the backend is not installed, or its name is unknown.
        backend = find_backend()
        if getattr(error, "name", None) != backend and str(error) != f"Unable to import backend : {backend}":
            raise
        rule = f"`KERAS_BACKEND`, or `backend` in keras.json, must be one of {', '.join(BACKENDS)}, and installed"
        print(f"{program}: {rule}. Received: {backend}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as error:
        print(f"\n{program}: {str(error) or 'interrupted'}", file=sys.stderr)
        sys.exit(143 if isinstance(error, Terminated) else 130)


def quiet_libraries() -> None:
    """Lower the verbosity of TensorFlow; call this before it is imported. `own_terminal` drops what it still writes."""
    os.environ.setdefault(VERBOSITY, "2")
    # Retracing is expected: several networks run one after the other.
    logging.getLogger("tensorflow").addFilter(_no_retracing)


def _no_retracing(record):
    return "triggered tf.function retracing" not in record.getMessage()


def _terminate(number, frame):
    raise Terminated


@contextmanager
def _without_chatter():
    """Pass file descriptor 2 through the `FILTER` process; `sys.stderr` writes to the terminal directly."""
    if sys.stderr is None or not sys.executable:
        yield
        return
    sys.stderr.flush()
    before = sys.stderr
    terminal = os.fdopen(os.dup(2), "w", 1, before.encoding, before.errors)
    # In its own process group, so that Ctrl+C does not end it before the messages that follow.
    child = subprocess.Popen(
        [sys.executable, "-ISc", FILTER, *CHATTER], stdin=subprocess.PIPE, stdout=terminal, process_group=0
    )
    os.dup2(child.stdin.fileno(), 2)
    child.stdin.close()
    sys.stderr = terminal
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(terminal.fileno(), 2)
        sys.stderr = before
        # It does not end while a child process that was started meanwhile can still write to it.
        with suppress(subprocess.TimeoutExpired):
            child.wait(1)


class _NeverFailing(io.FileIO):
    """File descriptor whose writes never fail: it keeps the first error in `error`, and then drops all output."""

    error = None

    def write(self, data):
        if self.error is None:
            try:
                return super().write(data)
            except OSError as error:
                self.error = error
        return len(data)


def _fill_closed_descriptors():
    """Open the null device as standard input, output and error where they are closed.

    Otherwise the next files that are opened get their numbers, and what libraries print is written into these files.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # The lowest free number, which is this one.


def _never_failing(stream):
    """Return a text stream to the same file descriptor that fails neither on output errors nor on any character.

    A stream without a file descriptor is returned as it is, and for None, as Python has it for a closed one, the null
    device.
    """
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8", errors="backslashreplace")
    try:
        stream.flush()
        raw = _NeverFailing(stream.fileno(), "w", closefd=False)
    except (AttributeError, OSError, ValueError):
        return stream
    # A file name that is not UTF-8 is printed as its original bytes.
    errors = "surrogateescape" if stream.encoding.lower() in ("utf-8", "utf8") else "backslashreplace"
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, errors, line_buffering=stream.line_buffering or raw.isatty()
    )


def _flush(stream):
    """Flush a stream of `_never_failing`; return the error with which it failed, or None."""
    try:
        stream.flush()
        return stream.buffer.raw.error
    except (AttributeError, OSError, ValueError):
        return None
