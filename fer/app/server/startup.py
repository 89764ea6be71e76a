"""What Gradio does for any app and this one has no use for, left out: half of the time to the first answer."""

import inspect
import os
from contextlib import contextmanager, nullcontext
from functools import cache
from types import SimpleNamespace
from unittest.mock import patch

import jinja2


@contextmanager
def lean_gradio_import():
    """Keeps Gradio 6, imported within, from what it would do for nothing.

    For editors it would write a type stub beside the file of each component, this project's own too, and parse each
    several times for it: 45 % of the import (cProfile). It leaves a class alone whose file is not to be found.

    Of each event of each component it writes the documentation from a template, which it would compile each time: 225
    times instead of once for each of its 37 texts.

    It would sum up all events after each, for a monitoring page, which is closed here.

    It would set Matplotlib's backend around each event, in case a function draws with it, and import it for that: a
    second of the first answer. Nothing here draws with it.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000000")
    find_file = inspect.getfile

    def hide_gradio(thing):
        if (getattr(thing, "__module__", None) or "").startswith("gradio."):
            raise OSError("no stub wanted")
        return find_file(thing)

    with patch.object(inspect, "getfile", hide_gradio), patch.object(jinja2, "Template", cache(jinja2.Template)):
        yield
    from gradio import blocks_events, component_meta, utils

    component_meta.create_or_modify_pyi = blocks_events.create_or_modify_pyi = lambda *_: None
    utils.MatplotlibBackendMananger = nullcontext


def import_gradio():
    """Imports Gradio as `lean_gradio_import` does."""
    with lean_gradio_import():
        import gradio  # noqa: F401


@contextmanager
def serve_at_launch():
    """Keeps Gradio, for the page that is built within, from making a web application of it again and again: at the end
    of its `with`, at each `queue`, and at `launch`, which alone serves one."""
    from gradio.routes import App

    with patch.object(App, "create_app", lambda *_, **__: None):
        yield


def share_configurations(demo):
    """Lets the later sessions of an app start from its components' configurations as they are now.

    Gradio 6 works them out anew for each session, and a call of the API that names none, as curl's, begins one: for the
    components of this page that takes about as long as reading the photo (py-spy under `/predict`: 22 % of the samples,
    the recognizer 25 %), on the thread that answers everybody.

    Args:
        demo: `gr.Blocks`, complete. Sessions of other apps of the process start as Gradio has them.
    """
    from gradio.state_holder import SessionState

    shared, start_anew = SessionState(demo).config_values, SessionState.__init__

    def start(session, blocks):
        if blocks is demo:
            start_anew(session, SimpleNamespace(default_config=blocks.default_config, blocks=()))
            # A session sets its own values in "props", and nothing below them.
            session.config_values = {key: {**config, "props": {**config["props"]}} for key, config in shared.items()}
        else:
            start_anew(session, blocks)

    SessionState.__init__ = start
