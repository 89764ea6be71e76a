"""Write the browser's recognizer as a folder of static files, which any web server can send as they are."""

from pathlib import Path

from fer.documents import to_json
from fer.errors import UserError
from fer.outputs import check_folder, write_text, written_whole
from fer.web.settings import build_settings
from fer.web.vendor import RUNTIME

MODULE, PAGE = Path(__file__).parent / "module", Path(__file__).parent / "index.html"
SETTINGS = "settings.json"
"""Name of the document that the module reads first; its presence makes a folder one of this project."""


def write_site(output, folder="bundled", model=None):
    """Write the module, its runtime, its networks and a page that uses them into a folder.

    Files of the same names are replaced; others stay.

    Args:
        output: folder to write to; made if it is not there.
        folder: model folder or `bundled`.
        model: what to call the model in answers; by default the folder.

    Returns:
        The number of bytes that were written.

    Raises:
        UserError: for a folder that holds files of something else, or cannot be written to.
        ModelFolderError: for a model folder without a LiteRT file of its weights and calibration.
    """
    output = Path(output)
    check_folder("`FOLDER`", output)
    if output.is_dir() and any(output.iterdir()) and not (output / SETTINGS).is_file():
        raise UserError(f"`FOLDER` must be new, empty, or one that this command wrote. Received: {output}")
    settings, networks = build_settings(folder, model)
    own = [*sorted(MODULE.glob("*.js")), *sorted(path for path in RUNTIME.iterdir() if path.is_file())]
    contents = {str(path.relative_to(MODULE.parent)): path.read_bytes() for path in [PAGE, *own]} | networks
    for name, content in contents.items():
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        with written_whole(output / name) as file:
            file.write_bytes(content)
    write_text(output / SETTINGS, to_json(settings))
    return sum(map(len, contents.values())) + (output / SETTINGS).stat().st_size
