"""Measures that shorten the start of the program, and its limit of open files."""

import gc
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

import jinja2

OPEN_FILES = 10_240
"""Files and connections that the app may have open at the same time, if the system allows that many."""


@contextmanager
def paused_garbage_collection() -> Iterator[None]:
    """Pause garbage collection while long-lived objects are created, such as imported modules and the page.

    Each collection would walk all of these objects and free almost nothing: without it, importing Gradio takes one
    sixth less time. At the end the objects are excluded from later collections too (`gc.freeze`).
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def templates_compiled_once() -> Iterator[None]:
    """Compile each Jinja template text only once; import Gradio within this context.

    Gradio 6 writes the documentation of some 300 events from 38 template texts and compiles the text again for each
    event. That takes 0.3 to 0.4 s of the import's 2 s of processor time, and no setting of Gradio or Jinja changes it.
    """
    template = jinja2.Template
    jinja2.Template = cache(template)
    try:
        yield
    finally:
        jinja2.Template = template


def raise_file_limit() -> None:
    """Raise the process's limit of open files to `OPEN_FILES`, or as far as the system allows it.

    An upload of 1,000 pictures would otherwise meet the usual limits, 1,024 on Linux and 256 on macOS.
    """
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), most))
