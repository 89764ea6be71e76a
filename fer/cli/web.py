"""Write a page that reads photos in the browser, as static files."""

import shlex

from fer.cli.options import add_model

HELP = "write a page that reads photos in the browser, as static files"


def add_options(parser):
    """Add this command's options to its parser."""
    add_model(parser)
    parser.add_argument("folder", metavar="FOLDER", help="folder to write to; made if it is not there")


def run(options):
    """Write the page, the module, its runtime and the model into a folder."""
    from fer.hub.client import resolve_model
    from fer.web.site import write_site

    source = resolve_model(options.model)
    size = write_site(options.folder, source.folder, str(source))
    print(f"{options.folder}: {size / 1e6:.1f} MB")
    print(f"to try it: python -m http.server --directory {shlex.quote(options.folder)}; elsewhere it needs https")
    return 0
