"""Tests of the video page in a browser."""

import itertools
import re
import threading

import pytest
from conftest import write_clip
from PIL import Image
from playwright.sync_api import expect

from fer.app.pages import video
from fer.images.drawing import draw_faces


@pytest.fixture(scope="module")
def pan(astronaut):
    """Function that yields pictures in which a face moves to the right."""
    photo = Image.open(astronaut).crop((140, 40, 310, 210))

    def draw(count):
        for index in range(count):
            picture = Image.new("RGB", (320, 240), "gray")
            picture.paste(photo, (index % 150, 30))
            yield picture

    return draw


def choose(page, path):
    """Upload a clip on the video page."""
    page.get_by_role("tab", name="Video").click()
    page.locator("#clip input[type=file]").set_input_files(path)
    expect(page.locator("#video-message")).to_contain_text("Ready")


def test_a_clip_gives_a_timeline_a_table_and_a_video(page, pan, tmp_path):
    choose(page, write_clip(tmp_path / "pan.mp4", list(pan(25)), sound=True))
    page.get_by_role("button", name="Read the clip").click()
    expect(page.locator("#video-message")).to_contain_text("Faces: 1. Frames read: 5, one every 0.2 s.")
    chart = page.locator("#timeline [role=img]")
    expect(chart).to_have_attribute("aria-label", re.compile("Expressions of face 1 over 1.0 s. happy 100%"))
    expect(page.locator("#timeline")).to_contain_text("surprise")
    video = page.locator("#video video")
    expect(video).to_be_visible()
    video.evaluate("video => video.play()")
    expect(video).to_have_js_property("ended", True)
    assert video.evaluate("video => [video.videoWidth, video.videoHeight, video.duration]") == [320, 240, 1]
    page.get_by_role("button", name="All frames as a table").click()
    expect(page.locator("#video-table")).to_contain_text("0.8")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").last.click()
    assert len(download.value.path().read_text().splitlines()) == 6


@pytest.mark.slow
def test_the_empty_page_is_in_the_visitors_language(open_page):
    page = open_page(locale="de-DE")
    page.get_by_role("tab", name="Video").click()
    page.get_by_role("button", name="Alle Bilder als Tabelle").click()
    expect(page.locator("#video-table")).to_contain_text("Gesicht")


@pytest.mark.slow
def test_a_clip_is_trimmed_in_the_browser(page, pan, tmp_path):
    choose(page, write_clip(tmp_path / "pan.mp4", list(pan(25))))
    page.get_by_role("button", name="Trim video to selection").click()
    with page.expect_request(re.compile("/upload$")):
        page.get_by_role("button", name="Trim", exact=True).click()


@pytest.fixture
def going_on(monkeypatch):
    """Event without which clips are not read beyond their first seconds; the page tells each step at once."""
    going_on, number = threading.Event(), itertools.count()

    def draw(*arguments):
        if next(number) > 10:
            assert going_on.wait(60)
        return draw_faces(*arguments)

    monkeypatch.setattr(video, "TELL_EVERY", 0)
    monkeypatch.setattr(video, "draw_faces", draw)
    yield going_on
    going_on.set()


@pytest.mark.slow
def test_reading_can_be_cancelled_and_started_again(page, pan, tmp_path, going_on):
    choose(page, write_clip(tmp_path / "long.mp4", list(pan(200)), rate=5))
    page.get_by_role("button", name="Read the clip").click()
    expect(page.locator("#video-message")).to_contain_text(re.compile(r"Reading: [1-9].* of 40\.0 s"))
    with page.expect_request("**/cancel*"):  # It is answered once a further frame has been read.
        page.get_by_role("button", name="Cancel").click()
    going_on.set()
    expect(page.locator("#video-message")).to_contain_text("Stopped before the end.")
    expect(page.get_by_text("Error")).not_to_be_visible()
    going_on.clear()
    page.get_by_role("button", name="Read the clip").click()
    expect(page.locator("#video-message")).to_contain_text("Reading: ")


@pytest.mark.slow
def test_an_unreadable_clip_gets_a_message(page, tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"hello")
    page.get_by_role("tab", name="Video").click()
    page.locator("#clip input[type=file]").set_input_files(path)
    expect(page.locator("#video-message")).to_contain_text("Ready")
    page.get_by_role("button", name="Read the clip").click()
    expect(page.locator("#video-message")).to_contain_text("clip.mp4: not a clip that can be read here")
