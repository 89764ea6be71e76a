"""Connection to Ray: new processes on this machine, or a running cluster."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from fer.errors import UserError
from fer.resources import PACKAGE
from fer.scoring.filesystems import first_line

CONNECT_SECONDS = 5
"""Time limit for a cluster to accept a connection, in seconds."""


@contextmanager
def open_ray(address: str | None, max_errors: int) -> Iterator[ModuleType]:
    """Connect to Ray, without messages and usage reports, and yield the module `ray`; disconnect at the end.

    Ray's processes on this machine listen on the loopback interface only. With `include_dashboard=False` one process of
    the dashboard still runs, which asks the metadata servers of three clouds once whether it runs there; Ray has no
    setting for that (SECURITY.md).

    Args:
        address: as in `fer.scoring.job.run_scoring`.
        max_errors: number of failed blocks that a Ray data set tolerates.

    Raises:
        UserError: if no cluster answers at the address, or if Ray does not start.
    """
    settings = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_BACKEND_LOG_LEVEL="fatal")
    if address is None:
        # Ray has this switch for systems whose firewall asks about each open port: its processes use loopback only.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        settings |= {"address": "local", "include_dashboard": False}
    else:
        _check_address(address)
        settings |= {"address": address, "runtime_env": {"py_modules": [str(PACKAGE)]}}
    # Ray reads the environment when it is imported.
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    handler = signal.getsignal(signal.SIGTERM)  # Ray installs its own, which ends the program without cleaning up.
    try:
        ray.init(**settings)
        if handler and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(f"Ray is not available at {address or 'this machine'}: {first_line(error)}") from None
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars, context.max_errored_blocks = False, max_errors
        yield ray
    finally:
        ray.shutdown()


def _check_address(address):
    """Raise an error unless a cluster listens at an address; Ray would try for two minutes and then end the process.

    Raises:
        UserError: if the address is not valid, or if nothing listens there.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise UserError(f"The address must be `auto` or HOST:PORT of a Ray cluster. Received: {address}")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"{address}: no Ray cluster answers there: {first_line(error)}") from None
