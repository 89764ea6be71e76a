"""Limits of Gradio's queue and sessions that Gradio has no arguments for.

- A stream that sends no second frame would hold one of the queue's forty jobs until its time limit: forty of them would
  stop the answers to everybody.
- An answer that nobody fetches would be kept for as long as the app runs, with the names of photos.
- An event that is cancelled would free its place in the queue while its thread runs on: any number could run at once.
- The state of a session would be kept until `SESSIONS` others come, with the faces of the last answer.

Gradio shows none of them, so this module reads `gr.Blocks._queue`, closes streams as Gradio's route
`stream/{event_id}/close` does, and removes such answers and sessions. tests/app/test_queue_limits.py fails when Gradio
changes.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from math import inf
from time import monotonic

import gradio as gr
from gradio.block_function import BlockFunction
from starlette.exceptions import HTTPException

from fer.app.server.limits import IDLE_SECONDS, KEEP_SECONDS, MAX_STREAMS, MAX_UNREAD, SWEEP_SECONDS

LOG = logging.getLogger(__name__)


def is_stream_event(fn: BlockFunction | int) -> bool:
    """Return whether a function answers a stream of frames."""
    return getattr(fn, "connection", None) == "stream"


class QueueLimits:
    """Limits of the queue of an app. All methods must be called in the app's event loop, as Gradio's own code is.

    Args:
        demo: the app.
    """

    def __init__(self, demo: gr.Blocks):
        self._demo = demo
        self._timers = {}
        self._ended = {}

    def check(self, fn: BlockFunction, session: str | None) -> None:
        """Check that a further event may be accepted.

        Args:
            fn: function of the event.
            session: name of the event's session, if it has one.

        Raises:
            HTTPException: with status 503 if the event is a stream and its session has one already or `MAX_STREAMS` are
                open.
        """
        if self._count_unread() >= MAX_UNREAD:
            self.forget_answers(KEEP_SECONDS, most=MAX_UNREAD - 1)
        if not is_stream_event(fn):
            return
        if any(event.session_hash == session and not event.alive for event in self._streams()):
            self._close(session)  # Its connection broke, and the page begins anew.
        streams = [event for event in self._streams() if event.alive]
        if any(event.session_hash == session for event in streams):
            raise HTTPException(503, "A session may have one stream. Received: a second one")
        if len(streams) >= MAX_STREAMS:
            raise HTTPException(503, f"All {MAX_STREAMS} streams are taken. Please try again in a minute.")
        self.begin_frame(session)

    def may_cancel(self, fn: BlockFunction, session: str) -> bool:
        """Return whether Gradio may cancel the events of a function in a session.

        It may if the function yields, since its thread then ends at the next `yield`, or if none of them runs.
        """
        running = (event for job in self._demo._queue.active_jobs for event in job or ())
        return fn.types_generator or not any(event.fn is fn and event.session_hash == session for event in running)

    def begin_frame(self, session: str) -> None:
        """Keep the stream of a session open while one of its frames is answered."""
        if timer := self._timers.pop(session, None):
            timer.cancel()

    def end_frame(self, session: str) -> None:
        """Close the stream of a session in `IDLE_SECONDS` unless another frame arrives."""
        self.begin_frame(session)
        self._timers[session] = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close, session)

    def forget_answers(self, age: float, most: int = MAX_UNREAD) -> None:
        """Remove what nobody fetches: answers whose events ended some time ago, and sessions without events.

        Args:
            age: seconds since a call of this method first found the event ended.
            most: number of answers that are kept; above it the oldest ones are removed too.
        """
        queue, events, now = self._demo._queue, self._events(), monotonic()
        answers, waiting = queue.pending_messages_per_session, queue.pending_event_ids_session
        ended = {name for names in waiting.values() for name in names if name not in events}
        self._ended = {name: self._ended.get(name, now) for name in ended}
        newest = sorted(self._ended, key=self._ended.get, reverse=True)[:most]
        old = self._ended.keys() - {name for name in newest if now - self._ended[name] < age}
        busy = {event.session_hash for event in events.values()}
        for session in {*answers, *waiting}:
            names = waiting.get(session, set())
            names -= old
            if not names and session not in busy:
                answers.pop(session, None)
                waiting.pop(session, None)
            elif session in answers:
                _remove(answers[session], old)

    def forget_sessions(self, age: float) -> None:
        """Remove the state of the sessions that have had no event for `age` seconds and have none now."""
        holder, now = self._demo.state_holder, datetime.now()
        busy = {event.session_hash for event in self._events().values()}
        with holder.lock:
            for session, used in list(holder.time_last_used.items()):
                if session not in busy and (now - used).total_seconds() >= age:
                    holder.session_data.pop(session, None)
                    del holder.time_last_used[session]

    @asynccontextmanager
    async def sweeping(self, app: object) -> AsyncIterator[None]:
        """Forget answers and sessions each `SWEEP_SECONDS`; for `launch(app_kwargs={"lifespan": …})`."""
        task = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            task.cancel()

    async def _sweep(self):
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                # A sweep may come as late as one period after an event has ended, and as late after the age.
                self.forget_answers(KEEP_SECONDS - SWEEP_SECONDS)
                self.forget_sessions(KEEP_SECONDS)
            except Exception as error:
                LOG.warning("Old answers could not be removed: %s: %s", type(error).__name__, error)

    def _events(self):
        """Return the events that wait or run, by their number."""
        return self._demo._queue.event_ids_to_events

    def _streams(self):
        """Return the events of the open streams, those whose connection broke among them."""
        return [event for event in self._events().values() if event.streaming and not event.closed]

    def _count_unread(self):
        """Return the number of answers that are ready; those of pages that were closed are not kept at all."""
        queue, events = self._demo._queue, self._events()
        answers = queue.pending_messages_per_session
        return sum(
            len(names - events.keys())
            for session, names in queue.pending_event_ids_session.items()
            if names and session in answers and not answers[session].empty()
        )

    def _close(self, session):
        self._timers.pop(session, None)
        for event in self._events().values():
            if event.streaming and event.session_hash == session:
                event.run_time, event.closed = inf, True
                event.signal.set()


def _remove(messages, old):
    """Remove the messages of these events from an `asyncio.Queue`."""
    for _ in range(messages.qsize()):
        message = messages.get_nowait()
        if message.event_id not in old:
            messages.put_nowait(message)
