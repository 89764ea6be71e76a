"""What each ingredient of the recipe is worth: a small network trained with and without it, as docs/ablation.md.

    python -m benchmarks.ablation --data fer2013.zip --votes ferplus.csv --runs runs/ablation --output docs/ablation.md
    python -m benchmarks.ablation --data fer2013.zip --votes ferplus.csv --runs runs/ablation --epochs 36 \
        --train "the recipe, seed 1" "without mixup" --output docs/ablation-36.md

What is finished in `--runs` is not trained again, so that an interrupted command goes on, but for the run it was in.
The document has all runs of that length that are finished.
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

STEM, WIDTHS, DEPTH = 32, (32, 64, 96), 1
"""Of `se_resnet`: an eighth of the bundled network's parameters and multiply-adds."""
PICTURES = 10_000
SEEDS = (1, 2, 3)
PLAIN = [f"the recipe, seed {seed}" for seed in SEEDS]
VOTES = "with soft labels from FER+ votes"
STUDENT = "taught by the three seeds' networks"
CHANGES = {
    **{name: {"seed": seed} for name, seed in zip(PLAIN, SEEDS, strict=True)},
    "without augmentation": {"augment": False},
    "without label smoothing": {"label_smoothing": 0.0},
    "without mixup": {"mixup": 0.0},
    "without the moving average of the weights": {"average": False},
    VOTES: {"label_smoothing": 0.0},
    STUDENT: {},
}
"""Of the recipe with its first seed, by what is trained."""
TOGETHER = "mean of the three seeds' answers"
PROBABILITIES, FIGURES = "probabilities.npy", "figures.json"


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
    quiet_libraries()

    from fer.data.fer2013 import load_faces
    from fer.data.ferplus import load_votes
    from fer.training.recipes import RECIPES
    from fer.training.targets import soft_targets

    train, validation = load_faces(options.data, "train", limit=PICTURES), load_faces(options.data, "validation")
    recipe = replace(RECIPES["se_resnet"], epochs=options.epochs, seed=SEEDS[0])
    for name, change in CHANGES.items():
        if name in options.train:
            targets = soft_targets(train, load_votes(options.votes, train.names)) if name == VOTES else None
            taught_by = PLAIN if name == STUDENT else ()
            run_once(folders, train, validation, name, replace(recipe, **change), targets, taught_by)
    finished = {name: read_run(folder) for name, folder in folders.items() if is_finished(folder)}
    options.output.write_text(render(finished, validation, options.epochs), encoding="utf-8")


def build(classes):
    """The network of all runs, with fresh weights."""
    from fer.models.networks import build_network

    return build_network("se_resnet", 48, classes, stem=STEM, widths=WIDTHS, depth=DEPTH)


def find_run(runs, name, epochs):
    """The folder of a run."""
    return runs / f"{name.replace(' ', '-').replace(',', '')}-{epochs}"


def is_finished(folder):
    return (folder / FIGURES).exists()


def read_run(folder):
    """The probabilities of the validation pictures, float32 `(n, classes)`, and the seconds of training."""
    return np.load(folder / PROBABILITIES), json.loads((folder / FIGURES).read_text())["seconds"]


