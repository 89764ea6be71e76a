"""The signals that end the program."""

import signal
import time
from contextlib import suppress


class ShutdownSignal:
    """A request to end the program: Ctrl+C, or SIGTERM, as of `docker stop`. To be made in the main thread.

    KeyboardInterrupt is raised there when one comes, so that what runs is broken off and tidies up. Python drops an
    exception that is raised while it collects garbage or finalizes an object; so the request is also kept, for `wait`.
    """

    def __init__(self):
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def wait(self):
        """Return when the end is asked for, or at once where it was asked for before."""
        with suppress(KeyboardInterrupt):
            while not self.asked:
                time.sleep(0.1)

    def _ask(self, number, frame):
        self.asked = True
        raise KeyboardInterrupt
