"""Model folder of a training: its weights are measured, exported and described in a card."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fer.errors import UserError
from fer.evaluation.plots import save_curves
from fer.evaluation.report import discard_metrics, save_report
from fer.evaluation.summary import format_metrics
from fer.export.litert_file import write_litert_file
from fer.models.calibration import UNCALIBRATED
from fer.models.config import CONFIG, EXPORTS, load_config
from fer.models.model_folder import FIGURES, METRICS, save_model
from fer.publishing.command import command_to_publish
from fer.publishing.redaction import clean_training, start_repository
from fer.training.facts import describe_training
from fer.training.options import TrainingOptions
from fer.training.small_sets import warn_if_trivial
from fer.training.train import Trained


def write_model_folder(trained: Trained, program: str, tell: Callable[[str], object]) -> str:
    """Write the model folder of a training: weights, configuration, metrics, figures, exports and card.

    If a run is resumed that was finished, its weights stay as they are, and so do its calibration and metrics, which
    may be those of `fer calibrate`.

    Args:
        trained: result of the training.
        program: program of the command line that is published, such as `python train.py`.
        tell: function that gets a text on what was measured, and on each part that is not written.

    Returns:
        A warning if the model is no better than answering the most frequent class every time; "" otherwise.
    """
    options = trained.plan.options
    folder = options.output
    earlier = load_config(folder) if (folder / CONFIG).exists() else None
    save_model(folder, trained.network, _configure(trained, program, earlier))
    warning = _measure(trained, earlier, tell)
    save_curves(folder / FIGURES / "curves.png", trained.history)
    write_exports(options, tell)
    write_card(folder, tell)
    return warning


def _configure(trained, program, earlier):
    """Return the configuration of a trained model; `earlier` is that of its folder, or None."""
    repository = start_repository({"start": trained.origins.start_facts})
    command = command_to_publish(trained.plan.options, program, repository)
    training = clean_training(describe_training(trained, command))
    # `fer calibrate` may have chosen a prior since.
    calibration = earlier.calibration if earlier else UNCALIBRATED
    return replace(trained.plan.config, training=training, calibration=calibration)


def _measure(trained, earlier, tell):
    """Calibrate and measure a trained model unless its weights have been measured; return a warning or ""."""
    plan, data, folder = trained.plan, trained.data, trained.plan.options.output
    if earlier and (folder / METRICS).exists():
        if load_config(folder).weights == earlier.weights:
            tell("The run was finished: its calibration and metrics stay.")
            return ""
        tell(discard_metrics(folder))

    def show(metrics):
        tell(format_metrics(metrics))

    metrics = save_report(folder, data.train, data.validation, str(folder), plan.options.data, show=show)
    return warn_if_trivial(metrics, plan, len(data.train))


def write_exports(options: TrainingOptions, tell: Callable[[str], object]) -> None:
    """Write the LiteRT file, and the other exports unless the model is pushed, which writes them itself."""
    try:
        write_litert_file(options.output)
    except UserError as error:  # The model has been written; the message says what is left to do.
        tell(str(error))
    for format in options.export:
        if format != "litert" and not options.push_to_hub:
            from fer.export.convert import export_model

            export_model(options.output, format, options.output / EXPORTS[format])


def write_card(folder: Path, tell: Callable[[str], object]) -> None:
    """Write the model card, if huggingface_hub is installed."""
    if importlib.util.find_spec("huggingface_hub"):
        from fer.publishing.card import save_card

        save_card(folder, folder.as_posix())
    else:
        tell("No card: it needs huggingface_hub, which is not installed here.")
