"""Command `fer calibrate`: fit a model's calibration on the validation split, measure it and write its card."""

import sys
from argparse import ArgumentParser, Namespace

from fer.cli.messages import tell_written
from fer.cli.options import (
    OF_TRAINING,
    add_allow_duplicates,
    add_data,
    add_layout,
    add_prior,
    add_skip_bad,
    add_votes,
    number_between,
)
from fer.errors import UserError
from fer.outputs import check_folder, check_inputs

HELP = "fit a model's calibration on the validation split and write its model card"
"""Help text of the command."""


def add_options(parser: ArgumentParser) -> None:
    """Add this command's options to its parser."""
    parser.add_argument("folder", metavar="FOLDER", help="model folder, or `bundled`")
    add_data(parser, required=True)
    add_layout(parser, OF_TRAINING)
    add_votes(parser, "measure human agreement too")
    parser.add_argument(
        "--target",
        type=number_between(0, 1),
        metavar="X",
        help="selective accuracy to reach, that of answers without `not sure`, from 0 to 1 (default: the model's own, "
        "at first 0.85)",
    )
    parser.add_argument(
        "--end-to-end",
        action="store_true",
        help="measure the end-to-end accuracy too, with faces found and aligned as in the app; takes some minutes",
    )
    parser.add_argument(
        "--photos",
        metavar="FOLDER",
        help="choose the prior on these whole photos, <label>/* or <set>/<label>/*, and measure the model on them",
    )
    parser.add_argument(
        "--groups",
        metavar="PATTERN",
        help="with --photos: a regular expression that finds a person's group in a file name, as `evaluate` takes it",
    )
    add_prior(
        parser,
        "the model's own; with --photos, the smallest of 0, 0.25, 0.5, 0.75 and 1 whose balanced accuracy on them is "
        "within 0.5 points of the best",
    )
    add_allow_duplicates(parser)
    add_skip_bad(parser)


def run(options: Namespace) -> int:
    """Fit a model's calibration and write its metrics and its card into its folder; return the exit code."""
    from fer.evaluation.fairness import compile_pattern
    from fer.models.config import EXPORTS, load_config
    from fer.models.exports import judge_export
    from fer.models.model_folder import check_links, check_weights, find_model

    folder = find_model(options.folder)
    config = load_config(folder)
    check_weights(folder, config)
    check_folder("`FOLDER`", folder)
    check_links(folder)
    check_inputs(options.data, options.votes, options.photos)

    if options.groups and not options.photos:
        raise UserError(f"--groups goes with --photos FOLDER. Received: --groups {options.groups}")
    groups = options.groups and compile_pattern(options.groups, config.labels)

    from fer.data.duplicates import check_copies
    from fer.data.faces import list_left_out, load_faces
    from fer.data.facts import find_layout
    from fer.evaluation.report import Request, save_report
    from fer.evaluation.summary import format_metrics
    from fer.export.litert_file import write_litert_file
    from fer.publishing.card import save_card

    layout = find_layout(options.layout, options.data, config.training)
    train, validation = (
        load_faces(
            options.data,
            split,
            classes=config.labels,
            image_size=config.image_size,
            skip_bad=options.skip_bad,
            layout=layout,
        )
        for split in ("train", "validation")
    )
    for message in list_left_out(train, validation):
        print(f"skipped: {message}", file=sys.stderr)
    check_copies(validation, train, options.allow_duplicates)
    request = Request(
        votes=options.votes,
        photos=options.photos,
        groups=groups or None,
        end_to_end=options.end_to_end,
        target=options.target,
        prior=options.prior,
    )

    def show(metrics):
        print(format_metrics(metrics))

    def note(message):
        print(message, file=sys.stderr)

    save_report(folder, train, validation, options.folder, options.data, request, show=show, note=note)
    failure = None
    try:
        write_litert_file(folder)
    except UserError as error:  # Raised at the end, after the remaining work.
        failure = error
    save_card(folder, options.folder)
    for format in EXPORTS:
        _, reason = judge_export(folder, format)
        if reason and format != "litert":
            print(reason, file=sys.stderr)
    if failure:
        raise failure
    tell_written(folder)
    return 0
