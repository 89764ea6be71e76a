"""Start of the program in less time."""

import gc
from contextlib import contextmanager
from functools import cache

import jinja2


@contextmanager
def paused_garbage_collection():
    """Context in which objects that stay are made, such as imported modules and the page.

    Each pass would walk all of them and find next to nothing: without the passes, Gradio's import takes a sixth less
    time. What is there at the end is left out of later passes too (`gc.freeze`).
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def templates_compiled_once():
    """Context in which Gradio is imported, and in which a template's text is compiled once.

    Gradio 6 writes the documentation of some 300 events from 38 texts, which it would compile anew for each event. That
    would take 0.3 to 0.4 of the import's 2 seconds (processor time), and no setting of Gradio or Jinja changes it.
    """
    template = jinja2.Template
    jinja2.Template = cache(template)
    try:
        yield
    finally:
        jinja2.Template = template
