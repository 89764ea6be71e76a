"""Very many pictures on Ray."""

import importlib.util

from fer.errors import UserError
from fer.resources import install_command

# Ray itself is imported later: it reads its settings when it is.
if not (importlib.util.find_spec("ray") and importlib.util.find_spec("pyarrow")):
    raise UserError(f"Scoring needs ray[data], not installed here: {install_command('scale')}")
