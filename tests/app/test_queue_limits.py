"""Tests of the limits on streams, and on answers that nobody fetches, against Gradio's own queue."""

import asyncio
import base64
import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest
from conftest import free_port, wait_for

from fer.app.demo import build_demo, launch
from fer.app.server import queue_limits
from fer.app.server.limits import KEEP_SECONDS, MAX_STREAMS, SWEEP_SECONDS
from fer.app.server.services import ServedModel
from fer.labels import EMOTIONS


@pytest.fixture
def period():
    """Seconds between two sweeps, and after which they remove an answer: none comes during a test."""
    return 600


@pytest.fixture
def app(monkeypatch, tmp_path, period):
    """An app with a fake recognizer, whose streams stay open: its client, its queue and the limits of the queue."""
    monkeypatch.setattr(queue_limits, "IDLE_SECONDS", 600)
    for name in ("SWEEP_SECONDS", "KEEP_SECONDS"):
        monkeypatch.setattr(queue_limits, name, period)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    recognizer = SimpleNamespace(model="fake", labels=EMOTIONS, image_size=48)
    served_model = Future()
    served_model.set_result(ServedModel(recognizer, source=None))
    demo = build_demo(served_model)
    _, url, _ = launch(demo, server_port=free_port(), quiet=True)
    with httpx.Client(base_url=f"{url}gradio_api/", timeout=60) as http:
        yield SimpleNamespace(http=http, demo=demo, queue=demo._queue, limits=demo.queue_limits)
    demo.close()


@pytest.fixture
def stream(app):
    """Function that opens a stream with its first frame, which is no picture, and returns the response."""
    frame = {"url": f"data:image/jpeg;base64,{base64.b64encode(b'frame').decode()}"}
    (number,) = (number for number, fn in app.demo.fns.items() if fn.connection == "stream" and fn.fn)
    body = {"data": [frame, None, "en"], "fn_index": number}

    def stream(session):
        return app.http.post("queue/join", json=body | {"session_hash": session})

    return stream


def wait_for_answers(app, count):
    """Wait until the app has finished this number of events that nobody fetches."""
    answers = app.queue.pending_messages_per_session
    events = app.queue.event_ids_to_events
    wait_for(lambda: not events and sum(queue.qsize() > 1 for queue in answers.values()) >= count)


def refusal(answer):
    assert answer.status_code == 503
    return answer.json()["detail"]


def messages(app, session):
    """Return the kinds of the messages of a session until its end."""
    with app.http.stream("GET", "queue/data", params={"session_hash": session}) as answers:
        return [json.loads(line[6:])["msg"] for line in answers.iter_lines() if line]


def test_a_session_has_one_stream(app, stream):
    assert stream("anna").is_success
    assert refusal(stream("anna")) == "A session may have one stream. Received: a second one"
    (event_id,) = app.queue.event_ids_to_events
    assert app.http.post(f"stream/{event_id}/close").is_success
    assert stream("anna").is_success


def test_streams_have_a_limit_that_leaves_jobs_for_others(app, stream):
    assert all(stream(f"session{number}").is_success for number in range(MAX_STREAMS))
    assert refusal(stream("another")) == f"All {MAX_STREAMS} streams are taken. Please try again in a minute."
    assert app.http.post("call/model", json={"data": []}).is_success
    wait_for_events = app.queue.event_queue_per_concurrency_id["live"]
    assert wait_for_events.concurrency_limit == MAX_STREAMS < app.queue.max_thread_count


def test_streams_that_come_at_once_do_not_pass_the_limit(app, stream):
    with ThreadPoolExecutor(3 * MAX_STREAMS) as threads:
        answers = list(threads.map(stream, (f"session{number}" for number in range(3 * MAX_STREAMS))))
    assert sum(answer.is_success for answer in answers) == MAX_STREAMS


def test_a_stream_without_a_second_frame_is_closed(app, stream, monkeypatch):
    monkeypatch.setattr(queue_limits, "IDLE_SECONDS", 0)
    assert stream("anna").is_success
    assert messages(app, "anna")[-2:] == ["process_completed", "close_stream"]
    wait_for(lambda: not app.queue.event_ids_to_events)
    assert not app.limits._timers


def test_each_frame_of_a_stream_gives_it_more_time(app, stream, monkeypatch):
    calls = []
    for name in ("begin_frame", "end_frame"):
        monkeypatch.setattr(app.limits, name, lambda session, name=name: calls.append((name, session)))
    event_id = stream("anna").json()["event_id"]
    for number in (1, 2, 3):
        wait_for(lambda number=number: calls.count(("end_frame", "anna")) == number)
        body = {"data": [{"url": "data:image/jpeg;base64,"}, None, "en"]}
        assert app.http.post(f"stream/{event_id}", json=body).is_success
    # The first is that of the join.
    assert calls[:7] == [("begin_frame", "anna"), *[("begin_frame", "anna"), ("end_frame", "anna")] * 3]


def test_a_further_frame_cancels_the_end_of_a_stream(app, stream):
    async def restart():
        app.limits.end_frame("anna")
        first = app.limits._timers["anna"]
        app.limits.end_frame("anna")
        second = app.limits._timers["anna"]
        app.limits.begin_frame("anna")
        return first.cancelled(), second.cancelled()

    assert asyncio.run(restart()) == (True, True)
    assert not app.limits._timers


