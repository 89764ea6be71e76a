"""Tests of the photo page and the live page with recognition in the browser, and of the fallback to the server."""

import json
import re
from dataclasses import asdict

import pytest
from conftest import texts
from PIL import Image
from playwright.sync_api import expect

from fer.app.components.live_view import Followed, panel
from fer.app.texts import TEXTS
from fer.detection.tracking import TrackedFace
from fer.images.loading import load_image
from fer.labels import class_colors

from .conftest import TIMEOUT

REFUSE = """() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NAME"));
}"""
"""Function after which the browser refuses the camera with the error NAME."""
FRAMES = re.compile(r"\d+\.\d frames per second")


def open_live(page):
    """Open the live page, and return the locator of its message."""
    expect(page.locator("#model")).to_contain_text("Model: ")
    page.get_by_role("tab", name="Live").click()
    expect(page.locator("#live-device .message")).to_contain_text("Start the camera.")
    return page.locator("#live-device .message")


def start(page):
    """Start the camera, and wait for the first frames."""
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#live-device")).to_contain_text(FRAMES)


def camera_state(page):
    """Return the state of the camera track that `keep_track` has kept."""
    return page.evaluate("window.track.readyState")


def keep_track(page):
    """Keep the current camera track in the page, so that its state can be read later."""
    page.evaluate("window.track = document.querySelector('#live-device video').srcObject.getVideoTracks()[0]")


@pytest.fixture
def on_device(page):
    """The photo page with recognition in the browser switched on."""
    expect(page.locator("#model")).to_contain_text("Model: ")
    page.locator("#photo-switch input").check()
    return page


def upload(page, path):
    page.locator("#photo-device input[type=file]").set_input_files(path)


def test_a_photo_is_recognized_as_by_the_server_and_nothing_is_sent(on_device, astronaut, share, recognizer):
    page, asked = on_device, []
    upload(page, astronaut)
    message = page.locator("#photo-device .message")
    expect(message).to_have_text(f"One face: happy {share}.")
    page.context.on("request", lambda request: asked.append(request.url))
    upload(page, astronaut)
    expect(message).to_have_text(f"One face: happy {share}.")
    expect(page.locator("#photo-device")).to_contain_text("Where it looked for “happy”")
    expect(page.locator("#photo-device table")).to_contain_text(share)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download JSON").click()
    record = json.loads(saved.value.path().read_text("utf-8"))
    (face,) = recognizer.recognize(load_image(astronaut))
    assert record["image"] == "astronaut.jpg"
    assert record["faces"][0]["box"] == pytest.approx(face.box, abs=2)
    assert record["faces"][0]["probabilities"] == pytest.approx(face.probabilities, abs=0.01)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download picture").click()
    with Image.open(saved.value.path()) as picture:
        assert (picture.format, picture.size) == ("JPEG", (512, 512))
    assert [url for url in asked if not url.startswith("blob:")] == []


COUNT = """() => {
    window.decoded = 0;
    const create = window.createImageBitmap;
    window.createImageBitmap = (...values) => (window.decoded++, create(...values));
}"""
"""Function after which `decoded` counts the photos that the page decodes."""
STEPS = """(slider) => {
    for (let value = 1; value <= 10; value++) {
        slider.value = value;
        slider.dispatchEvent(new Event("change"));
    }
}"""
"""Function that moves a slider by ten steps, as arrow keys do."""


def test_a_photo_is_read_once_after_several_steps_of_the_slider(on_device, astronaut):
    page = on_device
    upload(page, astronaut)
    message = page.locator("#photo-device .message")
    expect(message).to_contain_text("One face")
    page.evaluate(COUNT)
    page.locator("#photo-device").get_by_role("slider").evaluate(STEPS)
    expect(message).to_contain_text("One face")
    assert page.evaluate("window.decoded") == 1


def test_live_sends_no_request_after_loading(page):
    message, asked = open_live(page), []
    start(page)
    page.context.on("request", lambda request: asked.append(request.url))
    expect(message).to_contain_text("Faces in sight: 1.")
    expect(page.locator("#live-device").get_by_role("img", name=re.compile(r"^\d+ happy \d+%$"))).to_be_visible()
    page.wait_for_timeout(2000)
    keep_track(page)
    page.get_by_role("button", name="Stop").click()
    expect(message).to_contain_text("Stopped; the camera is off.")
    assert camera_state(page) == "ended"
    assert asked == []


DRAW = """async ({ face, points, colors }) => {
    const [{ Drawing }, { loadSettings, Texts }] = await Promise.all(
        ["chart", "tools"].map((name) => import(`/device/page/${name}.js`)),
    );
    const settings = await loadSettings();
    return new Drawing(settings, new Texts(settings.texts), colors).panel({ face, inSight: true, points }, 1);
}"""
"""Function that draws the chart of a face in the browser."""


