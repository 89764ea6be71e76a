"""Command `fer app`: serve the app until it is interrupted."""

import importlib.util
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from contextlib import suppress

from fer.cli.console import exit_on_user_error, own_terminal
from fer.cli.options import Parser, to_sentence
from fer.errors import UserError
from fer.resources import install_command

HELP = "serve the app until it is interrupted"
"""Help text of the command."""
SETTINGS = """\
environment:
  FER_MODEL           the model that answers, as for --model (default: bundled);
                      if it cannot be loaded, the app serves the bundled one
  FER_STRICT=1        end the app instead if that model cannot be loaded
  FER_ON_DEVICE=0     never send the model to a browser: the server answers all
                      pictures
  GRADIO_SERVER_NAME  address to listen on (default: 127.0.0.1)
  GRADIO_SERVER_PORT  first port to try (default: 7860)
  GRADIO_ROOT_PATH    behind a proxy, the whole address that people see
  GRADIO_TEMP_DIR     folder for uploads and answers, which are deleted within
                      ten minutes (default: the system's temporary folder)
  HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY
                      proxies for requests to the Hub, and hosts that are
                      reached without them; this machine always is
"""
"""Help on the environment variables of the app."""


def main(program: str) -> None:
    """Serve the app as a program of its own; exit with one sentence if it cannot be served.

    Args:
        program: command by which the program was started, for its messages.

    Raises:
        SystemExit: with code 2 if an argument is wrong.
    """
    parser = Parser(program, description=to_sentence(HELP))
    add_options(parser)
    options = parser.parse_args()
    with own_terminal(), exit_on_user_error(program):
        run(options)


def add_options(parser: ArgumentParser) -> None:
    """Add the command's option and the help on environment variables to the parser."""
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="model that answers: `bundled`, a model folder, or OWNER/NAME or OWNER/NAME@REVISION of the Hugging Face "
        "Hub; if it cannot be loaded, the app ends (default: FER_MODEL)",
    )
    parser.epilog, parser.formatter_class = SETTINGS, RawDescriptionHelpFormatter


def run(options: Namespace) -> int:
    """Serve the app until it is interrupted; return the exit code."""
    if not importlib.util.find_spec("gradio"):
        raise UserError(f"needs gradio, not installed here: {install_command('app')}")
    from fer.app.server.address import check_port, reach_directly
    from fer.app.server.cache import make_cache
    from fer.app.server.flags import check_flags
    from fer.app.server.startup import paused_garbage_collection, templates_compiled_once
    from fer.hub.proxies import check_proxies

    check_port()
    check_flags()
    check_proxies()
    reach_directly()
    with suppress(AttributeError):  # There is no standard output, if it was closed at the start.
        sys.stdout.reconfigure(line_buffering=True)  # The address reaches a pipe or a file at once.
    cache = make_cache()  # Before Gradio is imported, which reads the folder's path then.
    with paused_garbage_collection(), templates_compiled_once():
        _declare_gpu_function()
        from fer.app.demo import serve

    serve(cache, options.model)
    return 0


def _declare_gpu_function():
    """Declare a function for a GPU on a Space. A Space on ZeroGPU ends an app without one.

    `spaces` is installed only there, and imports Gradio.
    """
    try:
        import spaces
    except ImportError:
        return

    @spaces.GPU
    def use_no_gpu():
        """Do nothing; never called, because the networks are small enough for the CPU."""
