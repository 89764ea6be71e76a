"""What the command lines share: a terminal with our own lines alone, and no traceback for a person's mistake."""

import errno
import io
import logging
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, nullcontext, suppress

from fer.errors import UserError
from fer.resources import install_command

BACKENDS = ("tensorflow", "jax", "torch")
"""Keras' backends that train."""
EXTRAS = {"gradio": "app", **dict.fromkeys(("jinja2", "keras", "matplotlib", "scipy", "sklearn"), "train")}
"""Names of modules that a command may need, and of the package's extras that bring them."""
VERBOSITY = "TF_CPP_MIN_LOG_LEVEL"
"""Name of TensorFlow's setting: the least severe notes that are shown. A person who sets it sees all that it gives."""
CHATTER = (
    # TensorFlow's and LiteRT's notes and warnings: TensorFlow writes some before it reads its own setting.
    r"[IW]\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] ",
    r"WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR",
    # It has no setting but that of errors: float16 weights are stored, and nothing is computed with them.
    r"E\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] oneDNN supports DT_HALF only on platforms with AVX-512",
    # LiteRT has no setting that Python could reach.
    r"INFO: Created TensorFlow Lite XNNPACK delegate for CPU",
    # Ray's note that it has read the setting by which it is quiet.
    r"\[[-\d :,]+ [IW] \d+ \d+\] \w+\.cc:\d+: ",
)
"""Beginnings of lines, as regular expressions, that libraries write to file descriptor 2."""
FILTER = """
import re, sys

chatter = re.compile("|".join(sys.argv[1:]).encode())
for line in sys.stdin.buffer:
    if not chatter.match(line):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""
"""A program of its own: what a library says in the moment that it ends the process by passes too."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, by which a command ends as by Ctrl+C: what runs is broken off and tidies up."""


@contextmanager
def own_terminal():
    """Give a program its terminal: call around all that it does, before libraries are imported.

    Lines of `CHATTER` are kept off standard error. Where standard output or standard error cannot take any more (a
    pipe that nobody reads, a full disk) the work goes on without it. SIGTERM ends the program as Ctrl+C does.

    Raises:
        SystemExit: with code 2, where standard output could not take all for another reason than a closed pipe.
    """
    before = sys.stdout, sys.stderr
    end = signal.signal(signal.SIGTERM, _terminate)
    quiet = nullcontext() if VERBOSITY in os.environ else _without_chatter()
    quiet_libraries()
    with quiet:
        sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)
        try:
            yield
        finally:
            error = _flush(sys.stdout)
            sys.stdout, _ = before
            signal.signal(signal.SIGTERM, end)
            if error and not isinstance(error, BrokenPipeError):
                print(f"Standard output could not be written: {error.strerror}", file=sys.stderr)
                raise SystemExit(2)


def nobody_reads():
    """Return whether standard output is a pipe whose reader is gone, so that what is printed is lost."""
    return isinstance(_flush(sys.stdout), BrokenPipeError)


@contextmanager
def exit_on_user_error(program):
    """End the program with the error's sentence and exit code 2; 130 where it was interrupted, 143 by SIGTERM."""
    try:
        yield
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        what = "the disk" if error.filename is None else os.fsdecode(error.filename)
        print(f"{program}: {what}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except (ModuleNotFoundError, ValueError) as error:
        name = (getattr(error, "name", None) or "").partition(".")[0]
        if name in EXTRAS:
            print(f"{program}: needs {name}, not installed here: {install_command(EXTRAS[name])}", file=sys.stderr)
            sys.exit(2)
        # What Keras raises where it is first needed: the package is missing, or its own words for an unknown name.
        backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
        if getattr(error, "name", None) != backend and str(error) != f"Unable to import backend : {backend}":
            raise
        rule = f"`KERAS_BACKEND` must be one of {', '.join(BACKENDS)}, and installed"
        print(f"{program}: {rule}. Received: {backend}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as error:
        print(f"\n{program}: {str(error) or 'interrupted'}", file=sys.stderr)
        sys.exit(143 if isinstance(error, Terminated) else 130)


def quiet_libraries():
    """Asks TensorFlow to be quiet; call before it is imported. What it says all the same `own_terminal` keeps off."""
    os.environ.setdefault(VERBOSITY, "2")
    # Networks of several models are run one after the other on purpose.
    logging.getLogger("tensorflow").addFilter(_no_retracing)


def _no_retracing(record):
    return "triggered tf.function retracing" not in record.getMessage()


def _terminate(number, frame):
    raise Terminated


@contextmanager
def _without_chatter():
    """Standard error's file descriptor through `FILTER`, which ends with the process; `sys.stderr` goes past it."""
    if sys.stderr is None or not sys.executable:
        yield
        return
    sys.stderr.flush()
    before = sys.stderr
    terminal = os.fdopen(os.dup(2), "w", 1, before.encoding, before.errors)
    # In a process group of its own Ctrl+C does not end it, and it passes what comes after.
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
        # A process that was started meanwhile and goes on may still write there.
        with suppress(subprocess.TimeoutExpired):
            child.wait(1)


class _Lasting(io.FileIO):
    """A file descriptor that never fails: from the first error on, kept in `error`, what is written is dropped."""

    error = None

    def write(self, data):
        if self.error is None:
            try:
                return super().write(data)
            except OSError as error:
                self.error = error
        return len(data)


def _lasting(stream):
    """A text stream like this one that never fails, neither where it leads nor for a character; itself without a file
    descriptor."""
    try:
        stream.flush()
        raw = _Lasting(stream.fileno(), "w", closefd=False)
    except (AttributeError, OSError, ValueError):
        return stream
    # A name of a file that is no UTF-8 is printed as the bytes that it is.
    errors = "surrogateescape" if stream.encoding.lower() in ("utf-8", "utf8") else "backslashreplace"
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, errors, line_buffering=stream.line_buffering or raw.isatty()
    )


def _flush(stream):
    """What a stream of `_lasting` failed with so far; None for nothing."""
    try:
        stream.flush()
        return stream.buffer.raw.error
    except (AttributeError, OSError, ValueError):
        return None
