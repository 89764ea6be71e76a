"""Locks in the folders of runs, which tell whether the process of another run still exists."""

import socket
from pathlib import Path

from fer.file_lock import is_locked, remove_dead_folder

LOCK = "lock"
"""Name of the file in a run's folder that the run's process has locked; it holds `describe_host`."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""File with a name of the running kernel, which a machine and its containers share, whatever their host names."""


def describe_host() -> str:
    """Return the name of this host and, on a second line, that of its kernel, "" if unknown."""
    try:
        boot_id = BOOT_ID.read_text().strip()
    except OSError:
        boot_id = ""
    return f"{socket.gethostname()}\n{boot_id}"


def remove_dead_run(folder: str) -> bool:
    """Remove the folder of a killed run, and return whether it was removed.

    Only a run on this host, or in another container on its kernel, is known to be dead: if it lived, its process would
    hold the lock.
    """
    try:
        return remove_dead_folder(folder, LOCK, _is_here)
    except OSError:
        return False


def look_up_run(folder: str) -> tuple[str, bool]:
    """Return the name of the host of a run, "" if unknown, and whether its process is known to exist."""
    try:
        file = Path(folder, LOCK)
        return file.read_text().partition("\n")[0], is_locked(file)
    except OSError:
        return "", False


def _is_here(content):
    """Return whether the content of a lock names this host or its kernel."""
    (host, _, boot_id), (own_host, _, own_boot_id) = (text.partition("\n") for text in (content, describe_host()))
    return host == own_host or (boot_id != "" and boot_id == own_boot_id)
