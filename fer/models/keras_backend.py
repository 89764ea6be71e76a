"""Keras' backend: which one it will use, without importing it, and how networks are compiled with it."""

import json
import os
import sys
from pathlib import Path
from typing import Literal

BACKENDS = ("tensorflow", "jax", "torch")
"""Backends that run the networks here."""


def find_backend() -> str:
    """Return the name of Keras' backend without importing Keras: if it is not loaded yet, its settings decide."""
    if "keras" in sys.modules:
        return sys.modules["keras"].backend.backend()
    settings = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    try:
        configured = json.loads(settings.read_text()).get("backend")
    except (OSError, ValueError, AttributeError):
        configured = None
    return os.environ.get("KERAS_BACKEND") or configured or "tensorflow"


def choose_jit_compile() -> Literal["auto", False]:
    """Return the `jit_compile` of `keras.Model.compile`: Keras' choice with JAX, otherwise False.

    With TensorFlow, XLA compiles for seconds at each new batch size, and TensorFlow's own kernels were 1.3 times as
    fast on a CPU.
    """
    return "auto" if find_backend() == "jax" else False
