"""Command `fer compare`: compare models in one table."""

from argparse import ArgumentParser, Namespace

from fer.cli.messages import tell_written

HELP = "compare the metrics of several models in one table"
"""Help text of the command."""


def add_options(parser: ArgumentParser) -> None:
    """Add this command's options to its parser."""
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="model folder, or `bundled`")
    parser.add_argument("--output", required=True, metavar="FILE", help="write the table to this Markdown file")


def run(options: Namespace) -> int:
    """Write the table of several models; return the exit code."""
    from fer.evaluation.comparison import save_comparison

    save_comparison(options.folders, options.output, print)
    tell_written(options.output)
    return 0
