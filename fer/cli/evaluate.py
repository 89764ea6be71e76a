"""Command `fer evaluate`: measure a model on a split of a data set or on whole photos."""

import sys
from argparse import ArgumentParser, Namespace

from fer.cli.messages import finish, stream_beside
from fer.cli.options import (
    OF_TRAINING,
    add_allow_duplicates,
    add_data,
    add_layout,
    add_model,
    add_prior,
    add_skip_bad,
    add_votes,
)
from fer.errors import UserError
from fer.labels import check_classes
from fer.outputs import check_inputs, check_outputs, check_suffix, kept, write_json

HELP = "measure a model on a split of a data set or on whole photos"
"""Help text of the command."""


def add_options(parser: ArgumentParser) -> None:
    """Add this command's options to its parser."""
    add_model(parser)
    on = parser.add_mutually_exclusive_group(required=True)
    add_data(on, "to measure on")
    on.add_argument(
        "--photos",
        metavar="FOLDER",
        help="measure on whole photos, <label>/* or <set>/<label>/*; the largest face is found, aligned and read as in "
        "the app",
    )
    add_prior(parser, "as calibrated")
    parser.add_argument(
        "--split",
        default="validation",
        choices=("train", "validation", "test"),
        help="split of --data to measure on (default: %(default)s)",
    )
    parser.add_argument(
        "--groups",
        metavar="PATTERN",
        help="with --photos: measure how often neutral faces of each group are read as angry, sad or disgusted; a "
        "regular expression finds the group in a file name, such as '[AB]([FM])\\d\\d'",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="CLASS",
        help="measure only pictures of these classes, and let the model choose only among them (default: all)",
    )
    add_layout(parser, OF_TRAINING)
    parser.add_argument(
        "--limit", type=int, metavar="N", help="measure at most N pictures, with the classes in their proportions"
    )
    add_skip_bad(parser)
    add_votes(parser, "measure human agreement too")
    parser.add_argument(
        "--duplicates",
        action="store_true",
        help="measure the accuracy without near-duplicates of training pictures too; refused if most are identical",
    )
    add_allow_duplicates(parser)
    parser.add_argument(
        "--end-to-end",
        action="store_true",
        help="paste each picture into a scene, and find, align and read its face as in the app; otherwise the pictures "
        "are read as they are",
    )
    parser.add_argument("--json", metavar="FILE", help="write the metrics to this file")
    parser.add_argument(
        "--figure", metavar="FILE", help="write the confusion matrix, one per set of photos, to this PNG file"
    )


def run(options: Namespace) -> int:
    """Measure a model, print its metrics and write the requested files; return the exit code."""
    if options.classes:
        options.classes = check_classes(options.classes)
    if options.photos:
        _check_photo_options(options)
    elif options.groups:
        raise UserError(f"--groups goes with --photos FOLDER. Received: --groups {options.groups}")
    elif options.allow_duplicates and not options.duplicates:
        raise UserError("--allow-duplicates goes with --duplicates. Received: --allow-duplicates alone")
    check_inputs(options.data, options.photos, options.votes)
    check_suffix("`--figure`", options.figure, ".png")

    from fer.models.model_folder import find_model, possible_files

    read = [*filter(None, [options.data, options.photos, options.votes]), *possible_files(find_model(options.model))]
    check_outputs({"`--json`": options.json, "`--figure`": options.figure}, read)
    metrics, save_figure = (_evaluate_photos if options.photos else _evaluate_split)(options)
    failures = []
    if options.json:
        with kept(failures):
            write_json(options.json, metrics)
    if options.figure:
        with kept(failures):
            save_figure(options.figure)
    return finish(failures, options.json, options.figure)


def _check_photo_options(options):
    """Raise a UserError if an option of --data is given with --photos."""
    given = {
        "--classes": options.classes,
        "--limit": options.limit,
        "--votes": options.votes,
        "--layout": options.layout,
        "--duplicates": options.duplicates,
        "--allow-duplicates": options.allow_duplicates,
        "--skip-bad": options.skip_bad,
        "--end-to-end": options.end_to_end,
    }
    wrong = [name for name, value in given.items() if value]
    if wrong or options.split != "validation":
        raise UserError(f"--photos goes without options of --data. Received: {', '.join(wrong) or '--split'}")


def _evaluate_photos(options):
    """Measure a model on whole photos; return the metrics, and a function that saves their figure to a path."""
    from tqdm import tqdm

    from fer.evaluation.evaluate import evaluate_photos
    from fer.evaluation.plots import save_confusion_matrices
    from fer.evaluation.summary import format_photos

    def progress(answers, total):
        return tqdm(answers, total=total, unit=" photos", disable=None, delay=1)

    def note(message):
        print(message, file=sys.stderr)

    metrics = evaluate_photos(
        options.model, options.photos, prior=options.prior, progress=progress, groups=options.groups, note=note
    )
    print(format_photos(metrics), file=stream_beside(options.json, options.figure))
    return metrics, lambda path: save_confusion_matrices(path, metrics)


def _evaluate_split(options):
    """Measure a model on a split; return the metrics, and a function that saves their figure to a path."""
    from fer.evaluation.evaluate import evaluate_model
    from fer.evaluation.plots import save_confusion_matrix
    from fer.evaluation.summary import format_metrics

    metrics, skipped = evaluate_model(
        options.model,
        options.data,
        options.split,
        classes=options.classes,
        limit=options.limit,
        skip_bad=options.skip_bad,
        votes=options.votes,
        duplicates=options.duplicates,
        end_to_end=options.end_to_end,
        allow_duplicates=options.allow_duplicates,
        prior=options.prior,
        layout=options.layout,
    )
    for message in skipped:
        print(f"skipped: {message}", file=sys.stderr)
    print(format_metrics(metrics), file=stream_beside(options.json, options.figure))
    title = f"{metrics['split']}, accuracy {metrics['accuracy']:.1%}"
    return metrics, lambda path: save_confusion_matrix(path, metrics["confusion_matrix"], metrics["labels"], title)
