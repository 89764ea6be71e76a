"""Fixtures that open the app in Debian's chromium. All tests of this folder share app and browser; each has a new page.

One test of each page is part of the fast run; the others have the marker `slow`, since together they take minutes.
"""

import io
import shutil
import threading
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from fer.app.pages import batch, photo
from fer.images.drawing import draw_faces
from fer.images.loading import load_image

CHROMIUM = shutil.which("chromium")
OPTIONS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync
--use-fake-device-for-media-stream --use-fake-ui-for-media-stream"""

TIMEOUT = 60_000
"""Timeout of all actions and expectations in milliseconds, long enough for a busy machine."""

expect.set_options(timeout=TIMEOUT)


def pytest_collection_modifyitems(items):
    skip = pytest.mark.skip(reason="needs Debian's chromium: apt-get install chromium")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            item.add_marker(pytest.mark.xdist_group("browser"))
            if CHROMIUM is None:
                item.add_marker(skip)


# Of scope package, not session, since no other test can start an event loop while Playwright runs.
@pytest.fixture(scope="package")
def playwright():
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright, astronaut, tmp_path_factory):
    """Chromium, whose fake camera shows a still picture of the astronaut."""
    clip = tmp_path_factory.mktemp("camera") / "astronaut.mjpeg"
    with Image.open(astronaut) as image:
        frame = io.BytesIO()
        image.resize((480, 480)).save(frame, "JPEG", quality=95)
    clip.write_bytes(frame.getvalue() * 2)
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM, args=[*OPTIONS.split(), f"--use-file-for-fake-video-capture={clip}"]
    )
    yield browser
    browser.close()


@pytest.fixture
def breaches():
    """List of what no page may cause: violations of the Content Security Policy, and requests that end with status 500.

    A test fails if there are any.
    """
    messages = []
    yield messages
    assert messages == []


@pytest.fixture
def open_page(browser, app_url, breaches):
    """Function that opens the app in a new window: `open_page(locale="de-DE")`."""
    contexts = []

    def open_page(path="", viewport=(1280, 800), locale="en-US", url=app_url):
        width, height = viewport
        context = browser.new_context(viewport={"width": width, "height": height}, locale=locale)
        contexts.append(context)
        context.set_default_timeout(TIMEOUT)
        context.on("console", lambda message: note_breach(breaches, message))
        # pytest shows what is printed only if the test fails: then one sees what the page asked for, and what it said.
        context.on("console", lambda message: print("console:", message.text))
        context.on("response", lambda response: note_response(breaches, response))
        context.on("requestfailed", lambda request: print(request.method, request.failure, request.url))
        page = context.new_page()
        page.goto(url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def note_breach(breaches, message):
    """Add a message of the browser's console to `breaches` if it reports a violation of the policy."""
    if "Content Security Policy" in message.text:
        breaches.append(message.text)


def note_response(breaches, response):
    """Print a response, and add it to `breaches` if the app failed on its request."""
    line = f"{response.request.method} {response.status} {response.url}"
    print(line)
    if response.status == 500:
        breaches.append(line)


@pytest.fixture
def page(open_page):
    """A new window with the app in English."""
    return open_page()


def refuse_events(page):
    """Refuse the further events of a page, as an app does whose queue is full."""
    page.route("**/queue/join*", lambda route: route.fulfill(status=503, json={"detail": "The queue is full."}))


@pytest.fixture
def gates(monkeypatch):
    """Two pairs of events of the next two pictures that are read: reading has begun, and may end."""
    gates = [(threading.Event(), threading.Event()) for _ in range(2)]
    left = iter(gates)

    def draw(*arguments, **options):
        begun, may_end = next(left)
        begun.set()
        assert may_end.wait(60)
        return draw_faces(*arguments, **options)

    for page in (batch, photo):
        monkeypatch.setattr(page, "draw_faces", draw)
    yield gates
    for _, may_end in gates:
        may_end.set()


@pytest.fixture(scope="session")
def share(recognizer, astronaut):
    """Probability of `happy` for the example photo, as the page writes it."""
    (face,) = recognizer.recognize(load_image(astronaut))
    return f"{face.probabilities['happy']:.0%}"


@pytest.fixture(scope="session")
def two_faces(astronaut, tmp_path_factory):
    """Path of a photo of 900x512 pixels with a large face on the left and a smaller one around (699, 229)."""
    path = tmp_path_factory.mktemp("two") / "two.jpg"
    with Image.open(astronaut) as image:
        photo = Image.new("RGB", (900, 512), (90, 110, 130))
        photo.paste(image, (0, 0))
        photo.paste(image.resize((320, 320)), (560, 150))
    photo.save(path, quality=92)
    return path
