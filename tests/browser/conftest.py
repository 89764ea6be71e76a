"""The app in Debian's chromium: one of each for all tests of this folder, and a fresh page for every test."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import hub_environment
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
OPTIONS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync"""

expect.set_options(timeout=20_000)  # The first answers wait for TensorFlow.


def pytest_collection_modifyitems(items):
    skip = pytest.mark.skip(reason="needs Debian's chromium: apt-get install chromium")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            if CHROMIUM is None:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def app_cache(tmp_path_factory):
    """Where the app of `app_url` keeps what Gradio writes."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def app_url(app_cache):
    """Address of the app, started as a person starts it; the page is up, TensorFlow may still load."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = hub_environment(GRADIO_SERVER_PORT=str(port), GRADIO_TEMP_DIR=str(app_cache))
    url = f"http://127.0.0.1:{port}/"
    with subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment) as app:
        try:
            _wait_for(url, app)
            yield url
        finally:
            app.terminate()


def _wait_for(url, app, patience=60):
    for _ in range(patience * 5):
        try:
            with urllib.request.urlopen(url, timeout=patience):
                return
        except OSError:
            assert app.poll() is None, "the app ended"
            time.sleep(0.2)
    raise AssertionError(f"no answer within {patience} seconds")


# Of the package, not of the session: while Playwright is there, no other test could start an event loop.
@pytest.fixture(scope="package")
def playwright():
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright):
    """Chromium. Options of its own (a camera's clip) need a launch of its own: `launch(playwright, *options)`."""
    browser = launch(playwright)
    yield browser
    browser.close()


def launch(playwright, *options):
    """Starts a chromium with further command line options."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=[*OPTIONS.split(), *options])


@pytest.fixture
def page(browser, app_url):
    """The app in a window of its own, in English."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
    page = context.new_page()
    page.goto(app_url)
    yield page
    context.close()
