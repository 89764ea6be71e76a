"""`model.tflite` in a model folder: training, calibration and publishing end with one of the folder's own weights."""

from pathlib import Path

from fer.errors import UserError
from fer.models.config import EXPORTS, load_config
from fer.models.conversion import find_backend, find_missing, run_export
from fer.models.exports import export_command, judge_export
from fer.models.model_folder import find_model
from fer.resources import install_command


def write_litert_file(folder):
    """Write the LiteRT file of a model folder, unless the one there is of its weights and calibration.

    Keras converts in this process where it runs on TensorFlow, otherwise in a process of its own. Weights that were
    float16 in the file before are float16 again.

    Args:
        folder: model folder or `bundled`.

    Raises:
        UserError: if it cannot be made here, with the command that makes it elsewhere.
    """
    folder = find_model(folder)
    if judge_export(folder, "litert")[0]:
        return
    file, before = Path(folder, EXPORTS["litert"]), load_config(folder)[0].exports.get("litert")
    quantize = bool(before and before.quantized)
    if missing := find_missing():
        raise UserError(
            f"{file}: not written, since it needs {', '.join(missing)}, not installed here "
            f"({install_command('train')}). Where they are: {export_command(folder, 'litert')}"
        )
    if find_backend() == "tensorflow":
        # Needs LiteRT, without which a model can still be trained.
        from fer.export.convert import export_model

        export_model(folder, "litert", file, quantize)
    else:
        run_export(folder, file, quantize)
