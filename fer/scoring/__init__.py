"""Scoring: recognize the faces of very many pictures on Ray."""

import importlib.util

from fer.errors import UserError
from fer.resources import install_command

# Ray itself is imported later, in `cluster`: it reads its settings from the environment at import.
if not (importlib.util.find_spec("ray") and importlib.util.find_spec("pyarrow")):
    raise UserError(f"Scoring needs ray[data], not installed here: {install_command('scale')}")