@pytest.mark.slow  # Opens a new page.
def test_the_chart_of_many_classes_is_that_of_the_server(page):
    probabilities = {f"class {index}": (12 - index) / 78 for index in range(12)}
    face = TrackedFace(1, (0, 0, 90, 90), "class 0", probabilities, 0.9, True)
    points = [(0.0, probabilities), (1.0, probabilities)]
    told = {"face": asdict(face), "colors": class_colors(probabilities)}
    told["points"] = [{"seconds": seconds, "probabilities": shares} for seconds, shares in points]
    drawn = page.evaluate(DRAW, told)
    assert texts(drawn) == texts(panel("en", Followed(face, True, points), 1.0))
    assert "class 9 4%" in texts(drawn)
    assert drawn.count('stroke-linejoin="round"') == 12


@pytest.mark.slow  # Loads the networks into a new page.
def test_a_face_is_selected_with_arrow_keys_and_by_click(on_device, two_faces):
    page = on_device
    upload(page, two_faces)
    expect(page.locator("#photo-device .message")).to_contain_text("2 faces, the largest first")
    first, second = (page.get_by_role("radio", name=f"{number} happy") for number in (1, 2))
    first.focus()
    page.keyboard.press("ArrowRight")
    expect(second).to_be_checked()
    expect(second).to_be_focused()
    picture = page.get_by_role("img", name="The photo with a numbered box around each face")
    scale = picture.bounding_box()["width"] / 900
    picture.click(position={"x": 220 * scale, "y": 120 * scale})
    expect(first).to_be_checked()
    picture.click(position={"x": 699 * scale, "y": 229 * scale})
    expect(second).to_be_checked()
    page.locator("#photo-device").get_by_role("slider").fill("10")
    expect(page.locator("#photo-device .message")).to_contain_text("One face")
    page.locator("#photo-device").get_by_label("The picture is already a single face").check()
    expect(page.locator("#photo-device table")).to_contain_text("1")


@pytest.mark.slow  # Opens a new page.
def test_a_load_that_failed_can_be_tried_again(page):
    expect(page.locator("#model")).to_contain_text("Model: ")
    page.route("**/page.json", lambda route: route.abort(), times=1)
    switch = page.locator("#photo-switch input")
    switch.click()
    expect(page.locator("#photo-device")).to_contain_text("⚠️")
    expect(switch).not_to_be_checked()
    switch.check()
    expect(page.locator("#photo-device .drop")).to_be_visible()


@pytest.mark.slow  # Loads the networks into a new page.
def test_two_pages_that_wait_for_the_model_show_the_progress(on_device, astronaut):
    page, held = on_device, []
    page.route("**/networks/*", lambda route: held.append(route))
    upload(page, astronaut)
    for view in ("photo", "live"):
        if view == "live":
            open_live(page)
            page.get_by_role("button", name="Start the camera").click()
        expect(page.locator(f"#{view}-device progress")).to_be_visible()
        page.wait_for_function(f"document.querySelector('#{view}-device progress').value > 0")
    for route in held:
        route.continue_()
    expect(page.locator("#live-device")).to_contain_text(FRAMES)


@pytest.mark.slow
def test_an_undecodable_picture_gets_a_message(on_device):
    on_device.locator("#photo-device input[type=file]").set_input_files(
        {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"hello"}
    )
    message = on_device.locator("#photo-device .message")
    expect(message).to_contain_text("Your browser cannot decode this picture. Switch “On this device” off")
    expect(on_device.locator("#photo-device").get_by_role("button", name="Download JSON")).to_be_disabled()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "This page may not use the camera."),
        ("NotFoundError", "No camera was found."),
        ("NotReadableError", "another program may be using it"),
        ("OtherError", "The camera cannot be opened: no"),
    ],
)
def test_errors_of_the_camera_on_the_live_page_get_a_message(page, name, words):
    message = open_live(page)
    page.evaluate(REFUSE.replace("NAME", name))
    page.get_by_role("button", name="Start the camera").click()
    expect(message).to_contain_text(words)
    expect(page.get_by_role("button", name="Start the camera")).to_be_visible()


