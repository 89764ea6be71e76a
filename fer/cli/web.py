"""Command `fer web`: write a static page that reads photos in the browser."""

import shlex
from argparse import ArgumentParser, Namespace

from fer.cli.options import add_model

HELP = "write a static web page that reads photos in the browser"
"""Help text of the command."""


def add_options(parser: ArgumentParser) -> None:
    """Add this command's options to its parser."""
    add_model(parser)
    parser.add_argument("folder", metavar="FOLDER", help="folder to write to, which is created if it does not exist")


def run(options: Namespace) -> int:
    """Write the page, its JavaScript module, the runtime and the model into a folder; return the exit code."""
    from fer.hub.client import resolve_model
    from fer.web.site import write_site

    source = resolve_model(options.model)
    size = write_site(options.folder, source.folder, source.public_name)
    print(f"{options.folder}: {size / 1e6:.1f} MB")
    print(f"to try it: python -m http.server --directory {shlex.quote(options.folder)}; elsewhere it needs https")
    return 0
