"""Where Gradio writes what people send and get: a folder of this program's own, swept while it runs and gone with it.

Gradio deletes the files that it knows of (`delete_cache`). It does not know of an upload that broke off, of the empty
files that `gr.File` makes beside its own, nor of the video that a generator answers.
"""

import os
import tempfile
import threading
import time
from pathlib import Path


def make_cache():
    """Makes the folder, in GRADIO_TEMP_DIR or else the system's; call before Gradio is imported, which reads that then.

    Returns:
        A `tempfile.TemporaryDirectory`, which is removed at the latest when the program ends.
    """
    parent = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
    os.makedirs(parent, exist_ok=True)
    folder = tempfile.TemporaryDirectory(prefix="fer-", dir=parent, ignore_cleanup_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = folder.name
    return folder


def sweep_leftovers(folder, every, age):
    """Deletes what Gradio forgets, in the background, until the program ends.

    What is there already, the pages' own example, stays: call after they are built and before people come.

    Args:
        folder: of `make_cache`.
        every: seconds between two sweeps.
        age: seconds since the last writing after which a file is deleted.
    """
    kept = set(Path(folder.name).rglob("*"))

    def sweep():
        while True:
            time.sleep(every)
            for path in Path(folder.name).rglob("*"):
                try:
                    if path not in kept and path.is_file() and time.time() - path.stat().st_ctime > age:
                        path.unlink()
                except FileNotFoundError:  # Gradio was first.
                    continue

    threading.Thread(target=sweep, daemon=True).start()
