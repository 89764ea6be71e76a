"""Serve a model of the Hub with the app, as a Space."""

import sys

HELP = "serve a model of the Hub with the app, as a Space"


def add_options(parser):
    """Add this command's options to its parser."""
    parser.add_argument("repository", metavar="OWNER/SPACE", help="the Space; created if it is not there")
    parser.add_argument("--model", required=True, metavar="OWNER/NAME[@REVISION]", help="what it serves, at its commit")
    parser.add_argument("--private", action="store_true", default=None, help="make a new Space private")
    parser.add_argument("--hardware", metavar="NAME", help="such as cpu-basic (default: zero-a10g, which is free)")
    parser.add_argument("--wait", action="store_true", help="wait until the Space is built and runs")


def run(options):
    """Publish the app as a Space."""
    from fer.publishing.space import deploy, uncommitted

    for path in uncommitted():
        print(f"not committed, so not deployed: {path}", file=sys.stderr)
    print(deploy(options.repository, options.model, options.private, options.hardware, options.wait))
    return 0
