"""The LiteRT file of a model folder, which training, calibration and publishing write if it is missing or outdated."""

from pathlib import Path

from fer.errors import UserError
from fer.models.config import EXPORTS, load_config
from fer.models.conversion import run_export
from fer.models.exports import describe_missing, export_command, judge_export
from fer.models.keras_backend import find_backend
from fer.models.model_folder import find_model
from fer.paths import StrPath


def write_litert_file(folder: StrPath) -> None:
    """Write the LiteRT file of a model folder, unless the folder has one that fits its weights and calibration.

    If Keras runs on TensorFlow, this process converts the model, otherwise a child process does. The file is quantized
    to float16 if the earlier file was.

    Args:
        folder: path of a model folder, or `bundled`.

    Raises:
        UserError: if the model cannot be converted here; the message gives the command to run elsewhere.
    """
    folder = find_model(folder)
    if judge_export(folder, "litert")[0]:
        return
    file, earlier = Path(folder, EXPORTS["litert"]), load_config(folder).exports.get("litert")
    quantize = bool(earlier and earlier.quantized)
    if missing := describe_missing("litert"):
        raise UserError(
            f"{file}: not written, since it needs {missing}. Where they are: {export_command(folder, 'litert')}"
        )
    if find_backend() == "tensorflow":
        # Imported here: training uses this module, and also runs where LiteRT is not installed.
        from fer.export.convert import export_model

        export_model(folder, "litert", file, quantize)
    else:
        run_export(folder, file, quantize)
