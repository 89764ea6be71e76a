"""Serve a model of the Hub with the app, as a Space."""

import sys

from fer.errors import UserError

HELP = "serve a model of the Hub with the app, as a Space"


def add_options(parser):
    """Add this command's options to its parser."""
    parser.add_argument("repository", metavar="OWNER/SPACE", help="the Space; created if it is not there")
    parser.add_argument("--model", required=True, metavar="OWNER/NAME[@REVISION]", help="what it serves, at its commit")
    parser.add_argument("--private", action="store_true", default=None, help="make a new Space private")
    parser.add_argument("--hardware", metavar="NAME", help="such as cpu-basic (default: zero-a10g, which is free)")
    parser.add_argument("--static", action="store_true", help="without a server: visitors' browsers read the photos")
    parser.add_argument("--wait", action="store_true", help="wait until the Space is built and runs")


def run(options):
    """Publish the app as a Space, or what `fer web` writes as a static one."""
    if options.static:
        from fer.publishing.static_space import deploy_static
        from fer.web.site import write_site

        if options.hardware:
            raise UserError(
                f"`--hardware` must be left out with --static, which needs none. Received: {options.hardware}"
            )
        print(deploy_static(options.repository, options.model, write_site, options.private, options.wait))
        return 0
    from fer.publishing.space import deploy, uncommitted

    for path in uncommitted():
        print(f"not committed, so not deployed: {path}", file=sys.stderr)
    print(deploy(options.repository, options.model, options.private, options.hardware, options.wait))
    return 0
