"""Tests of the middleware that confirms no event before the client has read the end of its stream."""

import asyncio
import json

import pytest

from fer.app.server import stream_ends
from fer.app.server.stream_ends import GRACE, JOIN, STREAM, StreamEnds

CLOSE = b'data: {"msg":"close_stream","event_id":null}\n\n'


@pytest.fixture
def waits(monkeypatch):
    """Seconds that the middleware waited, by a clock that stands still."""
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr(stream_ends, "sleep", sleep)
    monkeypatch.setattr(stream_ends, "monotonic", lambda: 1000.0)
    return waited


async def answer(scope, receive, send):
    """App that closes each stream, and accepts each event."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": CLOSE if scope["path"] == STREAM else b"{}"})


def request(app, path, session, body=None):
    """Send a request, and return the messages of its response."""
    sent = []
    body = json.dumps({"session_hash": session}).encode() if body is None else body

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "query_string": f"session_hash={session}".encode()}
    asyncio.run(app(scope, receive, send))
    return sent


def test_an_event_right_after_the_end_of_its_sessions_stream_waits(waits):
    app = StreamEnds(answer)
    request(app, JOIN, "a")
    assert waits == [0.0]
    request(app, STREAM, "a")
    assert [message["type"] for message in request(app, JOIN, "a")] == ["http.response.start", "http.response.body"]
    assert waits == [0.0, pytest.approx(GRACE)]


def test_events_of_other_sessions_and_later_events_do_not_wait(waits, monkeypatch):
    app = StreamEnds(answer)
    request(app, STREAM, "a")
    request(app, JOIN, "b")
    monkeypatch.setattr(stream_ends, "monotonic", lambda: 1000.0 + GRACE)
    request(app, JOIN, "a")
    assert waits == [0.0, 0.0]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"session_hash": ["a"]}', b"\xff", b"[" * 100_000])
def test_an_event_without_a_session_does_not_wait(waits, body):
    app = StreamEnds(answer)
    request(app, STREAM, "a")
    assert len(request(app, JOIN, "a", body)) == 2
    assert waits == [0.0]
