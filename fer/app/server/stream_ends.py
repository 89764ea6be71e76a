"""Middleware that keeps Gradio's browser client from missing an answer.

The client receives the answers to its events in one stream, which the server closes after the last answer. If an event
is accepted (`queue/join`) before the client has read that its stream is closed, Gradio 6.31's client opens no new one:
the answer never arrives, and later events of the same kind wait for it.
"""

import json
from asyncio import sleep
from time import monotonic
from urllib.parse import parse_qs

from starlette.types import ASGIApp

from fer.app.server.intake import API

GRACE = 0.15
"""Seconds after the end of a session's stream in which no event of the session is confirmed."""
STREAM, JOIN = f"{API}queue/data", f"{API}queue/join"
"""Routes of the stream of answers, and of new events."""


class StreamEnds:
    """ASGI middleware that confirms an event only after the client has had time to read the end of its last stream.

    It must be outside of `fer.app.server.intake.Intake`, whose turn ends when the response begins: an event that waits
    here makes no other one wait.
    """

    def __init__(self, app: ASGIApp):
        self.app = app
        self._ends = {}

    async def __call__(self, scope, receive, send):
        path = scope.get("path", "").rstrip("/")
        if path.endswith(STREAM):
            await self.app(scope, receive, self._noting(scope, send))
        elif path.endswith(JOIN):
            await self._join(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _noting(self, scope, send):
        """Return a `send` that notes when the end of the session's stream is sent."""
        session = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0]

        async def send_and_note(message):
            if b'"close_stream"' in message.get("body", b""):
                now = monotonic()
                self._ends = {name: end for name, end in self._ends.items() if end > now - GRACE}
                self._ends[session] = now
            await send(message)

        return send_and_note

    async def _join(self, scope, receive, send):
        body = bytearray()

        async def receive_and_keep():
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def send_later(message):
            if message["type"] == "http.response.start" and message["status"] == 200:
                end = self._ends.get(_session_of(body), 0.0)
                await sleep(max(0.0, end + GRACE - monotonic()))
            await send(message)

        await self.app(scope, receive_and_keep, send_later)


def _session_of(body):
    """Return the session that the body of a request names; "" if it names none."""
    try:
        session = json.loads(body)["session_hash"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
    return session if isinstance(session, str) else ""
