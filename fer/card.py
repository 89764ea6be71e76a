"""The model card: data for the Hub, and prose rendered from a model folder's own figures."""

import json
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, StrictUndefined, UndefinedError

from fer.errors import UserError
from fer.model_folder import METRICS, load_config

TEMPLATE = Path(__file__).parents[1] / "model_card.md"
CARD = "README.md"
METRIC_NAMES = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "macro_f1": "Macro F1", "ece": "ECE"}


def render_card(folder, name="Facial expression recognition on FER2013"):
    """The card of a model folder as Markdown.

    Args:
        folder: model folder with `config.json` and `metrics.json`.
        name: title of the card and name of the model in the Hub's figures.

    Raises:
        UserError: if a fact that the card states is missing, or the folder does not fit.
    """
    config, _ = load_config(folder)
    metrics = json.loads((Path(folder) / METRICS).read_text())
    data = ModelCardData(
        license="apache-2.0",
        library_name="keras",
        pipeline_tag="image-classification",
        tags=["facial-expression-recognition", "fer2013"],
        model_name=name,
        eval_results=[
            EvalResult(
                task_type="image-classification",
                dataset_type="fer2013",
                dataset_name="FER2013",
                dataset_split=metrics["split"],
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
            name=name,
            labels=config.labels,
            image_size=config.image_size,
            network=config.network,
            training=config.training,
            metrics=metrics,
        )
    except (UndefinedError, TypeError) as error:
        raise UserError(f"{folder}: a fact that the card states is missing ({error}).") from None


def save_card(folder):
    """Writes the card of a model folder to its `README.md`."""
    (Path(folder) / CARD).write_text(render_card(folder))
