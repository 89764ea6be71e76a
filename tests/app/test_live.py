import base64
import io
import re
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest
from conftest import encode, texts
from PIL import Image

from fer.app.components.live_stream import RATE_SECONDS, StreamState
from fer.app.components.live_view import CHART_SECONDS, Followed, boxes, panel, spread
from fer.app.components.upload import decode_frame
from fer.app.demo import build_demo
from fer.app.pages import live
from fer.app.pages.live import _LivePage
from fer.app.server.limits import LIVE_BYTES
from fer.app.texts import say
from fer.detection.tracking import TrackedFace
from fer.labels import EMOTIONS
from fer.models.calibration import UNCALIBRATED


def face(number=1, left=0, side=90, label="happy", confident=True):
    probabilities = {emotion: 0.9 if emotion == label else 0.1 / 6 for emotion in EMOTIONS}
    return TrackedFace(number, (left, 0, left + side, side), label, probabilities, 0.9, confident)


def test_boxes_are_labelled_in_the_language_of_the_page():
    svg = boxes("de", (480, 360), [face(), face(2, left=200, label="sad", confident=False)])
    assert 'aria-label="1 fröhlich 90%; 2 traurig? 90%"' in svg
    assert texts(svg) == ["2 traurig? 90%", "1 fröhlich 90%"]


def test_the_panel_labels_the_line_of_each_emotion():
    points = [(float(second), face().probabilities) for second in range(5)]
    said = texts(panel("en", Followed(face(), True, points), 4.0, (4.96, 0.041)))
    assert "1 happy 90%" in said
    assert "5.0 frames per second, answered in 41 ms" in said
    assert {f"{label} {face().probabilities[label]:.0%}" for label in EMOTIONS} < set(said)
    assert set(texts(panel("en"))) < set(said)


def test_the_panel_says_that_a_face_is_out_of_sight():
    points = [(second, face().probabilities) for second in (0.0, 1.0, 5.0, 6.0)]
    said = texts(panel("en", Followed(face(), False, points), 6.0))
    assert "Face 1 is out of sight" in said
    assert "happy" in said


@pytest.mark.parametrize("classes", [7, 10, 11, 50])
def test_the_chart_names_the_most_probable_classes_and_has_a_line_for_each(classes):
    """From eleven classes on, the names of the first ones lay above the picture."""
    probabilities = {f"class {index}": 2 * (classes - index) / (classes * (classes + 1)) for index in range(classes)}
    many = replace(face(), label="class 0", probabilities=probabilities)
    page = panel("en", Followed(many, True, [(0.0, probabilities), (1.0, probabilities)]), 1.0)
    names = re.findall(r'<text x="242" y="([\d.-]+)"[^>]*>(class \d+) ', page)
    assert [name for _, name in names] == [f"class {index}" for index in reversed(range(min(classes, 10)))]
    assert all(float(y) >= 11 for y, _ in names)
    assert page.count('stroke-linejoin="round"') == classes


def test_labels_are_moved_apart_within_the_chart():
    assert spread([10, 100, 150], 20, 200) == [10, 100, 150]
    assert spread([10, 12, 199, 199, 200], 20, 200) == [10, 30, 160, 180, 200]


def test_the_largest_face_is_followed_until_another_is_clearly_larger():
    run = StreamState(0.0)
    assert run.followed([]) is None

    def follow(seconds, *faces):
        return run.followed(run.add(faces, UNCALIBRATED, seconds))

    assert follow(0.0, face(left=0), face(left=300, side=80)).face.number == 1
    assert follow(0.2, face(left=300, side=100), face(left=0)).face.number == 1
    assert follow(0.4, face(left=300, side=150), face(left=0)).face.number == 2
    chosen, in_sight, points = follow(0.6)
    assert (chosen.number, in_sight) == (2, False)
    assert [seconds for seconds, _ in points] == [0.0, 0.4]
    assert follow(0.8, face(left=0)).face.number == 1


def test_points_that_are_older_than_the_chart_are_dropped():
    run = StreamState(0.0)
    for second in range(100):
        faces = run.add([face()], UNCALIBRATED, float(second))
    points = run.followed(faces).points
    assert [points[0][0], points[-1][0]] == [99 - CHART_SECONDS, 99]


