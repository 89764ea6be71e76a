"""Tests of the layout: light and dark mode, languages, small screens, keyboard navigation, layout shifts."""

import re
from urllib.parse import urlsplit

import pytest
from PIL import ImageColor
from playwright.sync_api import expect

from fer.labels import EMOTION_COLORS, EMOTIONS

pytestmark = pytest.mark.slow

CONTRASTS = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const luminance = (colors) => {
        for (const [color, opacity] of colors) {
            canvas.globalAlpha = opacity;
            canvas.fillStyle = color;
            canvas.fillRect(0, 0, 1, 1);
        }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
            .map((value) => value / 255)
            .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
            .reduce((sum, value, channel) => sum + value * [0.2126, 0.7152, 0.0722][channel], 0);
    };
    const contrasts = {};
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode.data.trim(), element = texts.currentNode.parentElement;
        if (!text || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
        if (element.closest("script, style, button:disabled")) continue;
        let opacity = 1;
        const layers = [];
        for (let parent = element; parent; parent = parent.parentElement) {
            const style = getComputedStyle(parent);
            layers.unshift([style.backgroundColor, opacity]);
            opacity *= style.opacity;
        }
        const under = luminance(layers), over = luminance([[getComputedStyle(element).color, opacity]]);
        contrasts[text] = (Math.max(under, over) + 0.05) / (Math.min(under, over) + 0.05);
    }
    return contrasts;
}"""
"""Function that returns the contrast (WCAG 2.2) of each visible text with its background, without disabled buttons."""

PLACES = """() => Object.fromEntries([...document.querySelectorAll(".gradio-container [id]")]
    .filter((element) => element.checkVisibility())
    .map((element) => [element.id, Object.values(element.getBoundingClientRect().toJSON()).map(Math.round)]))"""
"""Function that returns the bounding box of each visible element with an id."""

SHIFTS = """() => {
    window.shift = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.shift += entry.value))
        .observe({type: "layout-shift"});
}"""
"""Function that begins to sum up layout shifts; 1 means that the whole window moved by its own size."""


def read(page, path):
    """Upload a photo on the photo page, and wait for its result."""
    page.locator("#photo input[type=file]").set_input_files(path)
    expect(page.locator("#panel")).to_contain_text(re.compile(r"\d%"))
    expect(page.get_by_role("button", name="JSON")).to_be_enabled()


def open_tab(page, name):
    """Open a tab; on a small screen it may be in the overflow menu."""
    tab = page.get_by_role("tab", name=name)
    if not tab.is_visible():
        page.locator(".overflow-menu > button").click()
        tab = page.locator(".overflow-dropdown").get_by_role("button", name=name)
    tab.click()


def contrasts_of(page):
    """Return the result of `CONTRASTS` after all transitions."""
    page.wait_for_function("!document.getAnimations().some((one) => one instanceof CSSTransition)")
    return page.evaluate(CONTRASTS)


def color_of(locator):
    """Return the background colour of an element as RGB."""
    color = locator.evaluate("element => getComputedStyle(element).backgroundColor")
    return tuple(map(int, re.findall(r"\d+", color)[:3]))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_have_enough_contrast_and_emotions_have_their_colours(open_page, astronaut, theme):
    page = open_page(f"?__theme={theme}")
    read(page, astronaut)
    background = color_of(page.locator("body"))
    assert min(background) > 230 if theme == "light" else max(background) < 40
    assert color_of(page.locator("#panel .swatch")) == ImageColor.getrgb(EMOTION_COLORS["happy"])
    for bar, label in enumerate(EMOTIONS):
        assert color_of(page.locator("#panel .fill").nth(bar)) == ImageColor.getrgb(EMOTION_COLORS[label])
    contrasts = contrasts_of(page)
    open_tab(page, "Many pictures")
    page.locator("#files input[type=file]").set_input_files(astronaut)
    expect(page.locator("#gallery")).to_contain_text("astronaut.jpg: happy")
    expect(page.get_by_role("button", name="JSON")).to_be_enabled()
    contrasts |= contrasts_of(page)
    open_tab(page, "Live")
    expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
    contrasts |= contrasts_of(page)
    open_tab(page, "Photo")
    page.locator("#photo-switch input").check()
    page.locator("#photo-device input[type=file]").set_input_files(astronaut)
    expect(page.locator("#photo-device table")).to_contain_text("happy")
    expect(page.locator("#photo-device .message")).to_contain_text("One face")
    contrasts |= contrasts_of(page)
    assert len(contrasts) > 40
    assert {text: contrast for text, contrast in contrasts.items() if contrast < 4.5} == {}


@pytest.mark.parametrize("viewport", [(1280, 800), (390, 844)])
def test_the_layout_does_not_shift_when_results_arrive(open_page, astronaut, two_faces, viewport):
    page = open_page(viewport=viewport)
    read(page, astronaut)
    page.get_by_role("button", name="Remove Image").click()
    expect(page.locator("#panel")).to_contain_text("No face")
    places = page.evaluate(PLACES)
    page.evaluate(SHIFTS)
    read(page, two_faces)
    assert page.evaluate(PLACES) == places
    assert page.evaluate("shift") < 0.01
    open_tab(page, "Many pictures")
    expect(page.locator("#batch-message")).to_have_text("Waiting for pictures.")
    # Only results are measured: on a slow machine a tab may be built in several steps.
    page.evaluate("shift = 0")
    places = page.evaluate(PLACES)
    page.locator("#files input[type=file]").set_input_files([two_faces, astronaut])
    expect(page.locator("#batch-message")).to_contain_text("Faces: 3")
    assert page.evaluate(PLACES) == places
    assert page.evaluate("shift") < 0.01


def test_a_small_screen_does_not_scroll_sideways(open_page, two_faces):
    page = open_page(viewport=(390, 844))
    read(page, two_faces)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    open_tab(page, "Many pictures")
    page.locator("#files input[type=file]").set_input_files(two_faces)
    expect(page.locator("#batch-message")).to_contain_text("Faces: 2")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_tab_key_reaches_all_controls_in_reading_order(page, two_faces):
    read(page, two_faces)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
                const {activeElement: element} = document, block = element.closest("[role=tablist], [id]");
                const label = element.closest("label") ?? element;
                const ring = [element, label].some((one) => getComputedStyle(one).outlineStyle === "solid");
                return {place: block?.id || block?.role, ring, end: element.closest("footer") !== null};
            }"""
        )
        assert focus["ring"], focus
        if focus["end"]:
            break
        reached.append(focus["place"])
    assert focus["end"]
    order = [place for place in ("photo", "cropped", "smallest", "annotated", "face", "table") if place in reached]
    assert len(order) == 6
    assert order == sorted(order, key=reached.index)


