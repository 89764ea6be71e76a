"""Plots of metrics, as PNG files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fer.outputs import written_whole
from fer.paths import PathLike

DOTS = 120
"""Pixels per inch."""
PAIRED = (3.1, 3)
"""Size in inches of two figures that stand side by side in a model card."""


def save_confusion_matrix(path: PathLike, matrix: Sequence[Sequence[int]], labels: Sequence[str], title: str) -> None:
    """Plot a confusion matrix, each row in percent of its true label.

    Args:
        path: path of the PNG.
        matrix: counts `(classes, classes)`; rows are true classes, columns predicted ones.
        labels: names of the classes.
        title: title of the plot.
    """
    side = 1.8 + 0.48 * len(labels)
    figure = Figure(figsize=(side, side), layout="constrained")
    _draw_confusion_matrix(figure.subplots(), matrix, labels, labels, title)
    _save(figure, path)


def save_confusion_matrices(path: PathLike, metrics: dict[str, Any]) -> None:
    """Plot the confusion matrices of several sets of photos side by side, each row in percent of its true label.

    Args:
        path: path of the PNG.
        metrics: metrics as `fer.evaluation.photos.measure_photos` returns them.
    """
    labels, sets = metrics["labels"], metrics["sets"]
    side = 2.6 + 0.62 * len(labels)
    figure = Figure(figsize=(side * len(sets), side), layout="constrained")
    for axes, (name, row) in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets.items(), strict=True):
        title = f"{name}, {row['n']} photos, balanced {row['all_labels']['balanced_accuracy']:.1%}"
        _draw_confusion_matrix(axes, row["confusion_matrix"], labels, [*labels, "no face"], title)
    _save(figure, path)


def _draw_confusion_matrix(axes, matrix, true, predicted, title):
    """Draw a confusion matrix; `true` and `predicted` are the names of its rows and columns."""
    counts = np.asarray(matrix, float)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(len(predicted)), predicted, rotation=45, ha="right")
    axes.set_yticks(range(len(true)), true)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    for (row, column), share in np.ndenumerate(shares):
        axes.text(column, row, f"{share:.0f}", ha="center", va="center", color="white" if share > 50 else "black")


def save_curves(path: PathLike, history: Sequence[dict[str, float]]) -> None:
    """Plot loss and accuracy of training and validation by epoch.

    Args:
        path: path of the PNG.
        history: dicts with `epoch`, `loss`, `val_loss`, `accuracy`, `val_accuracy`, as `fer.training.fit.fit` returns
            them.
    """
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    epochs = [row["epoch"] + 1 for row in history]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [row[name] for row in history], marker=".", label="training, augmented")
        axes.plot(epochs, [row[f"val_{name}"] for row in history], marker=".", label="validation")
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def save_validation_curves(path: PathLike, histories: dict[str, Sequence[dict[str, float]]]) -> None:
    """Plot the validation accuracy of several runs by epoch.

    Args:
        path: path of the PNG.
        histories: dict of the runs by name, each as `save_curves` takes it.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, history in histories.items():
        axes.plot(
            [row["epoch"] + 1 for row in history], [row["val_accuracy"] for row in history], marker=".", label=name
        )
    axes.set(xlabel="epoch", ylabel="validation accuracy")
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def save_reliability(path: PathLike, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """Plot reliability diagrams before and after calibration; on the diagonal accuracy equals confidence.

    Args:
        path: path of the PNG.
        before, after: bins as `fer.evaluation.metrics.reliability` returns them.
    """
    figure = Figure(figsize=PAIRED, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    for rows, name in ((before, "before calibration"), (after, "after")):
        axes.plot([row["confidence"] for row in rows], [row["accuracy"] for row in rows], marker=".", label=name)
    axes.set(xlabel="top probability", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def save_risk_coverage(path: PathLike, coverages: np.ndarray, accuracies: np.ndarray, chosen: dict[str, Any]) -> None:
    """Plot the selective accuracy over the coverage, with a dot at the chosen threshold.

    Args:
        path: path of the PNG.
        coverages, accuracies: arrays as `fer.evaluation.confidence.risk_coverage` returns them.
        chosen: dict with `coverage` and `accuracy` at the threshold; the accuracy may be None.
    """
    figure = Figure(figsize=PAIRED, layout="constrained")
    axes = figure.subplots()
    axes.plot(coverages, accuracies)
    if chosen["accuracy"] is not None:
        axes.plot(chosen["coverage"], chosen["accuracy"], marker="o", color="black")
    axes.set(xlabel="coverage", ylabel="selective accuracy", xlim=(0, 1), ylim=(None, 1))
    axes.grid(alpha=0.3)
    _save(figure, path)


def _save(figure, path):
    """Write a figure as a PNG."""
    with written_whole(path) as file:
        figure.savefig(file, dpi=DOTS, format="png")
