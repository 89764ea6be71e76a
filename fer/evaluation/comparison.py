"""Comparison of model folders: one table, one figure."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer.errors import UserError
from fer.evaluation.plots import save_validation_curves
from fer.models.config import WEIGHTS, load_config
from fer.models.model_folder import find_model, list_files, load_metrics, load_model
from fer.outputs import check_outputs, write_text
from fer.recognition.classification import classify

BEGIN, END = "<!-- comparison: begin -->", "<!-- comparison: end -->"
"""Markers in a document around the comparison, which is replaced each time."""
ROUNDS = 20
"""Timed forward passes per network; the networks take turns, so that other work of the machine slows all alike."""


@dataclass(frozen=True)
class Contestant:
    """A model to compare.

    name: name of its folder.
    network: Keras network.
    config: `fer.models.config.ModelConfig`.
    metrics: content of its `metrics.json`.
    history: rows as `fer.models.model_folder.read_history` returns them; empty if the folder has none.
    size: size of its weights file in bytes.
    """

    name: str
    network: object
    config: object
    metrics: dict
    history: list
    size: int


def load_contestant(folder):
    """Load a model folder with its metrics and history.

    Raises:
        UserError: if the folder does not fit, or has no metrics.
    """
    from fer.models.model_folder import read_history

    path = find_model(folder)
    network, config = load_model(folder)
    metrics = load_metrics(path, "a comparison")
    return Contestant(path.name, network, config, metrics, read_history(path), (path / WEIGHTS).stat().st_size)


def count_multiply_adds(network):
    """Count the multiply-adds of one forward pass of one face, in convolutions and dense layers."""
    from keras import layers

    total = 0
    for layer in network.layers:
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
            total += math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
        elif isinstance(layer, layers.Dense):
            total += math.prod(layer.kernel.shape)
    return total


def measure_seconds(networks):
    """Return the median seconds of each network's forward pass of one face, over `ROUNDS` rounds after two warm-ups."""
    crops = [np.zeros((1, *network.input_shape[1:3]), np.uint8) for network in networks]
    times = np.empty((ROUNDS + 2, len(networks)))
    for row in times:
        for index, (network, crop) in enumerate(zip(networks, crops, strict=True)):
            started = time.perf_counter()
            classify(network, crop)
            row[index] = time.perf_counter() - started
    return np.median(times[2:], axis=0)


def render_table(contestants, seconds):
    """Render the comparison as a Markdown table; `seconds` are those of `measure_seconds`."""
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
    """Write a comparison of models into a Markdown document, and their validation curves into a PNG beside it.

    Args:
        folders: model folders, or `bundled`.
        output: path of the document. In an existing document the text between `BEGIN` and `END` is replaced. A device
            or a pipe gets the document without the PNG.
        show: function that is called with the table before anything is written.

    Raises:
        UserError: if a folder does not fit, if the document lacks the markers, or if there is a PNG of the same name
            that the document does not show.
        OutputError: if a file cannot be written.
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
