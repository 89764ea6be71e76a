"""Plots of metrics, as PNG files."""

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from fer.errors import one_line
from fer.outputs import written_whole
from fer.paths import StrPath

DOTS = 120
"""Pixels per inch."""
PAIRED = (3.1, 3)
"""Size in inches of two figures that stand side by side in a model card."""
BOXES = "Last Resort"
"""Beginning of the name of matplotlib's font that has a box for every letter."""


@contextmanager
def fonts_for(path: StrPath, texts: Iterable[str]) -> Iterator[None]:
    """Draw in fonts that have the letters of all texts, and say so if no installed font has them.

    Args:
        path: path of the figure, for the sentence.
        texts: texts in the figure that are not this project's.
    """
    families, letters = list(rcParams["font.family"]), filter(str.isprintable, "".join(texts))
    missing = set(map(ord, letters)) - _list_letters(findfont(FontProperties()))
    upright = {font.name: font.fname for font in fontManager.ttflist if (font.style, font.weight) == ("normal", 400)}
    for family, file in sorted(upright.items()):
        if missing and not family.startswith(BOXES) and (found := missing & _list_letters(file)):
            families.append(family)
            missing -= found
    if missing:
        boxes = f"no installed font has {' '.join(map(chr, sorted(missing)))}, so boxes stand for them"
        print(one_line(f"{path}: {boxes}; Noto's fonts have the letters of most languages."), file=sys.stderr)
    with rc_context({"font.family": families}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield


@cache
def _list_letters(file):
    """Return the code points that the file of a font has."""
    return set(get_font(file).get_charmap())


def save_confusion_matrix(path: StrPath, matrix: Sequence[Sequence[int]], labels: Sequence[str], title: str) -> None:
    """Plot a confusion matrix, each row in percent of its true label.

    Args:
        path: path of the PNG.
        matrix: counts `(classes, classes)`; rows are true classes, columns predicted ones.
        labels: names of the classes.
        title: title of the plot.
    """
    side = 1.8 + 0.48 * len(labels)
    with fonts_for(path, labels):
        figure = Figure(figsize=(side, side), layout="constrained")
        _draw_confusion_matrix(figure.subplots(), matrix, labels, labels, title)
        _save(figure, path)


def save_confusion_matrices(path: StrPath, metrics: dict[str, Any]) -> None:
    """Plot the confusion matrices of several sets of photos side by side, each row in percent of its true label.

    Args:
        path: path of the PNG.
        metrics: metrics as `fer.evaluation.photos.measure_photos` returns them.
    """
    labels, sets = metrics["labels"], metrics["sets"]
    side = 2.6 + 0.62 * len(labels)
    with fonts_for(path, [*labels, *sets]):
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


def save_curves(path: StrPath, history: Sequence[dict[str, float]]) -> None:
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


def save_validation_curves(path: StrPath, histories: dict[str, Sequence[dict[str, float]]]) -> None:
    """Plot the validation accuracy of several runs by epoch.

    Args:
        path: path of the PNG.
        histories: dict of the runs by name, each as `save_curves` takes it.
    """
    with fonts_for(path, histories):
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


def save_reliability(path: StrPath, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
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


def save_risk_coverage(path: StrPath, coverages: np.ndarray, accuracies: np.ndarray, chosen: dict[str, Any]) -> None:
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
