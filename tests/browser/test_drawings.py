"""Tests of the drawings in a browser: boxes, the chart of a stream, the timeline of a clip, and the bars of a face."""

import io

import numpy as np
import pytest
from conftest import record_clip
from PIL import Image, ImageColor
from playwright.sync_api import expect

from fer.app.components.face_panel import face_view
from fer.app.components.live_view import Followed, boxes, panel
from fer.app.components.timeline import timeline
from fer.app.theme import CSS
from fer.detection.tracking import TrackedFace
from fer.labels import EMOTION_COLORS, EMOTIONS
from fer.recognition.recognizer import Face


@pytest.fixture
def draw(browser):
    """Function that shows HTML on a white page in a new window, and returns the page."""
    context = browser.new_context(viewport={"width": 640, "height": 480})
    page = context.new_page()

    def draw(html, width=480):
        page.set_content(f"<style>{CSS} body {{ margin: 0; background: white }}</style>"
                         f'<div class="gradio-container" style="width: {width}px">{html}</div>')  # fmt: skip
        return page

    yield draw
    context.close()


def pixels(locator):
    """Return a screenshot of an element, int `(height, width, 3)`."""
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB"), int)


def is_in_colour(picture, label):
    """Return a bool mask `(height, width)` of the pixels that have an emotion's colour."""
    return np.abs(picture - ImageColor.getrgb(EMOTION_COLORS[label])).max(axis=-1) < 20


def face(number=1, box=(100, 60, 190, 150), label="happy", confident=True):
    probabilities = {emotion: 0.9 if emotion == label else 0.1 / 6 for emotion in EMOTIONS}
    return TrackedFace(number, box, label, probabilities, 0.9, confident)


def test_boxes_are_at_the_faces_in_the_colours_of_their_emotions(draw):
    page = draw(boxes("de", (480, 360), [face(), face(2, (300, 200, 340, 240), "sad", confident=False)]))
    svg = page.get_by_role("img", name="1 fröhlich 90%; 2 traurig? 90%")
    picture = pixels(svg)
    assert picture.shape[:2] == (360, 480)
    for label, (left, top, right, bottom) in (("happy", (100, 60, 190, 150)), ("sad", (300, 200, 340, 240))):
        drawn = is_in_colour(picture, label)
        middle = (left + right) // 2, (top + bottom) // 2
        assert drawn[middle[1], left]
        assert drawn[middle[1], right]
        assert drawn[bottom, middle[0]]
        assert not drawn[top + 5 : bottom - 5, left + 5 : right - 5].any()
    expect(svg).to_contain_text("1 fröhlich 90%")


def test_the_chart_has_a_line_per_emotion_with_gaps_while_the_face_is_out_of_sight(draw):
    page = draw(panel("en"))
    empty = pixels(page.locator("svg"))
    coloured = [label for label in EMOTIONS if label != "neutral"]  # Neutral is as grey as the axes.
    assert not any(is_in_colour(empty, label).any() for label in coloured)
    shape, place = empty.shape, page.locator("svg").bounding_box()
    points = [(float(second), face().probabilities) for second in (*range(10), *range(20, 30))]
    page = draw(panel("en", Followed(face(), True, points), 29.0, (4.96, 0.041)))
    picture = pixels(page.locator("svg"))
    assert (picture.shape, page.locator("svg").bounding_box()) == (shape, place)
    happy = is_in_colour(picture, "happy")
    height, width = happy.shape
    left, right = round(0.12 * width), round(0.58 * width)  # Edges of the plot area.
    columns = happy[:, left:right].any(axis=0)
    parts = np.flatnonzero(np.diff(columns.astype(int)))
    assert len(parts) in (2, 3)  # The line ends and continues; it may begin after the left edge.
    assert np.argwhere(happy[:, left:right])[:, 0].mean() < 0.25 * height
    assert all(is_in_colour(picture, label).any() for label in coloured)


@pytest.mark.parametrize("label", ["happy", "sad"])
def test_a_timeline_is_filled_in_proportion_to_the_probability_with_gaps(draw, label):
    def row(seconds, number, happy):
        probabilities = {"happy": happy, "sad": 1 - happy} if number else None
        return dict(seconds=seconds, face=number, box=[0, 0, 9, 9], label="happy", probabilities=probabilities,
                    confident=True)  # fmt: skip

    rows = [row(0.0, 1, 0.9), row(0.2, 1, 0.4), row(0.4, None, 0), row(0.6, 1, 0.8)]
    page = draw(timeline("en", record_clip(rows, 1.0)))
    lane = pixels(page.locator("svg").nth(["happy", "sad"].index(label)))
    full = is_in_colour(lane, label).mean(axis=0)
    width = len(full)
    shares = [full[round(place * width)] for place in (0.1, 0.3, 0.5, 0.8)]
    expected = [0.9, 0.4, 0, 0.8] if label == "happy" else [0.1, 0.6, 0, 0.2]
    assert shares == pytest.approx(expected, abs=0.08)


def test_the_bar_of_an_emotion_is_proportional_to_its_probability(draw):
    probabilities = dict(zip(EMOTIONS, (0.1, 0.2, 0.15, 0.3, 0.05, 0.12, 0.08), strict=True))
    shown = Face((0, 0, 90, 90), "happy", probabilities, 0.9, True, np.full((48, 48), 120, np.uint8))
    page = draw(face_view("en", EMOTIONS, shown, np.eye(6, dtype=np.float32)))
    assert page.get_by_role("img").count() == 2
    bars = {label: page.locator(".fill").nth(number).bounding_box()["width"] for number, label in enumerate(EMOTIONS)}
    longest = bars["happy"]
    for label, share in probabilities.items():
        assert bars[label] / longest == pytest.approx(share / 0.3, abs=0.05)
        colors = is_in_colour(pixels(page.locator(".fill").nth(EMOTIONS.index(label))), label)
        assert colors.mean() > 0.5


def test_drawings_have_the_same_size_with_and_without_a_face(draw):
    def shape(html, selector):
        return [element.bounding_box() for element in draw(html).locator(selector).all()]

    shown = Face((0, 0, 90, 90), "happy", face().probabilities, 0.9, True, np.full((48, 48), 120, np.uint8))
    assert shape(face_view("en", EMOTIONS), ".track") == shape(face_view("en", EMOTIONS, shown), ".track") != []
    row = dict(seconds=0.0, face=1, box=[0, 0, 9, 9], label="happy", probabilities=face().probabilities, confident=True)
    empty, full = (shape(timeline("en", record), ".lanes svg") for record in (None, record_clip([row], 1.0)))
    assert len(empty) == len(full) == len(EMOTIONS)
    assert [box["height"] for box in empty] == [box["height"] for box in full]
