"""Command `fer deploy`: publish the app as a Space of the Hugging Face Hub."""

import sys
from argparse import ArgumentParser, Namespace

from fer.errors import UserError

HELP = "publish the app as a Space that serves a model of the Hugging Face Hub"
"""Help text of the command."""


def add_options(parser: ArgumentParser) -> None:
    """Add this command's options to its parser."""
    parser.add_argument(
        "repository", metavar="OWNER/SPACE", help="name of the Space, which is created if it does not exist"
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="OWNER/NAME[@REVISION]",
        help="model that the Space serves, fixed at its present commit",
    )
    parser.add_argument("--private", action="store_true", default=None, help="make a new Space private")
    parser.add_argument(
        "--hardware",
        metavar="NAME",
        help="hardware of the Space, such as cpu-basic (default: zero-a10g, which is free, for a new Space; an "
        "existing one keeps its own)",
    )
    parser.add_argument(
        "--static",
        action="store_true",
        help="publish the static page of `fer web` instead, which reads photos in the visitors' browsers",
    )
    parser.add_argument("--wait", action="store_true", help="wait until the Space is built and runs")


def run(options: Namespace) -> int:
    """Publish the app as a Space, or with --static the page of `fer web`; return the exit code."""
    if options.static:
        from fer.web.static_space import deploy_static

        if options.hardware:
            raise UserError(
                f"`--hardware` must be left out with --static, which needs none. Received: {options.hardware}"
            )
        print(deploy_static(options.repository, options.model, private=options.private, wait=options.wait))
        return 0
    from fer.publishing.space import deploy, uncommitted

    for path in uncommitted():
        print(f"not committed, so not deployed: {path}", file=sys.stderr)
    print(
        deploy(
            options.repository,
            options.model,
            private=options.private,
            hardware=options.hardware,
            wait=options.wait,
        )
    )
    return 0
