"""Table and figure of the original experiment, from the model folders of its runs and the results of earlier ones.

The results stand in a JSON file beside the document. So a machine that has made some of the runs only replaces the
rows of these.
"""

import json
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from benchmarks.experiment_plan import PLAN, SCHEDULES, WAYS, Row
from benchmarks.tables import table
from fer.documents import read_text, split_marked
from fer.errors import UserError
from fer.models.config import load_config
from fer.models.model_folder import load_metrics
from fer.outputs import write_json, write_text, written_whole

BEGIN, END = "<!-- experiment:table -->", "<!-- /experiment:table -->"
"""Markers in the document; the text between them is replaced."""
FIGURE = "transfer.png"
"""Name of the figure, beside the document."""
FACTS = ("parameters", "learning_rate", "kept_epoch", "epochs", "seconds")
"""Facts of `fer.models.config.ModelConfig.training` that are kept of a run."""
COSTS = "costs.json"
"""Name of the file with the peak memory of each run in bytes, in the folder of the runs."""
GOAL = 0.88
"""Accuracy that each row of the table should exceed; if not, the row gives a reason."""
STYLES = {
    "head": ("the head alone", "#0072B2", "o", "-"),
    "block": ("head and last block", "#E69F00", "s", "-"),
    "all": ("everything, at a low rate", "#009E73", "^", "-"),
    "scratch": ("from scratch, same pictures", "#000000", "x", "--"),
}
"""Name, colour, marker and line of each way. Colour-blind people can tell the colours of Okabe and Ito (2008)
apart; markers and dashes carry the same information."""


@dataclass(frozen=True)
class Result:
    """Result of a finished run.

    row: `Row` of the plan.
    accuracy: share of right answers on the validation pictures; `interval`: its 95% interval.
    majority: share of the larger class.
    network: its name.
    training: the `FACTS`.
    side: side of the network's input in pixels.
    memory: peak memory of the training process in bytes; 0 if it was not measured.
    """

    row: Row
    accuracy: float
    interval: tuple
    majority: float
    network: str
    training: dict
    side: int
    memory: int

    @property
    def has_learnt(self):
        """Whether the accuracy is significantly above that of always answering the larger class."""
        return self.interval[0] > self.majority


def read_results(runs, is_finished, document):
    """Return the results of the runs of happy and sad by name of the row, in the order of the plan.

    Args:
        runs: folder of the runs. The results of finished ones replace those that stand beside the document.
        is_finished: function that tells whether the run in a folder is finished.
        document: path of the document.

    """
    costs, earlier = _load(runs / COSTS), _load(_results_of(document))
    results = {}
    for row in PLAN:
        if (row.of or row.base) and is_finished(runs / row.name):
            results[row.name] = _read(runs / row.name, row, costs.get(row.name, 0))
        elif row.name in earlier:
            results[row.name] = Result(row, **earlier[row.name])
    return results


def _results_of(document):
    """Return the path of the file with the results, beside the document."""
    return Path(document).with_suffix(".json")


def _load(path):
    """Return the object in a JSON file; an empty one if there is no such file."""
    return json.loads(path.read_text()) if path.exists() else {}


def _read(folder, row, memory):
    config = load_config(folder)
    metrics = load_metrics(folder, "the table")
    majority = max(each["support"] for each in metrics["per_class"].values()) / metrics["n"]
    interval = tuple(metrics["accuracy_interval"])
    facts = {name: config.training[name] for name in FACTS}
    return Result(row, metrics["accuracy"], interval, majority, config.network, facts, config.image_size, memory)


def read_document(document):
    """Return the text of a document around its table, as `fer.documents.MarkedText`.

    Raises:
        UserError: if the document is missing or not UTF-8, or does not hold `BEGIN` and `END` once each.
    """
    parts = split_marked(read_text(document) if document.is_file() else "", BEGIN, END)
    if parts is None:
        raise UserError(f"`--document` must be a file with {BEGIN} and then {END}, each once. Received: {document}")
    return parts


def write_report(document, results):
    """Write the table between the markers of a document, and the results and the figure beside it.

    Args:
        document: path of the Markdown file, as `read_document` takes it.
        results: of `read_results`.
    """
    around = read_document(document)
    records = {
        name: {key: value for key, value in asdict(one).items() if key != "row"} for name, one in results.items()
    }
    write_json(_results_of(document), records)
    parts = [render_rows(results)]
    if curves := group_curves(results):
        save_curves(document.with_name(FIGURE), curves, next(iter(results.values())).majority)
        figure = f"![Accuracy over the number of training pictures, by way of training]({FIGURE})"
        parts += [render_curves(curves), figure]
    content = "\n\n".join(["", *filter(None, parts), ""]) if any(parts) else "\n"
    write_text(document, around.replace(content))


