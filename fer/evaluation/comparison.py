"""Comparison of model folders: a table, and a plot of their validation curves."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fer.documents import read_text, split_marked
from fer.errors import UserError
from fer.evaluation.plots import save_validation_curves
from fer.evaluation.summary import CUT_AGAIN
from fer.models.config import WEIGHTS, ModelConfig, load_config
from fer.models.model_folder import find_model, load_metrics, load_model, possible_files, read_history
from fer.outputs import check_outputs, write_text
from fer.paths import StrPath
from fer.recognition.classification import classify

BEGIN, END = "<!-- comparison: begin -->", "<!-- comparison: end -->"
"""Markers around the comparison in a document; the text between them is replaced."""
ROUNDS = 20
"""Number of timed forward passes per network. The networks take turns, so that a busy machine slows all of them."""


@dataclass(frozen=True)
class Contestant:
    """A model to compare.

    name: name of the model folder.
    network: Keras network.
    config: `fer.models.config.ModelConfig`.
    metrics: content of `metrics.json`.
    history: rows as `fer.models.model_folder.read_history` returns them; empty if the folder has none.
    size: size of the weights file in bytes.
    """

    name: str
    network: Any
    config: ModelConfig
    metrics: dict[str, Any]
    history: list[dict[str, float]]
    size: int


def load_contestant(folder: StrPath) -> Contestant:
    """Load a model folder with its metrics and history.

    Raises:
        UserError: if the folder is not valid, or has no metrics.
    """
    path = find_model(folder)
    network, config = load_model(folder)
    metrics = load_metrics(path, "a comparison")
    return Contestant(path.name, network, config, metrics, read_history(path), (path / WEIGHTS).stat().st_size)


def count_multiply_adds(network: Any) -> int:
    """Count the multiply-adds of one forward pass of one face, in convolutions and dense layers."""
    from keras import layers

    total = 0
    for layer in network.layers:
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
            total += math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
        elif isinstance(layer, layers.Dense):
            total += math.prod(layer.kernel.shape)
    return total


def measure_seconds(networks: Sequence[Any]) -> np.ndarray:
    """Return the median seconds of each network's forward pass of one face, over `ROUNDS` rounds after two warm-ups."""
    crops = [np.zeros((1, *network.input_shape[1:3]), np.uint8) for network in networks]
    times = np.empty((ROUNDS + 2, len(networks)))
    for row in times:
        for index, (network, crop) in enumerate(zip(networks, crops, strict=True)):
            started = time.perf_counter()
            classify(network, crop)
            row[index] = time.perf_counter() - started
    return np.median(times[2:], axis=0)


