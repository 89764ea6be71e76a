"""A lock for work that is done in parts: whoever waits gets in between two of them."""

import threading


class FairLock:
    """A lock, to be used with `with`, that goes to whoever waits for it when it is released.

    `threading.Lock` mostly goes to the thread that has just released it and asks again at once.
    """

    def __init__(self):
        self._next, self._lock = threading.Lock(), threading.Lock()

    def __enter__(self):
        # Held by the one that waits, so that nobody else can ask before it has the lock.
        with self._next:
            self._lock.acquire()

    def __exit__(self, *_):
        self._lock.release()
