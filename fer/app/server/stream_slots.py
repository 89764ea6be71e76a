"""Limit of the camera streams that are answered at once."""

import threading

from fer.app.server.limits import GONE_SECONDS


class StreamSlots:
    """Limit of the streams that are answered at once. A slot becomes free when its session ends or sends no frames.

    Gradio's own limit would keep the slot of a closed page until the time limit, and tell the waiting users nothing.

    Args:
        count: number of slots.
    """

    def __init__(self, count: int):
        self._count = count
        self._last = {}
        self._lock = threading.Lock()

    def acquire(self, session: str, seconds: float) -> bool:
        """Return whether a session has a slot or gets one.

        Args:
            session: name of the session.
            seconds: present time.
        """
        with self._lock:
            self._last = {who: when for who, when in self._last.items() if seconds - when < GONE_SECONDS}
            if session not in self._last and len(self._last) >= self._count:
                return False
            self._last[session] = seconds
            return True

    def release(self, session: str) -> None:
        """Free the slot of a session, if it has one."""
        with self._lock:
            self._last.pop(session, None)
