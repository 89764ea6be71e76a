"""Write the browser's recognizer as a folder of static files, which any web server can send as they are."""

import json
from pathlib import Path

from fer.documents import to_json
from fer.errors import UserError
from fer.outputs import check_folder, is_new_or_empty, written_whole
from fer.paths import StrPath
from fer.web.settings import build_settings
from fer.web.vendor import RUNTIME

MODULE, PAGE = Path(__file__).parent / "module", Path(__file__).parent / "index.html"
"""Paths of the folder of the JavaScript module, and of the page that uses it."""
SETTINGS = "settings.json"
"""Name of the settings file, which the module reads first."""


def write_site(output: StrPath, folder: StrPath = "bundled", model: str | None = None) -> int:
    """Write the module, its runtime, its networks and a page that uses them into a folder.

    Files of the same names are replaced; other files are kept.

    Args:
        output: path of the folder, which is created if it does not exist.
        folder: path of a model folder, or `bundled`.
        model: name of the model in answers; by default that of the folder.

    Returns:
        The number of bytes that were written.

    Raises:
        UserError: if the output contains other files, or cannot be written to.
        ModelFolderError: if the model folder has no LiteRT file that belongs to its weights and calibration.
    """
    output = Path(output)
    check_folder("`FOLDER`", output)
    if not is_new_or_empty(output) and not _is_site(output):
        raise UserError(f"`FOLDER` must be new, empty, or one that this command wrote. Received: {output}")
    settings, networks = build_settings(folder, model)
    own = [*sorted(MODULE.glob("*.js")), *sorted(path for path in RUNTIME.iterdir() if path.is_file())]
    # The settings come first: by them, a call that is repeated after a failure knows the folder. The page comes last.
    contents = {SETTINGS: to_json(settings).encode(errors="backslashreplace")} | networks
    contents |= {str(path.relative_to(MODULE.parent)): path.read_bytes() for path in [*own, PAGE]}
    for name, content in contents.items():
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        with written_whole(output / name) as file:
            file.write_bytes(content)
    return sum(map(len, contents.values()))


def _is_site(folder):
    """Return whether `write_site` wrote a folder: whether its settings have the parts of `build_settings`."""
    try:
        settings = json.loads((folder / SETTINGS).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(settings, dict) and {"model", "networks", "runtime"} <= settings.keys()
