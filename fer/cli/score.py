"""Command `fer score`: read the faces in any number of pictures with Ray."""

import sys
from argparse import ArgumentParser, Namespace
from contextlib import closing

from fer.cli.messages import count, printed
from fer.cli.options import add_already_cropped, add_model

HELP = "read the faces in any number of pictures with Ray, into Parquet files"
"""Help text of the command."""


def add_options(parser: ArgumentParser) -> None:
    """Add this command's options to its parser."""
    add_model(parser)
    parser.add_argument(
        "input",
        metavar="PICTURES",
        help="pictures to read: a folder of pictures, a text file with one path per line, or a Parquet file or folder "
        "with the pictures in a column `image` or `bytes`; s3:// and gs:// addresses work as well",
    )
    parser.add_argument(
        "output", metavar="OUTPUT", help="folder for the Parquet files; pictures that have an answer in it are skipped"
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="address of a running Ray cluster, or `auto` for the one that this machine belongs to "
        "(default: start Ray on this machine alone)",
    )
    add_already_cropped(parser)


def run(options: Namespace) -> int:
    """Read the faces in any number of pictures.

    Returns:
        The exit code: 2 if a picture was not read, or belongs to another run that may have ended.
    """
    from tqdm import tqdm

    from fer.hub.client import resolve_model
    from fer.scoring.job import Tally, plan_scoring, run_scoring

    source = resolve_model(options.model)
    plan = plan_scoring(options.input, options.output, source.folder, str(source), options.already_cropped)
    if plan.left_out:
        print(printed(plan.left_out), file=sys.stderr)
    if not plan.run.destination.folder:
        print(
            f"{options.output}: runs into object storage do not notice each other; start one at a time.",
            file=sys.stderr,
        )
    total = Tally(0, 0, 0, 0)
    # Delayed by a second, so that a run with nothing to do shows no bar.
    bar = tqdm(total=plan.answered + len(plan.pictures), initial=plan.answered, unit=" pictures", delay=1)
    with bar, closing(run_scoring(plan, options.address)) as tallies:
        for tally in tallies:
            total = Tally(*map(sum, zip(total, tally, strict=True)))
            bar.update(tally.pictures)
    print(
        f"{options.output}: {count(total.pictures, 'picture')}, {count(total.faces, 'face')}; "
        f"{count(total.faceless, 'picture')} without a face, {total.unread:,} not read; "
        f"{plan.answered:,} answered by an earlier run"
        + (f"; {plan.again:,} read again" if plan.again else "")
        + (f"; {plan.claimed:,} belong to another run" if plan.claimed else "")
    )
    unsure = [claim for claim in plan.claims if not claim.runs]
    for claim in unsure:
        amount, belong = count(len(claim.names), "picture"), "belongs" if len(claim.names) == 1 else "belong"
        whose = f"{belong} to {f'the run of {claim.host}' if claim.host else 'another run'} ({claim.folder})"
        print(printed(f"{amount} {whose}; if it has ended, delete that folder."), file=sys.stderr)
    return 2 if total.unread or unsure else 0
