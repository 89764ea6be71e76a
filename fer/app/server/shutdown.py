"""Handling of the signals that end the program."""

import signal
import time
from contextlib import suppress


class ShutdownSignal:
    """A handler of Ctrl+C (SIGINT) and SIGTERM, which `docker stop` sends. Create it in the main thread.

    Either signal raises KeyboardInterrupt in the main thread, so that running code stops and cleans up. Python discards
    an exception that is raised during garbage collection or in a finalizer; therefore the handler also records the
    signal, for `wait`.
    """

    def __init__(self):
        self.received = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def wait(self) -> None:
        """Return when a signal arrives; at once if one has arrived already."""
        with suppress(KeyboardInterrupt):
            while not self.received:
                time.sleep(0.1)

    def _handle(self, number, frame):
        self.received = True
        raise KeyboardInterrupt
