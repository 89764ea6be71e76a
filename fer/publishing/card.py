"""The model card: metadata for the Hub, and a text with the metrics of the model folder."""

import re
import textwrap
import tomllib
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, StrictUndefined, UndefinedError

from fer.data.facts import is_same_data
from fer.detection.blazeface import MIN_CONFIDENT_SCORE
from fer.errors import UserError
from fer.evaluation.summary import CUT_AGAIN
from fer.models.calibration import MIN_ERRORS
from fer.models.config import EXPORTS, load_config
from fer.models.exports import list_exports
from fer.models.model_folder import CARD, find_model, load_metrics
from fer.outputs import write_text
from fer.paths import StrPath, last_part
from fer.publishing.lineage import (
    OWN_LICENSE,
    find_license,
    list_bases,
    list_commands,
    list_data,
    list_earlier,
    list_licenses,
)
from fer.publishing.redaction import clean_training
from fer.publishing.space_card import TAG
from fer.resources import find_resource

TEMPLATE = find_resource("model_card.md")
"""Path of the template of the card, in Jinja."""
NAME = "{}: facial expressions ({}, trained on {})"
"""Title of the card, and name of the model in its metadata: the model's name, its network, and its data set."""
RESULTS = ("accuracy", "balanced_accuracy", "ece")
"""Keys of the metrics that the metadata has too."""
OPTIONAL = {
    "photos": "the accuracy on whole photos",
    "end_to_end": "the end-to-end accuracy in larger pictures",
    "agreement": "how far people agree on the pictures",
}
"""Texts for what a card reports as not measured, by the key of `metrics.json` that is then missing or None."""
WIDTH = 128
"""Characters per line of the card's paragraphs."""


def render_card(folder: StrPath, source: str, exports: Sequence[str] | None = None) -> str:
    """Return the card of a model folder as Markdown.

    Args:
        folder: path of a model folder with `config.json` and `metrics.json`.
        source: name by which `fer.Recognizer.load` finds this model: `bundled`, a folder, `OWNER/NAME` or
            `OWNER/NAME@REVISION`.
        exports: formats of the exports that are published with the card, keys of `fer.models.config.EXPORTS`; None for
            the valid ones of the folder. The card says how to run them.

    Raises:
        UserError: if a fact that the card needs is missing, or the folder is not valid.
    """
    config = load_config(folder)
    metrics = load_metrics(folder, "a card")
    exports = list_exports(folder) if exports is None else exports
    own = _write_counts(config.training.get("data"))
    # Earlier versions did not record in the metrics which data were measured.
    measured = _write_counts(metrics["data"]) if "data" in metrics else own
    # Not `ModelCard.from_template`, which renders a missing fact as an empty text.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters |= {"wrap": _wrap, "item": _wrap_item}
    environment.filters |= {"percent": _format_percent, "interval": _format_interval, "minutes": _format_minutes}
    environment.filters |= {"listed": _format_list, "count": "{:,}".format}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    try:
        data = _describe(source, config, metrics, own, measured)
        return template.render(
            card_data=data.to_yaml(),
            name=data.model_name,
            own=own,
            measured=measured,
            elsewhere=not is_same_data(own, measured, metrics["data_sha256"]),
            cut_again=CUT_AGAIN if metrics.get("cut_again") else "",
            same_name=bool(own and measured) and own["name"] == measured["name"],
            license=find_license(config.training),
            licenses=sorted(filter(None, list_licenses(config.training))),
            own_license=OWN_LICENSE,
            others=[name for name in list_data(config.training) if not own or name != own["name"]],
            source=source,
            address=find_project_address(),
            document=_link("docs/training.md" if own else "docs/results.md", source),
            labels=config.labels,
            image_size=config.image_size,
            network=config.network,
            options=config.options,
            training=config.training,
            earlier=list_earlier(config.training),
            commands=list(dict.fromkeys(list_commands(clean_training(config.training)))),
            metrics=metrics,
            min_confident_score=MIN_CONFIDENT_SCORE,
            min_errors=MIN_ERRORS,
            missing=[text for key, text in OPTIONAL.items() if not metrics.get(key)],
            exports=exports,
            files=[f"`{EXPORTS[format]}`" for format in exports],
            quantized=[format for format, record in config.exports.items() if record.quantized],
        )
    except (UndefinedError, TypeError, KeyError) as error:
        raise UserError(f"{folder}: a fact that the card states is missing ({error}).") from None