def run_once(folders, train, validation, name, recipe, targets=None, taught_by=()):
    """Trains and measures one network, unless it is there.

    Args:
        folders: of all runs, by name.
        train, validation: `fer.data.fer2013.Faces`; all of the latter are measured on, after the last epoch.
        name: of the run.
        recipe: as `fer.training.fit.fit` takes it.
        targets: of `fer.training.fit.TrainingData`.
        taught_by: names of finished runs whose networks teach this one.
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
    for teacher in taught_by:
        teachers.append(build(len(train.classes)))
        teachers[-1].load_weights(folders[teacher] / WEIGHTS)
        teachers[-1].trainable = False
    network = build(len(train.classes))
    began = time.monotonic()
    with TemporaryDirectory() as scratch:
        # Only the last epoch is measured; Keras' own validation on few pictures keeps the log alive.
        few = validation.take(np.arange(0, len(validation), 12))
        fit(network, TrainingData(train, few, targets, teachers), recipe, Run(scratch, keep="last"))
    seconds = time.monotonic() - began
    probabilities = classify(network, validation.images[..., 0])
    folder.mkdir(parents=True, exist_ok=True)
    network.save_weights(folder / WEIGHTS)
    np.save(folder / PROBABILITIES, probabilities)
    (folder / FIGURES).write_text(to_json({"seconds": seconds}))  # the last: what has it is finished
    print(f"{name}: {(probabilities.argmax(1) == validation.labels).mean():.2%}", flush=True)


def render(runs, validation, epochs):
    """The document of finished runs, `read_run`'s pairs by name."""
    import keras

    from fer.evaluation.metrics import evaluate

    seeds = [name for name in PLAIN if name in runs]
    if len(seeds) == len(PLAIN):
        runs = runs | {TOGETHER: (np.mean([runs[name][0] for name in PLAIN], axis=0), None)}
    right = {name: probabilities.argmax(1) == validation.labels for name, (probabilities, _) in runs.items()}
    rows = []
    for name, (probabilities, seconds) in runs.items():
        figures = evaluate(probabilities, validation.labels, validation.classes)
        compared = name not in PLAIN and PLAIN[0] in runs
        change = "{:+.1f} ± {:.1f}".format(*difference(right[name], right[PLAIN[0]])) if compared else ""
        cells = [name, f"{figures['accuracy']:.1%}", change, f"{figures['nll']:.3f}", f"{figures['ece']:.1%}"]
        rows.append([*cells, "" if seconds is None else f"{seconds / 60:.1f}"])
    headers = ["", "accuracy", "points to seed 1", "NLL", "ECE", "minutes"]
    widths, parameters = ", ".join(map(str, WIDTHS)), build(len(validation.classes)).count_params()
    spread = ""
    if len(seeds) > 1:
        plain = [100 * right[name].mean() for name in seeds]
        mean, deviation = np.mean(plain), np.std(plain, ddof=1)
        spread = f"{len(seeds)} seeds of the recipe: {mean:.1f} % ± {deviation:.1f} (mean and standard deviation).\n"
    return f"""\
# The recipe's ingredients, {epochs} epochs

Written by `KERAS_BACKEND={keras.backend.backend()} python -m benchmarks.ablation --data fer2013.zip --votes ferplus.csv
--runs runs/ablation --epochs {epochs}`.

Small runs, not the bundled network's: `se_resnet` with stem {STEM}, widths {widths} and {DEPTH} block a width
({parameters:,} parameters), from scratch on {PICTURES:,} training pictures for {epochs} epochs, the last of which is
measured on all {len(validation):,} pictures of validation. All else is the recipe of `fer/recipes.py`.

{table(headers, rows)}

{spread}"Points to seed 1" has the 95 % interval of a difference on the same pictures; it knows nothing of the seeds,
whose spread a difference has to exceed as well. Measured on {date.today()} on {describe_machine()}.
"""


def difference(right, other):
    """How much more often one is right than another on the same pictures, in points, and half of its 95 % interval.

    The variance is that of paired shares (McNemar, 1947; Agresti, Categorical Data Analysis, section 10.1). Where they
    disagree on fewer than `fer.evaluation.metrics.MIN_OUTCOMES` pictures, half a picture is added to each of the four
    cells (Agresti and Min, 2005, "Simple improved confidence intervals for comparing matched proportions"): no variance
    would be seen.
    """
    from fer.evaluation.metrics import MIN_OUTCOMES

    gained = right.astype(float) - other
    added = 0.5 * (np.count_nonzero(gained) < MIN_OUTCOMES)
    count = len(gained) + 4 * added
    variance = ((gained**2).sum() + 2 * added) / count - (gained.sum() / count) ** 2
    return 100 * gained.mean(), 100 * 1.96 * (variance / count) ** 0.5


if __name__ == "__main__":
    main()
