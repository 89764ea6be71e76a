"""What the command lines share: no traceback for a person's mistake, no chatter of libraries."""

import inspect
import os
import sys
from contextlib import contextmanager
from unittest.mock import patch

from fer.errors import UserError


@contextmanager
def exit_on_user_error(program):
    """Ends the program with the error's sentence and exit code 2; 130 where it was interrupted."""
    try:
        yield
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"{program}: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"\n{program}: interrupted", file=sys.stderr)
        sys.exit(130)


def quiet_libraries():
    """Keeps TensorFlow's start-up notes off the terminal; call before it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextmanager
def quick_gradio_import():
    """Keeps Gradio 6 from writing a type stub beside each of its component classes while it is imported.

    That parses each source file several times: 45 % of the import (cProfile), of no use to an app that only runs.
    Gradio leaves a class alone whose file is not to be found.
    """
    find_file = inspect.getfile

    def hide_components(thing):
        if type(thing).__name__ == "ComponentMeta":
            raise OSError("no stub wanted")
        return find_file(thing)

    with patch.object(inspect, "getfile", hide_components):
        yield
