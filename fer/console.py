"""What the command lines share: no traceback for a person's mistake, no chatter of libraries."""

import os
import sys
from contextlib import contextmanager

from fer.errors import UserError

BACKENDS = ("tensorflow", "jax", "torch")
"""Keras' backends that train."""


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
    except (ModuleNotFoundError, ValueError) as error:
        # What Keras raises where it is first needed: the package is missing, or its own words for an unknown name.
        backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
        if getattr(error, "name", None) != backend and str(error) != f"Unable to import backend : {backend}":
            raise
        rule = f"`KERAS_BACKEND` must be one of {', '.join(BACKENDS)}, and installed"
        print(f"{program}: {rule}. Received: {backend}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"\n{program}: interrupted", file=sys.stderr)
        sys.exit(130)


def quiet_libraries():
    """Keeps TensorFlow's start-up notes off the terminal; call before it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
