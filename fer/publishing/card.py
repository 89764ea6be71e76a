"""The model card: data for the Hub, and prose rendered from a model folder's own figures."""

import re
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, StrictUndefined, UndefinedError

from fer.errors import UserError
from fer.models.config import load_config
from fer.models.exports import list_exports
from fer.models.model_folder import CARD, load_metrics
from fer.models.provenance import clean_training
from fer.outputs import write_text
from fer.resources import find_resource

TEMPLATE = find_resource("model_card.md")
"""Path of the card's template, in Jinja."""
NAME = "Facial expression recognition on {}"
"""Title of the card, and name of the model in the Hub's figures, with the name of the data set."""
TAG = "facial-expression-recognition"
"""Tag of every model."""
METRIC_NAMES = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "macro_f1": "Macro F1", "ece": "ECE"}


def render_card(folder, source, exports=None):
    """Return the card of a model folder as Markdown.

    Args:
        folder: model folder with `config.json` and `metrics.json`.
        source: how `fer.hub.client.resolve_model` is to be asked for this model: `bundled`, a folder, or the Hub's
            `OWNER/NAME` with or without `@REVISION`.
        exports: formats (`fer.models.config.EXPORTS`) whose files lie beside the card, which says how to run them; None
            for those of the folder that are of its weights and calibration.

    Raises:
        UserError: if a fact that the card states is missing, or the folder does not fit.
    """
    config, _ = load_config(folder)
    metrics = load_metrics(folder, "a card")
    exports = list_exports(folder) if exports is None else exports
    own = _describe_own(config.training)
    name = own["name"] if own else "FER2013"
    data = ModelCardData(
        license=own["license"] if own else "apache-2.0",
        base_model=_find_base(config.training),
        library_name="keras",
        pipeline_tag="image-classification",
        tags=[TAG] if own else [TAG, "fer2013"],
        model_name=NAME.format(f"own data: {name}" if own else name),
        eval_results=[
            EvalResult(
                task_type="image-classification",
                dataset_type=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "own-data",
                dataset_name=name,
                dataset_split="held-out tenth of train" if own and own["held_out"] else metrics["split"],
                dataset_revision=metrics["data_sha256"],
                metric_type=key,
                metric_name=title,
                metric_value=round(metrics[key], 4),
            )
            for key, title in METRIC_NAMES.items()
        ],
    )
    # Not `ModelCard.from_template`: it renders a missing fact as nothing.
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(TEMPLATE.read_text())
    try:
        return template.render(
            card_data=data.to_yaml(),
            name=data.model_name,
            own=own,
            source=source,
            labels=config.labels,
            image_size=config.image_size,
            network=config.network,
            options=config.options,
            training=config.training,
            earlier=list_earlier(config.training),
            commands=list(dict.fromkeys(list_commands(clean_training(config.training)))),
            metrics=metrics,
            exports=exports,
            quantized=[format for format, record in config.exports.items() if record.quantized],
        )
    except (UndefinedError, TypeError, KeyError) as error:
        raise UserError(f"{folder}: a fact that the card states is missing ({error}).") from None


def _describe_own(training):
    """Return the facts of a data set of one's own for the template, its counts as text; None for FER2013."""
    own = training.get("data")
    if not own:
        return None
    counts = {
        split: ", ".join(f"{count} {label}" for label, count in own[split].items()) for split in ("train", "validation")
    }
    return {**own, **counts}


def _find_base(training):
    """Return the model of the Hub that a training started from, `OWNER/NAME`; None for another or none."""
    name = ((training.get("start") or {}).get("model") or {}).get("name", "")
    return name if "/" in name else None


def list_earlier(training):
    """How the runs before were trained, the first one first; each started from the weights of the one before."""
    earlier = []
    while training := training.get("start"):
        earlier.insert(0, training)
    return earlier


def list_commands(training):
    """The commands of a run and of all that it builds on, its start and its teachers, each after those it needs."""
    teachers = training.get("teachers") or {"models": []}
    # Teachers of the time before this was kept have no `training`.
    for needed in (training.get("start"), *(teacher.get("training") for teacher in teachers["models"])):
        if needed:
            yield from list_commands(needed)
    yield training["command"]


def save_card(folder, source):
    """Write the card of a model folder to its `README.md`; `source` as in `render_card`."""
    write_text(Path(folder) / CARD, render_card(folder, source))
