"""Read the faces in any number of pictures, on Ray."""

import sys
from contextlib import closing

from fer.cli.options import add_already_cropped, add_model

HELP = "read the faces in any number of pictures, on Ray"


def add_options(parser):
    """Add this command's options to its parser."""
    add_model(parser)
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="folder of pictures, text file with a path a line, or Parquet (a file, or a folder of such) with pictures "
        "in a column `image` or `bytes`; s3:// and gs:// work as well",
    )
    parser.add_argument("output", metavar="OUTPUT", help="folder for Parquet; what has an answer there is left out")
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="a running Ray cluster, or `auto` for the one of this machine (default: this machine alone)",
    )
    add_already_cropped(parser)


def run(options):
    """Read the faces in any number of pictures into Parquet."""
    from tqdm import tqdm

    from fer.hub.client import resolve_model
    from fer.scoring.job import Tally, plan_scoring, run_scoring

    source = resolve_model(options.model)
    plan = plan_scoring(options.input, options.output, source.folder, str(source), options.already_cropped)
    if plan.left_out:
        print(plan.left_out, file=sys.stderr)
    total = Tally(0, 0, 0, 0)
    # A second, so that what ends before it has begun shows no bar.
    bar = tqdm(total=plan.answered + len(plan.names), initial=plan.answered, unit=" pictures", delay=1)
    with bar, closing(run_scoring(plan, options.address)) as tallies:
        for tally in tallies:
            total = Tally(*map(sum, zip(total, tally, strict=True)))
            bar.update(tally.pictures)
    print(
        f"{options.output}: {total.pictures} pictures, {total.faces} faces; {total.faceless} pictures without a face, "
        f"{total.unread} not read; {plan.answered} had their answers before"
        + (f"; {plan.claimed} are another run's" if plan.claimed else "")
    )
    return 0
