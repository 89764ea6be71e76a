"""Lock that waiting threads get in turn, so that no thread waits until another has finished a long series of tasks."""

import threading


class FairLock:
    """Lock for `with` that, when it is released, goes to a thread that is waiting for it.

    A `threading.Lock` is mostly acquired again by the thread that has just released it, if that thread asks at once.
    """

    def __init__(self):
        self._next, self._lock = threading.Lock(), threading.Lock()

    def __enter__(self):
        # The waiting thread holds `_next` until it has the lock, so that no other thread can be faster.
        with self._next:
            self._lock.acquire()

    def __exit__(self, *_):
        self._lock.release()
