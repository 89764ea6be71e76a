"""Shared parts of the networks that LiteRT runs: number of threads, turns of waiting callers, and a check of outputs.

This imports no LiteRT, so that networks of Keras are checked on machines without it too.
"""

import os
import threading

import numpy as np

from fer.errors import UserError

THREADS = min(2, os.cpu_count() or 1)
"""Number of threads of LiteRT per pass. Two halve the time; the networks are too small to gain from more."""


class FairLock:
    """Lock for `with` that, when it is released, goes to a thread that is waiting for it.

    Waiting threads get it in turn, so that none waits until another has finished a long series of passes. A
    `threading.Lock` is mostly acquired again by the thread that has just released it, if that thread asks at once.
    """

    def __init__(self):
        self._next, self._lock = threading.Lock(), threading.Lock()

    def __enter__(self):
        # The waiting thread holds `_next` until it has the lock, so that no other thread can be faster.
        with self._next:
            self._lock.acquire()

    def __exit__(self, *_):
        self._lock.release()


def check_finite(answers: np.ndarray) -> np.ndarray:
    """Return the output of a network, a float array of any shape, if all of its values are finite.

    Raises:
        UserError: if a value is NaN or infinite.
    """
    if not np.isfinite(answers).all():
        received = answers[~np.isfinite(answers)].flat[0]
        raise UserError(
            f"A network must return finite numbers. Train, export or download the model again. Received: {received}"
        )
    return answers
