"""Ablation study of the training recipe: train a small network with and without each ingredient.

    python -m benchmarks.ablation --data fer2013.zip --votes ferplus.csv --runs runs/ablation --output ablation.md
    python -m benchmarks.ablation --data fer2013.zip --votes ferplus.csv --runs runs/ablation --epochs 36 \
        --train "the recipe, seed 1" "without mixup" --output ablation-36.md

Finished runs in `--runs` are not trained again, so an interrupted command can be repeated. The document has all
finished runs with that number of epochs; docs/results.md has the table for 12 epochs.
"""

import argparse
import json
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.__main__ import describe_machine
from benchmarks.tables import table
from fer.cli.console import quiet_libraries
from fer.documents import to_json
from fer.outputs import check_outputs

STEM, WIDTHS, DEPTH = 32, (32, 64, 96), 1
"""Options of `se_resnet`: an eighth of the bundled network's parameters and multiply-adds."""
PICTURES = 10_000
"""Number of training pictures."""
SEEDS = (1, 2, 3)
"""Seeds of the runs of the unchanged recipe."""
PLAIN = [f"the recipe, seed {seed}" for seed in SEEDS]
"""Names of the runs of the unchanged recipe."""
VOTES = "with soft labels from FER+ votes"
"""Name of the run with soft targets."""
STUDENT = "distilled from the three seeds' networks"
"""Name of the run that is distilled from the networks of `PLAIN`."""
CHANGES = {
    **{name: {"seed": seed} for name, seed in zip(PLAIN, SEEDS, strict=True)},
    "without augmentation": {"augment": False},
    "without label smoothing": {"label_smoothing": 0.0},
    "without mixup": {"mixup": 0.0},
    "without the moving average of the weights": {"average": False},
    VOTES: {"label_smoothing": 0.0},
    STUDENT: {},
}
"""Changes to the recipe with its first seed, by name of the run."""
MIN_DISAGREEMENTS = 10
"""Number of pictures, on which two networks disagree, below which the variance of their difference is corrected."""
TOGETHER = "mean of the three seeds' answers"
"""Name of the row of the ensemble of `PLAIN`."""
PROBABILITIES, SECONDS = "probabilities.npy", "figures.json"
"""File names in the folder of a finished run: the answers on validation, and the seconds of training."""


def main():
    parser = argparse.ArgumentParser("python -m benchmarks.ablation", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="PATH", help="folder, zip or CSV of FER2013")
    parser.add_argument("--votes", required=True, metavar="CSV", help="FER+ votes")
    parser.add_argument("--runs", required=True, metavar="FOLDER", type=Path, help="where finished runs are kept")
    parser.add_argument("--output", required=True, metavar="FILE", type=Path, help="Markdown file to write")
    parser.add_argument("--epochs", type=int, default=12, help="of each run (default: %(default)s)")
    parser.add_argument(
        "--train", nargs="+", default=list(CHANGES), choices=CHANGES, metavar="RUN", help="default: all"
    )
    options = parser.parse_args()
    folders = {name: find_run(options.runs, name, options.epochs) for name in CHANGES}
    missing = [name for name in PLAIN if name not in options.train and not is_finished(folders[name])]
    if STUDENT in options.train and missing:
        parser.error(f"'{STUDENT}' needs them trained. Missing: {', '.join(missing)}")
    check_outputs({"--output": options.output})
    quiet_libraries()

    from fer.data.faces import load_faces
    from fer.data.ferplus import load_votes
    from fer.training.recipes import RECIPES
    from fer.training.targets import soft_targets

    train, validation = load_faces(options.data, "train", limit=PICTURES), load_faces(options.data, "validation")
    votes = load_votes(options.votes, train) if VOTES in options.train else None  # Fails before hours of training.
    recipe = replace(RECIPES["se_resnet"], epochs=options.epochs, seed=SEEDS[0])
    for name, change in CHANGES.items():
        if name in options.train:
            targets = soft_targets(train, votes) if name == VOTES else None
            teachers = PLAIN if name == STUDENT else ()
            run_once(folders, train, validation, name, replace(recipe, **change), targets, teachers)
    finished = {name: read_run(folder) for name, folder in folders.items() if is_finished(folder)}
    options.output.write_text(render(finished, validation, options.epochs), encoding="utf-8")


def build(classes):
    """Build the network of all runs with random weights."""
    from fer.models.networks import build_network

    return build_network("se_resnet", 48, classes, stem=STEM, widths=WIDTHS, depth=DEPTH)


def find_run(runs, name, epochs):
    """Return the path of the folder of a run."""
    return runs / f"{name.replace(' ', '-').replace(',', '')}-{epochs}"


def is_finished(folder):
    """Return whether a run is finished; `SECONDS` is the last file that it writes."""
    return (folder / SECONDS).exists()


def read_run(folder):
    """Return the probabilities of the validation pictures, float32 `(n, classes)`, and the seconds of training."""
    return np.load(folder / PROBABILITIES), json.loads((folder / SECONDS).read_text())["seconds"]