def render_rows(results):
    """Return the Markdown table of the networks that were trained from scratch on all pictures.

    A network has a row once a run of it has finished and has learnt. Standard error lists finished runs that have not.
    """
    lines = []
    for name in dict.fromkeys(row.of for row in PLAN if row.of):
        runs = [one for one in results.values() if one.row.of == name]
        for one in runs:
            if not one.has_learnt:
                text = f"{one.row.name}: {one.accuracy:.1%} is no better than one answer for all; left out."
                print(text, file=sys.stderr)
        if learnt := [one for one in runs if one.has_learnt]:
            lines.append(_render_row(learnt, len(runs)))
    headers = ["network", "input", "parameters", "learning rate", "epoch kept", "minutes", "memory", "accuracy", ""]
    return table(headers, lines) if lines else ""


def _render_row(runs, finished):
    """Return the cells of a network.

    Args:
        runs: its runs that have learnt; the first has the recipe's own seed, if that one has.
        finished: number of its runs, with those that have learnt nothing.
    """
    first, training = runs[0], runs[0].training
    low, high = first.interval
    accuracy = f"{_percent(first.accuracy)} ({100 * low:.1f} to {_percent(high)})"
    values = [one.accuracy for one in runs]
    mean = statistics.mean(values)
    if len(runs) > 1:
        accuracy = (
            f"{_percent(mean)} (mean of {len(runs)} seeds, standard deviation {_percent(statistics.stdev(values))})"
        )
    if finished > len(runs):
        accuracy += f"; {finished - len(runs)} of {finished} seeds learnt nothing"
    missed = mean <= GOAL
    if missed and not first.row.why:
        text = f"{first.row.name}: {mean:.1%} is not above {GOAL:.0%}, and the plan has no reason."
        print(text, file=sys.stderr)
    note = first.row.why or f"not above {_percent(GOAL, 0)}; the reason was not found" if missed else ""
    return [
        first.network,
        f"{first.side} px",
        f"{training['parameters'] / 1e6:.2f} M",
        f"{training['learning_rate']:g}",
        f"{training['kept_epoch']} of {training['epochs']}",
        f"{training['seconds'] / 60:.0f}",
        f"{first.memory / 2**30:.1f} GiB" if first.memory else "not measured",
        accuracy,
        note,
    ]


def _percent(share, digits=1):
    return f"{100 * share:.{digits}f}%"


def group_curves(results):
    """Return the results in nested dicts by base, way and number of pictures.

    A base is left out unless all four ways have results for at least two numbers of pictures.
    """
    curves = {}
    for one in results.values():
        if one.row.base:
            curves.setdefault(one.row.base, {way: {} for way in WAYS})[one.row.way][one.row.pictures] = one
    return {base: ways for base, ways in curves.items() if all(len(points) > 1 for points in ways.values())}


def render_curves(curves):
    """Return a Markdown table of the curves' points, which names those that are no better than one answer for all."""
    lines = []
    for base, ways in curves.items():
        for pictures in SCHEDULES:
            cells = [_render_point(ways[way].get(pictures)) for way in WAYS]
            if any(cells):
                lines.append([base, f"{pictures:,}", *cells])
    return table(["base", "pictures", *(STYLES[way][0] for way in WAYS)], lines)


def _render_point(one):
    if one is None:
        return ""
    return _percent(one.accuracy) if one.has_learnt else "nothing learnt"


def save_curves(path, curves, majority):
    """Plot accuracy over the number of training pictures, one panel per base.

    Args:
        path: path of the PNG.
        curves: of `group_curves`.
        majority: share of the larger class, drawn as a line.
    """
    columns = min(2, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(4.4 * columns + 0.6, 4.0 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    panels = grid.ravel()
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    for axes, (base, ways) in zip(panels, curves.items(), strict=False):
        axes.axhline(100 * majority, color="grey", linestyle=":", linewidth=1)
        axes.text(
            max(SCHEDULES), 100 * majority - 0.4, "always “happy”", color="dimgrey", fontsize=8, ha="right", va="top"
        )
        for way, (name, color, marker, line) in STYLES.items():
            sizes = sorted(ways[way])
            shares = [100 * ways[way][size].accuracy for size in sizes]
            axes.plot(sizes, shares, color=color, marker=marker, linestyle=line, label=name)
        axes.set_xscale("log")
        axes.set_xticks(list(SCHEDULES), [f"{size:,}" for size in SCHEDULES])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel="training pictures, happy and sad", title=base.replace(" from ", ",\nweights from "))
        axes.grid(alpha=0.3)
    for axes in grid[:, 0]:
        axes.set(ylabel="accuracy on validation, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2 * columns)
    with written_whole(path) as file:
        figure.savefig(file, dpi=120, format="png")
