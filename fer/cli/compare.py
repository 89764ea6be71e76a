"""Set model folders side by side."""

HELP = "set model folders side by side"


def add_options(parser):
    """Add this command's options to its parser."""
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="model folder, or `bundled`")
    parser.add_argument("--output", required=True, metavar="FILE", help="Markdown document to write the table to")


def run(options):
    """Write the table of several models."""
    from fer.evaluation.comparison import save_comparison

    save_comparison(options.folders, options.output, print)
    return 0
