"""The address that the app listens on, from GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, which Gradio reads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import getproxies_environment

from fer.errors import UserError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Names and addresses at which the app asks itself, as Gradio does when it starts and for the MCP tools."""


def check_port() -> None:
    """Check that GRADIO_SERVER_PORT is a port number; call this before Gradio is imported.

    Raises:
        UserError: if it is not a port number.
    """
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise UserError(f"`GRADIO_SERVER_PORT` must be a number from 1 to 65535. Received: {port!r}")


def reach_directly() -> None:
    """Except this machine from the proxies that the environment names; call this before Gradio is imported.

    httpx has no exception for it. Brackets around an address are removed, since httpx raises an error for them.
    """
    proxies = getproxies_environment()
    if not proxies:
        return  # On a Mac, a variable would replace the proxies of the system.
    excepted = [*proxies.get("no", "").split(","), *LOOPBACK, os.environ.get("GRADIO_SERVER_NAME", "")]
    hosts = ",".join(dict.fromkeys(filter(None, (host.strip(" []") for host in excepted))))
    os.environ.update(NO_PROXY=hosts, no_proxy=hosts)


@contextmanager
def explain_address_errors() -> Iterator[None]:
    """Raise a UserError instead of the OSError by which `launch` reports that it cannot listen on the address.

    An OSError about a file is raised unchanged.
    """
    try:
        yield
    except (OSError, OverflowError) as error:
        if getattr(error, "filename", None) is not None:
            raise
        name, port = (os.environ.get(f"GRADIO_SERVER_{part}", "") for part in ("NAME", "PORT"))
        raise UserError(
            "`GRADIO_SERVER_NAME` must be an address of this machine, and one of the hundred ports from "
            f"`GRADIO_SERVER_PORT` free. Received: {name or '127.0.0.1'}, {port or 7860}"
        ) from None