@pytest.mark.slow
def test_a_photo_of_the_camera_is_recognized_and_the_camera_is_released(on_device, share):
    page, message = on_device, on_device.locator("#photo-device .message")
    page.get_by_role("button", name="Take a photo with the camera").click()
    expect(message).to_have_text("The camera is on. Press “Take the photo”.")
    capture = page.get_by_role("button", name="Take the photo")
    expect(capture).to_be_focused()
    page.evaluate("window.track = document.querySelector('#photo-device video').srcObject.getVideoTracks()[0]")
    page.keyboard.press("Enter")
    expect(message).to_contain_text("One face: happy")
    assert camera_state(page) == "ended"
    expect(capture).to_be_hidden()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download JSON").click()
    assert json.loads(saved.value.path().read_text("utf-8"))["image"] == "camera.png"
    for leave in (
        page.get_by_role("button", name="Cancel"),
        page.get_by_role("tab", name="About"),
        page.locator("#photo-switch input"),
    ):
        page.get_by_role("tab", name="Photo").click()
        page.get_by_role("button", name="Take a photo with the camera").click()
        expect(message).to_contain_text("The camera is on.")
        page.evaluate("window.track = document.querySelector('#photo-device video').srcObject.getVideoTracks()[0]")
        leave.locator("visible=true").click()
        page.wait_for_function("window.track.readyState === 'ended'")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [("NotAllowedError", "This page may not use the camera."), ("NotFoundError", "No camera was found.")],
)
def test_errors_of_the_camera_on_the_photo_page_get_a_message(on_device, name, words):
    on_device.evaluate(REFUSE.replace("NAME", name))
    on_device.get_by_role("button", name="Take a photo with the camera").click()
    expect(on_device.locator("#photo-device .message")).to_contain_text(words)
    expect(on_device.get_by_role("button", name="Take the photo")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("locale", "model", "undecodable", "fallback"),
    [
        ("de-DE", "Modell: ", "Ihr Browser kann dieses Bild nicht dekodieren.", "diesem fehlt OffscreenCanvas."),
        ("es-ES", "Modelo: ", "Su navegador no puede descodificar esta imagen.", "a este le falta OffscreenCanvas."),
    ],
)
def test_messages_of_the_browser_recognizer_are_translated(open_page, locale, model, undecodable, fallback):
    page = open_page(locale=locale)
    expect(page.locator("#model")).to_contain_text(model)
    page.route("**/settings.json", lambda route: route.fulfill(body="<html>"), times=1)
    unloadable = re.escape(TEXTS[locale[:2]]["device.problem_unloadable"]).replace(
        re.escape("{file}"), ".*settings.json"
    )
    for expected in (re.compile(unloadable), undecodable):
        page.locator("#photo-switch input").check()
        upload(page, {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"hello"})
        expect(page.locator("#photo-device")).to_contain_text(expected)
    page.locator("#photo-switch input").uncheck()
    page.evaluate("delete window.OffscreenCanvas")
    page.locator("#photo-switch input").click()
    expect(page.locator("#photo-device .notice")).to_contain_text(fallback)
    expect(page.locator("#photo-switch input")).not_to_be_checked()


@pytest.mark.slow  # Several events of the camera, each with a pause.
def test_events_of_the_camera_get_a_message_and_recognition_goes_on(page):
    message = open_live(page)
    start(page)
    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", {value: true, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    expect(message).to_contain_text("Paused while this tab is hidden")
    page.wait_for_timeout(4000)
    expect(message).to_contain_text("Paused while this tab is hidden")
    page.evaluate("delete document.hidden")
    expect(message).to_contain_text("Faces in sight: 1.")
    # These two messages stay for some seconds only, so they are read at once.
    for target, event, note in (
        ("video", "resize", "The camera's picture was turned"),
        ("video.srcObject.getVideoTracks()[0]", "mute", "The camera sends no picture at the moment"),
    ):
        said = page.evaluate(
            f"""() => {{
                const video = document.querySelector("#live-device video");
                {target}.dispatchEvent(new Event("{event}"));
                return document.querySelector("#live-device .message").textContent;
            }}"""
        )
        assert note in said
        expect(message).to_contain_text("Faces in sight: 1.")
    page.evaluate(
        """() => document.querySelector("#live-device video").srcObject.getVideoTracks()[0]
            .dispatchEvent(new Event("ended"))"""
    )
    expect(message).to_contain_text("The camera was lost.")
    start(page)
    keep_track(page)
    page.get_by_role("tab", name="About").click()
    page.wait_for_function("window.track.readyState === 'ended'")
    page.get_by_role("tab", name="Live").click()
    expect(message).to_contain_text("Stopped; the camera is off.")
    start(page)
    keep_track(page)
    page.locator("#live-switch input").uncheck()
    page.wait_for_function("window.track.readyState === 'ended'")
    expect(page.locator("#live-server")).to_be_visible()
    expect(page.get_by_role("button", name="Start the camera")).to_be_hidden()


@pytest.mark.slow
def test_without_offscreencanvas_the_server_recognizes(open_page, browser, app_url):
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(TIMEOUT)
    context.add_init_script("delete window.OffscreenCanvas")
    page = context.new_page()
    page.goto(app_url)
    expect(page.locator("#model")).to_contain_text("Model: ")
    page.get_by_role("tab", name="Live").click()
    notice = page.locator("#live-device .notice")
    expect(notice).to_contain_text("Your browser cannot read pictures itself, so the server does: ")
    expect(notice).to_contain_text("this one has no OffscreenCanvas")
    expect(page.locator("#live-switch input")).not_to_be_checked()
    expect(page.locator("#camera")).to_be_visible()
    context.close()


@pytest.mark.slow
def test_networks_are_not_loaded_before_they_are_needed(browser, app_url):
    context = browser.new_context()
    context.set_default_timeout(TIMEOUT)
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(app_url)
    expect(page.locator("#model")).to_contain_text("Model: ")
    assert [url for url in asked if "/device/" in url] == []
    page.get_by_role("tab", name="Live").click()
    expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
    assert [url for url in asked if "/networks/" in url or "/runtime/" in url] == []
    context.close()


@pytest.mark.slow
def test_if_networks_cannot_be_loaded_the_server_recognizes(page):
    page.route("**/networks/*", lambda route: route.abort())
    open_live(page)
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#live-device .notice")).to_contain_text("so the server does")
    expect(page.locator("#camera")).to_be_visible()