def test_rates_are_those_of_the_last_seconds():
    run = StreamState(0.0)
    assert run.count(0.0, 0.5) is None
    frames, seconds = run.count(1.0, 1.5)
    assert (frames, seconds) == (1, 0.5)
    start = 10 * RATE_SECONDS
    for number in range(11):
        rates = run.count(start + number / 10, start + number / 10 + 0.05)
    assert rates == pytest.approx((10, 0.05))


def test_a_frame_must_be_a_small_data_url():
    file = io.BytesIO()
    Image.new("RGB", (4, 3)).save(file, "JPEG")
    data = base64.b64encode(file.getvalue()).decode()
    assert decode_frame({"url": f"data:image/jpeg;base64,{data}"}) == file.getvalue()
    wrong = [
        None,
        {"url": None},
        {"url": "http://127.0.0.1/frame.jpg"},
        {"url": "data:image/jpeg;base64,a"},
        {"url": f"data:image/jpeg;base64,{'a' * (LIVE_BYTES + 4)}"},
    ]
    for frame in wrong:
        with pytest.raises(gr.Error, match="small picture"):
            decode_frame(frame)


def test_a_stream_that_fails_is_ended_without_the_queue():
    """Gradio's page would begin a new one with each frame of the camera."""
    events = build_demo(Future()).fns.values()
    read = next(event for event in events if event.connection == "stream")
    (fail,) = [event for event in events if event.trigger_after == read._id and event.trigger_only_on_failure]
    (show,) = [event for event in events if event.trigger_after == fail._id]
    assert not fail.queue
    assert not show.queue
    assert read.inputs[0] in fail.outputs
    assert read.inputs[0] in show.outputs


FRAME = {"url": f"data:image/png;base64,{base64.b64encode(encode(Image.new('RGB', (4, 3)))).decode()}"}
SOMEONE = SimpleNamespace(session_hash="a")


@pytest.fixture
def page():
    """The page while its model is loading."""
    with gr.Blocks():
        page = _LivePage(SimpleNamespace(served_model=Future(), live_people=1, live_seconds=300, on_device=False))
        page.lay_out(None)
    return page


def test_a_frame_that_is_answered_after_the_end_does_not_bring_the_stream_back(page):
    first = page.read(FRAME, None, "en", SOMEONE)[page.state]
    assert page.read(FRAME, first, "en", SOMEONE)[page.state] is first
    for end in (page.stop, page.fail):
        assert end(first, "en", SOMEONE)[page.state] is None
        second = page.read(FRAME, first, "en", SOMEONE)[page.state]
        assert second is not first
        first = second


@pytest.fixture
def clock(monkeypatch):
    """Clock of the page, which stands still: its time is `now`."""
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=100.0)
    monkeypatch.setattr(live, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("begun", "key"), [(None, "app.failed"), (99.8, "app.failed"), (100.2, "app.failed"), (103, "live.stopped")]
)
def test_a_frame_that_was_on_its_way_when_a_stream_failed_does_not_hide_why(page, clock, begun, key):
    assert page.fail(None, "en", SOMEONE)[page.message] == say("en", "app.failed")
    late = begun and StreamState(begun)
    clock.now += 5
    assert page.stop(late, "en", SOMEONE)[page.message] == say("en", key)
    # What comes later is another stream.
    assert page.stop(late, "en", SOMEONE)[page.message] == say("en", "live.stopped")


def test_the_failures_of_pages_that_were_closed_are_forgotten(page, clock):
    page.fail(None, "en", SOMEONE)
    clock.now += 1000
    page.fail(None, "en", SimpleNamespace(session_hash="b"))
    assert set(page._failures) == {"b"}


@pytest.mark.parametrize(("seconds", "key"), [(299.5, "live.stopped_by_itself"), (298, "live.stopped")])
def test_a_stream_that_ends_at_its_time_limit_has_stopped_by_itself(page, clock, seconds, key):
    stream = StreamState(clock.now)
    clock.now += seconds
    assert page.stop(stream, "en", SOMEONE)[page.message] == say("en", key, minutes=5)
