"""Model folders side by side: one table, one figure."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer.errors import UserError
from fer.evaluation.plots import save_validation_curves
from fer.models.model_folder import WEIGHTS, find_model, list_files, load_config, load_metrics, load_model
from fer.outputs import check_outputs, write_text
from fer.recognition.classification import classify

BEGIN, END = "<!-- comparison: begin -->", "<!-- comparison: end -->"
"""What is between them in a document is written anew."""
ROUNDS = 20
"""Timed passes of each network; they take turns, so that what else the machine does meets all alike."""


@dataclass(frozen=True)
class Contestant:
    """A model to compare.

    name: of its folder.
    network: Keras network.
    config: `fer.models.model_folder.ModelConfig`.
    metrics: its `metrics.json`.
    history: of `fer.models.model_folder.read_history`; empty where the folder has none.
    size: of its weights in bytes.
    """

    name: str
    network: object
    config: object
    metrics: dict
    history: list
    size: int


def load_contestant(folder):
    """Loads a model folder with its figures.

    Raises:
        UserError: for a folder that does not fit, or has no figures.
    """
    from fer.models.model_folder import read_history

    path = find_model(folder)
    network, config = load_model(folder)
    metrics = load_metrics(path, "a comparison")
    return Contestant(path.name, network, config, metrics, read_history(path), (path / WEIGHTS).stat().st_size)


def count_multiply_adds(network):
    """Multiplications and additions of one face's forward pass, convolutions and dense layers alone."""
    from keras import layers

    total = 0
    for layer in network.layers:
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
            total += math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
        elif isinstance(layer, layers.Dense):
            total += math.prod(layer.kernel.shape)
    return total


def measure_seconds(networks):
    """Median seconds of one face's forward pass, each network in turn, `ROUNDS` times after two to warm up."""
    crops = [np.zeros((1, *network.input_shape[1:3]), np.uint8) for network in networks]
    times = np.empty((ROUNDS + 2, len(networks)))
    for row in times:
        for index, (network, crop) in enumerate(zip(networks, crops, strict=True)):
            started = time.perf_counter()
            classify(network, crop)
            row[index] = time.perf_counter() - started
    return np.median(times[2:], axis=0)


def render_table(contestants, seconds):
    """The comparison in Markdown; `seconds` as `measure_seconds` gives them."""
    lines = [
        "| model | network | input | classes | parameters | multiply-adds | weights | epochs | training | accuracy "
        "| balanced accuracy | ECE | a face |",
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


def save_comparison(folders, output, show):
    """Compares model folders in a Markdown document, and their validation curves in a PNG beside it.

    Args:
        folders: of the models, or `bundled`.
        output: path of the document. If it is there, what stands between `BEGIN` and `END` is replaced and the rest
            stays. A device or a pipe gets the document alone.
        show: a function that is given the table before anything is written.

    Raises:
        UserError: for a folder that does not fit, a document without a place for the comparison, or a PNG of its name
            that it does not show.
        OutputError: for a file that cannot be written.
    """
    output = Path(output)
    paths = [find_model(folder) for folder in folders]
    is_document = output.is_file() or not output.exists()
    picture = output.with_suffix(".png") if is_document else None
    read = [file for path in paths for file in list_files(path)]
    check_outputs({"`--output`": output, "The figure beside `--output`": picture}, read)
    for path in paths:
        config, metrics = load_config(path)[0], load_metrics(path, "a comparison")
        missing = [key for key in ("epochs", "seconds") if key not in config.training]
        missing += [key for key in ("accuracy", "balanced_accuracy", "ece") if key not in metrics]
        if missing:
            raise UserError(f"{path.name}: a comparison needs {', '.join(missing)}, which the model folder lacks.")
    document = f"# Comparison\n\n{BEGIN}\n{END}\n"
    if output.is_file():
        document = output.read_text(encoding="utf-8")
    if document.count(BEGIN) != 1 or document.count(END) != 1 or document.index(BEGIN) > document.index(END):
        raise UserError(f"{output}: the document must hold {BEGIN} and then {END}, each once.")
    if picture and picture.exists() and f"({picture.name})" not in document:
        raise UserError(f"{picture}: the document does not show this file, which its figure would replace.")
    contestants = [load_contestant(folder) for folder in folders]
    table = render_table(contestants, measure_seconds([one.network for one in contestants]))
    show(table)
    figure = ""
    curves = {one.name: one.history for one in contestants if one.history}
    if curves and picture:
        save_validation_curves(picture, curves)
        figure = f"\n![Validation accuracy of the runs by epoch]({picture.name})\n"
    before, after = document.split(BEGIN)[0], document.split(END)[1]
    write_text(output, f"{before}{BEGIN}\n\n{table}\n{figure}\n{END}{after}")