def find_project_address() -> str | None:
    """Return the address of the project, `Repository` under `[project.urls]` in `pyproject.toml`; None without one."""
    project = tomllib.loads(find_resource("pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository")


def _link(path, source):
    """Return a link to a document of the project, or its path where there is nothing to link to.

    Args:
        path: path of the document below the top of the repository.
        source: as in `render_card`.
    """
    if address := find_project_address():
        return f"[{path}]({address}/blob/main/{path})"
    return f"[{path}](../../../{path})" if source == "bundled" else f"`{path}` in the project"


def _wrap(text, first=""):
    """Return a paragraph of Markdown in lines of at most `WIDTH` characters; the first one begins with `first`."""
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _wrap_item(text):
    """Return an item of a Markdown list with lines of at most `WIDTH` characters."""
    return _wrap(text, "- ")


def _format_percent(share):
    """Return a share, 0-1, in whole percent, as its interval on thousands of pictures is wider; "none" for None."""
    return "none" if share is None else f"{share:.0%}"


def _format_interval(interval):
    """Return an interval of shares, 0-1, in whole percent."""
    low, high = interval
    return f"{100 * low:.0f}–{high:.0%}"


def _format_minutes(seconds):
    """Return a time in whole minutes."""
    return f"{seconds / 60:.0f}"


def _format_list(values):
    """Return values as a list in a sentence: "1, 2 and 3"."""
    *others, last = map(str, values)
    return f"{', '.join(others)} and {last}" if others else last


def _describe(source, config, metrics, own, measured):
    """Return the metadata of the card, with the content of `metrics.json` as evaluation results.

    Args:
        source: as in `render_card`.
        config: `fer.models.config.ModelConfig`.
        metrics: content of `metrics.json`.
        own, measured: facts of the data that the model was trained and measured on; None for FER2013.
    """
    folder = find_model(source)
    model = folder.resolve().name if folder.is_dir() else last_part(source.partition("@")[0])
    trained, name = (facts["name"] if facts else "FER2013" for facts in (own, measured))
    bases = list_bases(config.training)
    return ModelCardData(
        language="en",  # Of the labels.
        license=find_license(config.training),
        base_model=bases if len(bases) > 1 else next(iter(bases), None),
        datasets=None if list_data(config.training) else ["fer2013"],
        library_name="keras",
        pipeline_tag="image-classification",
        tags=[TAG] if own else [TAG, "fer2013"],
        model_name=NAME.format(model, config.network, f"own data: {trained}" if own else trained),
        eval_results=[
            EvalResult(
                task_type="image-classification",
                dataset_type=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "own-data",
                dataset_name=name,
                dataset_split=_name_split(metrics, measured),
                dataset_revision=metrics["data_sha256"],
                metric_type=key,
                metric_value=round(metrics[key], 4),
            )
            for key in RESULTS
        ],
    )


def _name_split(metrics, measured):
    """Return the name of the split that was measured, for the metadata; arguments as in `_describe`."""
    if metrics.get("cut_again"):
        return "tenth of train, held out after training"
    return "held-out tenth of train" if measured and measured["held_out"] else metrics["split"]


def _write_counts(data):
    """Return the facts of `fer.data.facts.describe_data` with the counts of each split as text; None for FER2013."""
    if not data:
        return None
    counts = {split: value for split, value in data.items() if isinstance(value, dict)}
    return data | {
        split: ", ".join(f"{count} {label}" for label, count in value.items()) for split, value in counts.items()
    }


def save_card(folder: StrPath, source: str) -> None:
    """Write the card of a model folder to its `README.md`; `source` as in `render_card`."""
    write_text(Path(folder) / CARD, render_card(folder, source))
