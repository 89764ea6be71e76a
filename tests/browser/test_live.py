"""Tests of the live page when the server reads the frames.

Chromium's fake camera plays a clip of the astronaut moving from side to side.
"""

import math
import re
from functools import partial

import pytest
from conftest import serve_app, wait_for
from PIL import Image
from playwright.sync_api import expect

from fer.app.components import live_stream
from fer.app.server import stream_slots

from .conftest import CHROMIUM, OPTIONS, TIMEOUT, note_breach
from .test_privacy import files_of_people

FRAMES, SIZE = 60, (480, 360)
START = "[title='grant webcam access'] button"
RECORD = "button[aria-label='capture photo']"
"""Selectors of Gradio's buttons: access the camera; start or stop recording."""


@pytest.fixture(scope="module")
def camera(playwright, astronaut, tmp_path_factory):
    """Chromium, whose fake camera repeats six seconds in which the face moves by its own width.

    It moves so slowly that it is tracked even if a busy machine reads but one picture in a second.
    """
    clip = tmp_path_factory.mktemp("camera") / "astronaut.y4m"
    with Image.open(astronaut) as image, clip.open("wb") as file:
        person = image.convert("RGB")
        file.write(b"YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420jpeg\n" % SIZE)
        for number in range(FRAMES):
            frame = Image.new("RGB", SIZE, (90, 110, 130))
            frame.paste(person, (round(-20 + 60 * math.sin(2 * math.pi * number / FRAMES)), 0))
            light, *colors = frame.convert("YCbCr").split()
            file.write(b"FRAME\n" + light.tobytes())
            for color in colors:
                file.write(color.reduce(2).tobytes())
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM, args=[*OPTIONS.split(), f"--use-file-for-fake-video-capture={clip}"]
    )
    yield browser
    browser.close()


@pytest.fixture
def go_live(camera, breaches):
    """Function that opens an app's live page in a new window and starts the stream: `go_live(url)`."""
    contexts = []

    def go_live(url):
        contexts.append(camera.new_context(viewport={"width": 390, "height": 844}, locale="en-US"))
        contexts[-1].on("console", lambda message: note_breach(breaches, message))
        contexts[-1].set_default_timeout(TIMEOUT)
        page = contexts[-1].new_page()
        page.goto(url)
        expect(page.locator("#model")).to_contain_text("Model: ")
        page.get_by_role("tab", name="Live").click()
        page.locator("#live-switch input").uncheck()
        page.locator(START).click()
        page.locator(RECORD).click()
        return page

    yield go_live
    for context in contexts:
        context.close()


def drawn_boxes(page):
    """Return the locator of the overlay of boxes, whose accessible name lists the faces."""
    return page.locator("#live-stage").get_by_role("img", name=re.compile("^1 "))


def wait_for_movement(page, pixels):
    """Wait until the first face's label has moved on the page by this number of pixels."""
    label, places = drawn_boxes(page).get_by_text(re.compile(r"^1 \w+ \d+%$")), set()

    def has_moved():
        if place := label.bounding_box():
            places.add(place["x"])
        return places and max(places) - min(places) > pixels

    wait_for(has_moved)


def test_a_moving_face_keeps_its_number_until_the_stream_is_stopped(go_live, app_url, monkeypatch):
    # Frames may be seconds apart on a busy machine.
    monkeypatch.setattr(live_stream, "FaceTracker", partial(live_stream.FaceTracker, lost_seconds=60))
    page = go_live(app_url)
    expect(page.locator("#live-panel")).to_contain_text(re.compile(r"\d\.\d frames per second"))
    expect(page.locator("#live-message")).to_contain_text("Faces in sight: 1.")
    wait_for_movement(page, 15)
    expect(drawn_boxes(page)).to_have_accessible_name(re.compile(r"^1 happy \d+%$"))
    expect(page.locator("#live-panel")).to_contain_text(re.compile(r"1 happy \d+%"))
    under = pytest.approx(page.locator("#camera video").bounding_box(), abs=3)
    wait_for(lambda: drawn_boxes(page).bounding_box() == under)  # It has no place while the next one replaces it.
    height = page.locator("#live-panel").bounding_box()["height"]
    page.locator(RECORD).click()
    expect(page.locator("#live-message")).to_contain_text("Stopped; the camera is off.")
    expect(page.locator(START)).to_be_visible()
    expect(drawn_boxes(page)).to_have_count(0)
    assert page.locator("#live-panel").bounding_box()["height"] == height


@pytest.mark.slow
def test_on_a_slow_connection_frames_are_dropped_and_not_queued(go_live, app_url):
    page = go_live(app_url)
    expect(page.locator("#live-panel")).to_contain_text("frames per second")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 60_000}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    under_way, most = set(), []

    def is_frame(request):
        return bool(re.search(r"/stream/\w+$", request.url))

    def begin(request):
        if is_frame(request):
            under_way.add(request)
            most.append(len(under_way))

    page.on("request", begin)
    page.on("requestfinished", lambda request: under_way.discard(request))
    for _ in range(4):
        page.wait_for_event("requestfinished", is_frame)
    assert max(most) <= 2  # A request may begin before the browser has reported the end of the one before.


@pytest.mark.slow
def test_another_person_waits_for_a_free_place_and_no_frame_is_on_disk(go_live, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    # On a busy machine the first page may send no frame for seconds, while the second one is loaded.
    monkeypatch.setattr(stream_slots, "GONE_SECONDS", 30)
    with serve_app(live_people=1) as url:
        first = go_live(url)
        expect(first.locator("#live-message")).to_contain_text("Faces in sight: 1.")
        second = go_live(url)
        expect(second.locator("#live-message")).to_contain_text("Busy: all places (1) are taken.")
        assert drawn_boxes(second).count() == 0
        assert files_of_people(tmp_path) == []
        first.locator(RECORD).click()
        expect(first.locator("#live-message")).to_contain_text("Stopped; the camera is off.")
        expect(second.locator("#live-message")).to_contain_text("Faces in sight: 1.")


@pytest.mark.slow
@pytest.mark.parametrize("accepted", [False, True])
def test_a_stream_that_is_refused_switches_the_camera_off_and_is_not_repeated(go_live, app_url, accepted):
    page = go_live(app_url)
    expect(page.locator("#live-message")).to_contain_text("Faces in sight: 1.")
    page.locator(RECORD).click()
    expect(page.locator("#live-message")).to_contain_text("Stopped; the camera is off.")
    joins, endings = [], []

    # The page sends frames until the camera is hidden. Here it is hidden while the second of them is on its way.
    def refuse(route):
        joins.append(route)
        if len(joins) != 2:
            route.fulfill(status=503, json={"detail": "The queue is full."})
            return
        if accepted:
            route.continue_()
        for ending in endings:
            ending.continue_()

    page.route("**/queue/join*", refuse)
    page.route("**/run/predict*", lambda route: route.continue_() if len(joins) > 1 else endings.append(route))
    page.locator(START).click()
    page.locator(RECORD).click()
    expect(page.locator("#live-message")).to_contain_text("This could not be answered. Please try again.")
    expect(page.locator(START)).to_be_visible()
    count = len(joins)
    page.wait_for_timeout(1_000)
    assert 0 < len(joins) == count
    expect(page.locator("#live-message")).to_contain_text("This could not be answered. Please try again.")


@pytest.mark.slow
def test_a_stream_ends_after_its_time_limit(go_live, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with serve_app(live_seconds=2) as url:
        page = go_live(url)
        expect(page.locator("#live-message")).to_contain_text("Stopped by itself")
        expect(page.locator(START)).to_be_visible()
        assert files_of_people(tmp_path) == []
