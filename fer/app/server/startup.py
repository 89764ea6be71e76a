"""Start of the program without passes of the garbage collector."""

import gc
from contextlib import contextmanager


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
