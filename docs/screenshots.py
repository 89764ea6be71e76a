"""Takes the README's screenshots from the running app, with Debian's chromium: `make screenshots`."""

import math
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.app_client import PHOTO, running_app
from fer.images.clips import write_video

DOCS = Path(__file__).parent
OPTIONS = "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
DESK, PHONE = (1280, 800), (390, 844)


def photo(page):
    page.locator("#photo input[type=file]").set_input_files(PHOTO)
    expect(page.locator("#message")).to_contain_text("One face")


def many(page):
    page.get_by_role("tab", name="Many pictures").click()
    with tempfile.TemporaryDirectory() as folder, Image.open(PHOTO) as image:
        variants = {
            "launch.jpg": image,
            "mirror.jpg": ImageOps.mirror(image),
            "grey.jpg": image.convert("L"),
            "portrait.jpg": image.crop((110, 0, 340, 300)),
            "tilted.jpg": image.rotate(15, fillcolor="white"),
            "helmet.jpg": image.crop((280, 320, 512, 512)),
        }
        paths = [Path(folder, name) for name in (*variants, "broken.jpg")]
        for path, variant in zip(paths, variants.values(), strict=False):
            variant.save(path, quality=92)
        paths[-1].write_bytes(b"no picture")
        page.locator("#files input[type=file]").set_input_files(paths)
        expect(page.locator("#batch-message")).to_contain_text(f"Pictures: {len(paths)}")


def video(page):
    page.get_by_role("tab", name="Video").click()
    with tempfile.TemporaryDirectory() as folder, Image.open(PHOTO) as image:
        clip = Path(folder, "clip.mp4")
        with write_video(clip, every=0.1) as add:
            for step in range(40):
                frame = image.rotate(8 * math.sin(step / 5), fillcolor="white").crop((3 * step, 0, 3 * step + 360, 300))
                add(0.1 * step, frame)
        page.locator("#clip input[type=file]").set_input_files(clip)
        expect(page.locator("#video-message")).to_contain_text("Ready")
        page.get_by_role("button", name="Read the clip").click()
        expect(page.locator("#video-message")).to_contain_text("Faces: 1")


def about(page):
    page.get_by_role("tab", name="About").click()
    expect(page.locator("#about")).to_contain_text("bundled")


SHOTS = {
    "app": (DESK, "light", photo),
    "app-dark": (DESK, "dark", photo),
    "app-phone": (PHONE, "light", photo),
    "many": ((1280, 1140), "light", many),
    "video": ((1280, 1140), "light", video),
    "about": ((1280, 1140), "light", about),
}
"""File name: window, theme, and what a person does before."""


def main():
    expect.set_options(timeout=30_000)
    with running_app() as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS.split())
        for name, shot in SHOTS.items():
            take(browser, url, DOCS / f"{name}.png", *shot)


def take(browser, url, path, window, theme, act):
    width, height = window
    page = browser.new_page(viewport={"width": width, "height": height}, locale="en-US")
    page.goto(f"{url}/?__theme={theme}")
    expect(page.locator("#model")).to_contain_text("Model:")
    act(page)
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    page.wait_for_function("!document.getAnimations().some((one) => one instanceof CSSTransition)")
    page.mouse.move(0, 0)
    page.screenshot(path=path)
    page.close()
    print(path)


if __name__ == "__main__":
    main()