def test_a_german_browser_gets_the_page_in_german(open_page, astronaut, share, two_faces):
    page = open_page(locale="de-DE")
    expect(page.locator("#introduction")).to_contain_text("Gesichtsausdrücke erkennen")
    expect(page.locator("#panel")).to_contain_text("wütend")
    read(page, astronaut)
    expect(page.locator("#message")).to_have_text(f"Ein Gesicht: fröhlich {share}.")
    expect(page.get_by_role("radio", name=f"1 fröhlich {share}")).to_be_checked()
    expect(page.locator("#table")).to_contain_text("überrascht")
    page.get_by_role("tab", name="Viele Bilder").click()
    page.locator("#files input[type=file]").set_input_files(two_faces)
    expect(page.locator("#batch-message")).to_contain_text("Bilder: 1. Gesichter: 2.")
    expect(page.locator("#gallery")).to_contain_text("two.jpg: fröhlich ×2")


def test_a_change_of_the_language_in_the_settings_translates_results(page, astronaut, share):
    read(page, astronaut)
    page.get_by_role("button", name="Settings").click()
    language = page.get_by_role("combobox", name="Language")
    language.fill("Español")
    language.press("Enter")
    expect(page.locator("#message")).to_have_text(f"Una cara: alegría {share}.")
    expect(page.locator("#model")).to_contain_text("Modelo: bundled. Se entrenó con FER2013")


@pytest.mark.slow
def test_a_change_of_the_language_translates_the_answer_to_many_pictures(page, astronaut):
    page.get_by_role("tab", name="Many pictures").click()  # Which waits for the page; `open_tab` does not.
    page.locator("#files input[type=file]").set_input_files(astronaut)
    expect(page.locator("#gallery")).to_contain_text("astronaut.jpg: happy")
    page.get_by_role("button", name="Settings").click()
    language = page.get_by_role("combobox", name="Language")
    language.fill("Español")
    language.press("Enter")
    expect(page.locator("#gallery")).to_contain_text("astronaut.jpg: alegría")
    expect(page.locator("#batch-message")).to_contain_text("Caras: 1.")


def test_the_page_sends_requests_only_to_its_server(open_page, app_url, astronaut):
    page = open_page("about")
    hosts = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(app_url)
    read(page, astronaut)
    open_tab(page, "Many pictures")
    expect(page.locator("#batch-message")).to_be_visible()
    assert hosts == {urlsplit(app_url).netloc}
