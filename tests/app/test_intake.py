"""Tests of the middleware that checks requests, with an app of its own behind it."""

import asyncio
import json
from types import SimpleNamespace

import pytest

from fer.app.demo import launch
from fer.app.server import intake
from fer.app.server.stream_ends import StreamEnds

JOIN = "/gradio_api/queue/join"


class QueueingApp:
    """ASGI app that puts each call into a queue, and then answers it.

    waiting: the calls in the queue.
    """

    def __init__(self):
        self.waiting = []

    def get_blocks(self):
        """Return what `fer.app.server.calls.check_call` checks against; the test replaces that function."""
        return self

    async def __call__(self, scope, receive, send):
        body = (await receive())["body"]
        await asyncio.sleep(0)
        self.waiting.append(json.loads(body)["session_hash"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


@pytest.fixture
def app():
    return QueueingApp()


async def join(middleware, app, session, send):
    """Send a call of a session to the middleware."""
    messages = [{"type": "http.request", "body": json.dumps({"session_hash": session}).encode(), "more_body": False}]

    async def receive():
        return messages.pop()

    scope = {"type": "http", "method": "POST", "path": JOIN, "headers": [], "query_string": b"", "app": app}
    await middleware(scope, receive, send)


async def read(message):
    """Read a part of a response at once."""


def test_a_client_that_does_not_read_its_answer_makes_no_other_call_wait(app, monkeypatch):
    monkeypatch.setattr(intake, "check_call", lambda *_: None)

    async def never_read(message):
        await asyncio.Event().wait()

    async def run():
        middleware = StreamEnds(intake.Intake(app))
        first = asyncio.create_task(join(middleware, app, "a", never_read))
        async with asyncio.timeout(10):
            while not app.waiting:
                await asyncio.sleep(0)
            await join(middleware, app, "b", read)
        assert not first.done()
        first.cancel()

    asyncio.run(run())
    assert app.waiting == ["a", "b"]


def test_a_call_is_in_the_queue_before_the_next_one_is_checked(app, monkeypatch):
    seen = []
    monkeypatch.setattr(intake, "check_call", lambda demo, *_: seen.append(len(demo.waiting)))

    async def run():
        middleware = StreamEnds(intake.Intake(app))
        await asyncio.gather(*(join(middleware, app, str(number), read) for number in range(5)))

    asyncio.run(run())
    assert seen == [0, 1, 2, 3, 4]


def test_a_turn_ends_also_if_the_call_is_refused_or_fails(app, monkeypatch):
    async def fail(scope, receive, send):
        raise RuntimeError("broken")

    async def run():
        middleware = intake.Intake(fail)
        monkeypatch.setattr(intake, "check_call", lambda *_: None)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="broken"):
                async with asyncio.timeout(10):
                    await join(middleware, app, "a", read)

    asyncio.run(run())


def test_the_app_confirms_events_outside_of_the_turn(monkeypatch):
    kwargs = {}
    demo = SimpleNamespace(launch=kwargs.update, queue_limits=SimpleNamespace(sweeping=None), device_routes=[])
    monkeypatch.setattr("fer.app.demo.replace_gradio_parts", lambda: None)
    launch(demo)
    classes = [middleware.cls for middleware in kwargs["app_kwargs"]["middleware"]]
    assert classes.index(StreamEnds) < classes.index(intake.Intake)