def test_answers_that_nobody_fetches_are_removed(app):
    sessions = [app.http.post("call/model", json={"data": []}).json()["event_id"] for _ in range(3)]
    wait_for_answers(app, 3)
    app.limits.forget_answers(60)
    assert set(app.queue.pending_messages_per_session) == set(app.queue.pending_event_ids_session) == set(sessions)
    assert "complete" in app.http.get(f"call/model/{sessions[0]}").text
    app.limits.forget_answers(60)
    assert set(app.queue.pending_messages_per_session) == set(app.queue.pending_event_ids_session) == set(sessions[1:])
    app.limits.forget_answers(0)
    assert not app.queue.pending_messages_per_session
    assert not app.queue.pending_event_ids_session
    assert "Not Found" in app.http.get(f"call/model/{sessions[1]}").text
    assert KEEP_SECONDS + SWEEP_SECONDS <= 600


@pytest.mark.parametrize("period", [0.01])
def test_the_sweep_runs_while_the_app_is_served(app):
    app.http.post("call/model", json={"data": []})
    wait_for(lambda: not app.queue.event_ids_to_events and not app.queue.pending_event_ids_session)


def test_a_session_with_an_open_event_loses_only_its_old_answers(app, stream):
    (number,) = (number for number, fn in app.demo.fns.items() if fn.api_name == "model")
    answer = app.http.post("queue/join", json={"data": [], "fn_index": number, "session_hash": "anna"}).json()
    wait_for_answers(app, 1)
    opened = stream("anna").json()["event_id"]
    wait_for(lambda: app.queue.event_ids_to_events[opened].run_time)
    app.limits.forget_answers(0)
    assert app.queue.pending_event_ids_session == {"anna": {opened}}
    app.http.post(f"stream/{opened}/close")
    with app.http.stream("GET", "queue/data", params={"session_hash": "anna"}) as answers:
        text = "".join(answers.iter_text())
    assert "process_completed" in text
    assert answer["event_id"] not in text


def test_above_the_limit_the_oldest_unread_answers_are_removed_and_nobody_is_refused(app, monkeypatch):
    monkeypatch.setattr(queue_limits, "MAX_UNREAD", 2)
    sessions = []
    for number in range(4):
        answer = app.http.post("call/model", json={"data": []})
        assert answer.is_success
        sessions.append(answer.json()["event_id"])
        wait_for_answers(app, min(number + 1, 2))
        app.limits.forget_answers(600, most=100)  # The sweep, which notes when an event has ended.
    assert "Not Found" in app.http.get(f"call/model/{sessions[0]}").text
    assert all("complete" in app.http.get(f"call/model/{name}").text for name in sessions[-2:])


def test_a_page_whose_connection_broke_can_begin_a_new_stream(app, stream):
    event_id = stream("anna").json()["event_id"]
    wait_for(lambda: app.queue.event_ids_to_events[event_id].run_time)
    app.queue.event_ids_to_events[event_id].alive = False  # As Gradio does when the connection breaks.
    assert stream("anna").is_success
    wait_for(lambda: event_id not in app.queue.event_ids_to_events)


def test_a_running_event_keeps_its_place_when_it_is_cancelled_and_a_waiting_one_is_removed(app, monkeypatch):
    go = threading.Event()
    ((number, fn),) = ((number, fn) for number, fn in app.demo.fns.items() if fn.api_name == "model")
    monkeypatch.setattr(fn, "fn", lambda: go.wait(30) and {})
    bodies = [{"fn_index": number, "session_hash": session} for session in ("anna", "bert")]
    first, second = [app.http.post("queue/join", json=body | {"data": []}).json() for body in bodies]
    wait_for(lambda: any(app.queue.active_jobs))
    for fn_index in (number, str(number)):
        cancelled = app.http.post("cancel", json=bodies[0] | first | {"fn_index": fn_index})
        assert cancelled.json() == {"success": True}
        assert any(app.queue.active_jobs)
    assert app.http.post("cancel", json=bodies[1] | second).json() == {"success": True}
    assert set(app.queue.event_ids_to_events) == {first["event_id"]}
    go.set()
    assert messages(app, "anna")[-2:] == ["process_completed", "close_stream"]
    assert app.http.post("cancel", json=bodies[0] | first).json() == {"success": True}


def test_the_state_of_a_session_without_events_is_removed(app, stream):
    (number,) = (number for number, fn in app.demo.fns.items() if fn.api_name == "model")
    app.http.post("queue/join", json={"data": [], "fn_index": number, "session_hash": "anna"})
    stream("bert")
    wait_for(lambda: len(app.demo.state_holder.session_data) == 2)
    app.limits.forget_sessions(60)
    assert set(app.demo.state_holder.session_data) == {"anna", "bert"}
    wait_for(lambda: [event.session_hash for event in app.queue.event_ids_to_events.values()] == ["bert"])
    app.limits.forget_sessions(0)
    assert set(app.demo.state_holder.session_data) == set(app.demo.state_holder.time_last_used) == {"bert"}
