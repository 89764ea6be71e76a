"""Where the app listens: GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, which Gradio reads."""

import os
from contextlib import contextmanager

from fer.errors import UserError


def check_port():
    """Makes sure that GRADIO_SERVER_PORT is a port; call before Gradio is imported.

    Raises:
        UserError: if it is none.
    """
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
        raise UserError(f"`GRADIO_SERVER_PORT` must be a number from 1 to 65535. Received: {port!r}")


@contextmanager
def told_address():
    """Context of `launch`, in which an address that cannot be listened on is a UserError."""
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
