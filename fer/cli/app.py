"""Serve the app until it is interrupted."""

import argparse

from fer.cli.console import exit_on_user_error, own_terminal

HELP = "serve the app until it is interrupted"
SETTINGS = """\
environment:
  FER_MODEL           the model that answers: a model folder, or OWNER/NAME or
                      OWNER/NAME@REVISION of the Hub (default: bundled)
  FER_STRICT=1        end where that model cannot be loaded, instead of serving
                      the bundled one
  FER_ON_DEVICE=0     hand the model to no browser: all pictures are read here
  GRADIO_SERVER_NAME  address (default: 127.0.0.1)
  GRADIO_SERVER_PORT  port (default: 7860)
"""


def main(program):
    """Serve the app as a program of its own; end the process with a sentence where it cannot be served.

    Args:
        program: how it was started, for its messages.
    """
    with own_terminal(), exit_on_user_error(program):
        run()


def add_options(parser):
    """Add what the app's settings are to its parser; it has no options."""
    parser.epilog, parser.formatter_class = SETTINGS, argparse.RawDescriptionHelpFormatter


def run(options=None):
    """Serve the app until it is interrupted."""
    from fer.app.server.address import check_port
    from fer.app.server.cache import make_cache
    from fer.app.server.startup import paused_garbage_collection, templates_compiled_once

    check_port()
    cache = make_cache()  # Gradio reads where it is when it is imported.
    with paused_garbage_collection(), templates_compiled_once():
        from fer.app.demo import serve

    serve(cache)
    return 0