def run_once(folders, train, validation, name, recipe, targets=None, teacher_runs=()):
    """Train a network and save its answers on all validation pictures, unless the run is finished.

    Args:
        folders: folders of all runs, by name.
        train, validation: `fer.data.faces.Faces`.
        name: name of the run.
        recipe: recipe as `fer.training.fit.fit` takes it.
        targets: targets of `fer.training.fit.TrainingData`.
        teacher_runs: names of finished runs, from whose networks this one is distilled.
    """
    import keras

    from fer.models.config import WEIGHTS
    from fer.recognition.classification import classify
    from fer.training.fit import Run, TrainingData, fit

    folder = folders[name]
    if is_finished(folder):
        return
    keras.utils.clear_session()
    keras.utils.set_random_seed(recipe.seed)
    teachers = []
    for teacher_run in teacher_runs:
        teacher = build(len(train.classes))
        teacher.load_weights(folders[teacher_run] / WEIGHTS)
        teacher.trainable = False
        teachers.append(teacher)
    network = build(len(train.classes))
    began = time.monotonic()
    with TemporaryDirectory() as scratch:
        # `fit` needs validation pictures for its log; the accuracy is measured on all of them after the last epoch.
        few = validation.take(np.arange(0, len(validation), 12))
        fit(network, TrainingData(train, few, targets, teachers), recipe, Run(scratch, keep="last"))
    seconds = time.monotonic() - began
    probabilities = classify(network, validation.images[..., 0])
    folder.mkdir(parents=True, exist_ok=True)
    network.save_weights(folder / WEIGHTS)
    np.save(folder / PROBABILITIES, probabilities)
    (folder / SECONDS).write_text(to_json({"seconds": seconds}))
    print(f"{name}: {(probabilities.argmax(1) == validation.labels).mean():.2%}", flush=True)


def render(runs, validation, epochs):
    """Return the document.

    Args:
        runs: results of `read_run` by name of the run.
        validation: `fer.data.faces.Faces`.
        epochs: number of epochs of each run.
    """
    import keras

    from fer.evaluation.metrics import evaluate

    seeds = [name for name in PLAIN if name in runs]
    if len(seeds) == len(PLAIN):
        runs = runs | {TOGETHER: (np.mean([runs[name][0] for name in PLAIN], axis=0), None)}
    correct = {name: probabilities.argmax(1) == validation.labels for name, (probabilities, _) in runs.items()}
    rows = []
    for name, (probabilities, seconds) in runs.items():
        metrics = evaluate(probabilities, validation.labels, validation.classes)
        compared = name not in PLAIN and PLAIN[0] in runs
        change = "{:+.1f} ± {:.1f}".format(*difference(correct[name], correct[PLAIN[0]])) if compared else ""
        cells = [name, f"{metrics['accuracy']:.1%}", change, f"{metrics['nll']:.3f}", f"{metrics['ece']:.1%}"]
        rows.append([*cells, "" if seconds is None else f"{seconds / 60:.1f}"])
    headers = ["", "accuracy", "points to seed 1", "NLL", "ECE", "minutes"]
    widths, parameters = ", ".join(map(str, WIDTHS)), build(len(validation.classes)).count_params()
    spread = ""
    if len(seeds) > 1:
        plain = [100 * correct[name].mean() for name in seeds]
        mean, deviation = np.mean(plain), np.std(plain, ddof=1)
        spread = f"{len(seeds)} seeds of the recipe: {mean:.1f}% ± {deviation:.1f} (mean and standard deviation).\n"
    return f"""\
# The recipe's ingredients, {epochs} epochs

Written by `KERAS_BACKEND={keras.backend.backend()} python -m benchmarks.ablation --data fer2013.zip --votes ferplus.csv
--runs runs/ablation --epochs {epochs}`.

These are small runs, not those of the bundled network: `se_resnet` with stem {STEM}, widths {widths} and {DEPTH} block
per width ({parameters:,} parameters), trained from scratch on {PICTURES:,} training pictures for {epochs} epochs, and
evaluated after the last epoch on all {len(validation):,} validation pictures. All else is the recipe in
`fer/training/recipes.py`.

{table(headers, rows)}

{spread}"Points to seed 1" has the 95% interval of a difference on the same pictures. This interval does not include
the variation between seeds, which a difference has to exceed as well. Measured
on {date.today()} on {describe_machine()}.
"""


def difference(correct, other):
    """Return the difference of two accuracies on the same pictures, in percentage points, and half its 95% interval.

    The variance is that of paired proportions (McNemar, 1947; Agresti, Categorical Data Analysis, section 10.1). If the
    two disagree on fewer than `MIN_DISAGREEMENTS` pictures, the variance would be underestimated, so
    half a picture is added to each of the four cells (Agresti and Min, 2005, "Simple improved confidence intervals for
    comparing matched proportions").

    Args:
        correct, other: bool arrays `(n,)`: whether the answers of each are correct.
    """
    gained = correct.astype(float) - other
    added = 0.5 * (np.count_nonzero(gained) < MIN_DISAGREEMENTS)
    count = len(gained) + 4 * added
    variance = ((gained**2).sum() + 2 * added) / count - (gained.sum() / count) ** 2
    return 100 * gained.mean(), 100 * 1.96 * (variance / count) ** 0.5


if __name__ == "__main__":
    main()
