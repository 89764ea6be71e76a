"""The folder in which Gradio stores uploads and answers: one per process, swept while it runs, deleted when it ends.

Gradio deletes the files that it has registered (`delete_cache`). It does not register an upload that broke off, the
empty files that `gr.File` creates, or a video that a generator yields. The folder of a process that was killed is
deleted by the next process that starts.
"""

import logging
import math
import os
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fer.errors import UserError
from fer.file_lock import lock, remove_dead_folder

PREFIX = "fer-"
"""Prefix of the folder's name."""
LOCK = ".fer-app"
"""Name of the file in the folder that the process keeps locked for as long as it lives."""
UPLOAD_SECONDS = 1_800
"""Seconds after which an upload is ended: 150 MB at 0.7 Mbit/s. Until then `sweep` keeps the parts of all uploads that
began later, because it cannot tell which of them has broken off."""
TICK_SECONDS = 1
"""Seconds by which the time of a file may lie before that of the clock: most systems give a file the time of their last
tick, some milliseconds ago."""
LOG = logging.getLogger(__name__)
_open_uploads: dict[object, float] = {}
"""Times at which the uploads began that are arriving, in seconds since the epoch."""


def make_cache() -> tempfile.TemporaryDirectory:
    """Create the folder below GRADIO_TEMP_DIR, or below the system's temporary folder, and set GRADIO_TEMP_DIR to it.

    Call this before Gradio is imported, which then reads GRADIO_TEMP_DIR.

    Returns:
        The folder, which is deleted at the latest when the process ends.

    Raises:
        UserError: if the folder cannot be created or written to.
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


def make_scratch() -> tempfile.TemporaryDirectory:
    """Create a folder beside the cache for a file that Gradio will copy to the cache; it copies none that is in it.

    If the process is killed, the next one that starts deletes the folder, as that of `make_cache`.
    """
    cache = os.environ.get("GRADIO_TEMP_DIR")
    return _make_locked(Path(cache).parent if cache else tempfile.gettempdir())


def sweep_leftovers(folder: tempfile.TemporaryDirectory, every: float, age: float) -> None:
    """Start a thread that deletes the folders of dead processes, and then the files that Gradio does not delete.

    Files that exist already, such as the example of a page, are kept: call this after the pages are built and before
    the app is served.

    Args:
        folder: result of `make_cache`.
        every: seconds between two sweeps.
        age: seconds since its last change after which a file is deleted.
    """
    kept = set(Path(folder.name).rglob("*"))

    def run():
        _try(remove_dead, folder)
        while True:
            time.sleep(every)
            _try(sweep, folder, kept, time.time() - age)

    threading.Thread(target=run, daemon=True).start()


def sweep(folder: tempfile.TemporaryDirectory, kept: set[Path], before: float) -> None:
    """Delete the files and the empty folders that last changed before a time.

    If one of them cannot be deleted, this is logged, and the next sweep tries again.

    Args:
        folder: result of `make_cache`.
        kept: paths that are not deleted.
        before: time in seconds since the epoch.
    """
    root, earliest = Path(folder.name), time.time() - UPLOAD_SECONDS
    # A copy, since uploads begin and end in another thread.
    oldest = min((begun for begun in list(_open_uploads.values()) if begun > earliest), default=math.inf)
    for path in sorted(root.rglob("*"), reverse=True):  # Contents sort before their folder.
        try:
            changed = path.lstat().st_ctime
            # The parts of a request are files in the folder itself until all have arrived.
            arriving = changed >= oldest and path.parent == root and path.is_file()
            if path in kept or arriving or changed >= before:
                continue
            if not path.is_dir():
                path.unlink()
            elif not any(path.iterdir()):
                path.rmdir()
        except FileNotFoundError:  # Gradio has deleted it meanwhile.
            continue
        except OSError as error:
            LOG.warning("The cache keeps what should be deleted: %s", error)


@contextmanager
def open_upload() -> Iterator[None]:
    """Keep the files of an upload from `sweep` until the request has ended, for at most `UPLOAD_SECONDS`."""
    key = object()
    _open_uploads[key] = time.time() - TICK_SECONDS
    try:
        yield
    finally:
        del _open_uploads[key]


def remove_dead(folder: tempfile.TemporaryDirectory) -> None:
    """Delete the folders beside this one that other processes created with `make_cache` and no longer lock.

    Args:
        folder: result of `make_cache`.
    """
    own = Path(folder.name)
    for other in own.parent.glob(f"{PREFIX}*"):
        try:
            # Another user's folder is left alone: it may be a link to elsewhere.
            if other != own and not other.is_symlink() and (other / LOCK).lstat().st_uid == own.lstat().st_uid:
                remove_dead_folder(other, LOCK)
        except (FileNotFoundError, NotADirectoryError):  # It was deleted meanwhile, or `make_cache` did not create it.
            continue
        except OSError as error:
            LOG.warning("What an earlier run of the app left behind cannot be deleted: %s", error)


def _try(task, *arguments):
    """Run one task of the sweeping thread; log any exception, so that the thread goes on."""
    try:
        task(*arguments)
    except Exception as error:
        LOG.warning("The cache could not be swept: %s: %s", type(error).__name__, error)


def _make_locked(parent):
    while True:
        folder = tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent, ignore_cleanup_errors=True)
        folder.lock = open(Path(folder.name, LOCK), "x")  # noqa: SIM115 - open as long as the folder is used
        weakref.finalize(folder, folder.lock.close)
        # `remove_dead` of another process may lock the file first, or may have deleted it before it is locked here.
        with suppress(BlockingIOError):
            lock(folder.lock, wait=False)
            if Path(folder.name, LOCK).exists():
                return folder
