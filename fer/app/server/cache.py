"""Where Gradio writes what people send and get: a folder of this program's own, swept while it runs and gone with it.

Gradio deletes the files that it knows of (`delete_cache`). It does not know of an upload that broke off, of the empty
files that `gr.File` makes beside its own, nor of the video that a generator answers. What a program that was killed
left behind is deleted by the next one that starts.
"""

import logging
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from filelock import FileLock, Timeout

from fer.errors import UserError

PREFIX, LOCK = "fer-", ".fer-app"
"""How the folder's name begins, and the file within it that the program holds a lock on as long as it lives."""
LOG = logging.getLogger(__name__)


def make_cache():
    """Makes the folder, in GRADIO_TEMP_DIR or else the system's; call before Gradio is imported, which reads that then.

    Returns:
        A `tempfile.TemporaryDirectory`, which is removed at the latest when the program ends.

    Raises:
        UserError: if the folder cannot be made or written to.
    """
    parent = os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()
    try:
        os.makedirs(parent, exist_ok=True)
        folder = _make_locked(parent)
    except OSError as error:
        rule = "`GRADIO_TEMP_DIR` must be a folder that can be made and written to"
        raise UserError(f"{rule}. Received: {parent} ({error.strerror})") from None
    os.environ["GRADIO_TEMP_DIR"] = folder.name
    return folder


def sweep_leftovers(folder, every, age):
    """Deletes what Gradio forgets, in the background, until the program ends; first, what dead programs left behind.

    What is there already, the pages' own example, stays: call after they are built and before people come.

    Args:
        folder: of `make_cache`.
        every: seconds between two sweeps.
        age: seconds since the last writing after which a file is deleted.
    """
    kept = set(Path(folder.name).rglob("*"))

    def run():
        _try(remove_dead, folder)
        while True:
            time.sleep(every)
            _try(sweep, folder, kept, time.time() - age)

    threading.Thread(target=run, daemon=True).start()


def sweep(folder, kept, before):
    """Deletes the files that were last written before a time, and the folders that have been empty since before it.

    What cannot be deleted is logged, and tried again by the next sweep.

    Args:
        folder: of `make_cache`.
        kept: set of the paths that stay.
        before: seconds since the epoch.
    """
    for path in sorted(Path(folder.name).rglob("*"), reverse=True):  # What is in a folder comes before it.
        try:
            if path in kept or path.lstat().st_ctime >= before:
                continue
            if not path.is_dir():
                path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()
        except FileNotFoundError:  # Gradio was first.
            continue
        except OSError as error:
            LOG.warning("The cache keeps what should be deleted: %s", error)


def remove_dead(folder):
    """Deletes the folders beside this one that other programs made with `make_cache` and no longer hold.

    Args:
        folder: of `make_cache`.
    """
    own = Path(folder.name)
    for other in own.parent.glob(f"{PREFIX}*"):
        lock = other / LOCK
        try:
            # Nobody else's, who may have made one that leads elsewhere.
            if other == own or other.is_symlink() or lock.lstat().st_uid != own.lstat().st_uid:
                continue
            with FileLock(lock, blocking=False):
                shutil.rmtree(other)
        except (Timeout, FileNotFoundError, NotADirectoryError):  # Its program lives; it is gone; it is none of ours.
            continue
        except OSError as error:
            LOG.warning("What an earlier run of the app left behind cannot be deleted: %s", error)


def _try(task, *arguments):
    """Runs one task of the sweeper, which goes on whatever happens to it."""
    try:
        task(*arguments)
    except Exception as error:
        LOG.warning("The cache could not be swept: %s: %s", type(error).__name__, error)


def _make_locked(parent):
    while True:
        folder = tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent, ignore_cleanup_errors=True)
        folder.lock = FileLock(Path(folder.name, LOCK))  # Held as long as the folder.
        try:
            folder.lock.acquire(blocking=False)
        except Timeout:
            continue
        # Another program's `remove_dead` may have come between the file and its lock.
        if Path(folder.name, LOCK).exists():
            return folder