def render_table(contestants: Sequence[Contestant], seconds: np.ndarray) -> str:
    """Return the comparison as a Markdown table; `seconds` is the result of `measure_seconds`."""
    lines = [
        "| model | network | input | classes | parameters | multiply-adds | weights | epochs of the last run "
        "| its training | accuracy | balanced accuracy | ECE | time per face |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one, duration in zip(contestants, seconds, strict=True):
        training, metrics = one.config.training, one.metrics
        cells = [
            one.name,
            one.config.network,
            f"{one.config.image_size} px",
            ", ".join(one.config.labels) if len(one.config.labels) < 4 else str(len(one.config.labels)),
            f"{one.network.count_params() / 1e6:.2f} M",
            f"{count_multiply_adds(one.network) / 1e6:.0f} M",
            f"{one.size / 1e6:.1f} MB",
            str(training["epochs"]),
            f"{training['seconds'] / 60:.1f} min",
            f"{metrics['accuracy']:.1%}",
            f"{metrics['balanced_accuracy']:.1%}",
            f"{metrics['ece']:.1%}",
            f"{1000 * duration:.1f} ms",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def describe_pictures(contestants: Sequence[Contestant]) -> str:
    """Return sentences on models that were measured on different pictures, or may have seen them; "" if none were.

    The digest of pictures depends on the size to which they were scaled, so only digests of one size are compared;
    between sizes the classes, their numbers of pictures and the name of the data set are.
    """
    warning = " ".join(f"{one.name}: {CUT_AGAIN}" for one in contestants if one.metrics.get("cut_again"))
    digests = {(one.config.image_size, one.metrics.get("data_sha256")) for one in contestants}
    counts = {tuple((name, row["support"]) for name, row in one.metrics["per_class"].items()) for one in contestants}
    names = {(one.metrics.get("data") or {}).get("name") for one in contestants}
    sizes = {size for size, _ in digests}
    if len(digests) == len(sizes) and len(counts) == 1 and (len(sizes) == 1 or len(names) == 1):
        return warning
    sets = [(one.name, one.metrics["n"], one.metrics.get("data") or {"name": "FER2013"}) for one in contestants]
    measured = "; ".join(f"{name} on {count} of {data['name']}" for name, count, data in sets)
    return f"The accuracies were not measured on the same pictures: {measured}. {warning}".rstrip()


def save_comparison(folders: Sequence[StrPath], output: StrPath, show: Callable[[str], None]) -> None:
    """Write a comparison of models into a Markdown document, and a plot of validation curves into a PNG beside it.

    Args:
        folders: paths of model folders, or `bundled`.
        output: path of the document. In an existing document the text between `BEGIN` and `END` is replaced. A device
            or a pipe gets the document without the PNG.
        show: function that gets the table before anything is written.

    Raises:
        UserError: if a folder is not valid, if the document lacks the markers or is not UTF-8, or if there is a PNG of
            the same name that the document does not show.
        OutputError: if a file cannot be written.
    """
    output = Path(output)
    paths = [find_model(folder) for folder in folders]
    is_document = output.is_file() or not output.exists()
    plot = output.with_suffix(".png") if is_document else None
    read = [file for path in paths for file in possible_files(path)]
    check_outputs({"`--output`": output, "The figure beside `--output`": plot}, read)
    for path in paths:
        _check_facts(path)
    document = _read_document(output, plot)
    contestants = _name_apart([load_contestant(folder) for folder in folders], paths)
    table = render_table(contestants, measure_seconds([one.network for one in contestants]))
    if note := describe_pictures(contestants):
        table += f"\n\n{note}"
    show(table)
    image = ""
    curves = {one.name: one.history for one in contestants if one.history}
    if curves and plot:
        save_validation_curves(plot, curves)
        image = f"\n![Validation accuracy of the runs by epoch]({plot.name})\n"
    write_text(output, document.replace(f"\n\n{table}\n{image}\n"))


def _name_apart(contestants, paths):
    """Return contestants, those of the same name with as many of the folders above in it as tell them apart."""
    names = [one.name for one in contestants]
    parts = [path.resolve().parts for path in paths]
    for above in range(2, max(map(len, parts))):
        seen = Counter(names)
        names = ["/".join(each[-above:]) if seen[name] > 1 else name for name, each in zip(names, parts, strict=True)]
    return [replace(one, name=name) for one, name in zip(contestants, names, strict=True)]


def _check_facts(path):
    """Raise a `UserError` unless a model folder has all facts that the table needs."""
    config, metrics = load_config(path), load_metrics(path, "a comparison")
    missing = [key for key in ("epochs", "seconds") if key not in config.training]
    missing += [key for key in ("n", "accuracy", "balanced_accuracy", "ece", "per_class") if key not in metrics]
    if missing:
        raise UserError(f"{path.name}: a comparison needs {', '.join(missing)}, which the model folder lacks.")


def _read_document(output, plot):
    """Return the text of a document around the comparison, as `MarkedText`; that of a new one if it does not exist.

    Args:
        output: path of the document.
        plot: path of the PNG beside it; None if there will be none.

    Raises:
        UserError: if the document lacks the markers or is not UTF-8, or if the PNG exists and the document does not
            show it.
    """
    text = read_text(output) if output.is_file() else f"# Comparison\n\n{BEGIN}\n{END}\n"
    document = split_marked(text, BEGIN, END)
    if document is None:
        raise UserError(f"{output}: the document must hold {BEGIN} and then {END}, each once.")
    if plot and plot.exists() and f"({plot.name})" not in text:
        raise UserError(f"{plot}: the document does not show this file, which its figure would replace.")
    return document
