"""Serve the app until it is interrupted."""

from fer.app.server.address import check_port
from fer.app.server.cache import make_cache
from fer.app.server.startup import import_gradio
from fer.cli.console import exit_on_user_error, own_terminal, quiet_libraries


def main(program):
    """Serves the app; ends the process with a sentence where it cannot be served.

    Args:
        program: the command as a person gave it, for its messages.
    """
    with own_terminal(), exit_on_user_error(program):
        quiet_libraries()
        check_port()
        cache = make_cache()  # Gradio reads where it is when it is imported.
        import_gradio()
        from fer.app.demo import serve

        serve(cache)
