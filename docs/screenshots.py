"""Take the documents' screenshots from the running app, with Debian's chromium: `make screenshots`."""

import math
import re
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.app_client import PHOTO, running_app
from fer.images.clip_writing import write_video

DOCS = Path(__file__).parent
OPTIONS = """--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync
--use-fake-device-for-media-stream --use-fake-ui-for-media-stream"""
CAMERA, FRAMES = (800, 450), 120
"""Size in pixels, and number, of the frames that the fake camera repeats at 30 frames per second."""
LIVE_SECONDS = 25
"""Seconds that the live page runs before its screenshot."""
DESK, PHONE = (1280, 800), (390, 844)
"""Window sizes in pixels."""


def photo(page):
    """Recognize the example on the photo page."""
    page.locator("#photo input[type=file]").set_input_files(PHOTO)
    expect(page.locator("#message")).to_contain_text("One face")


def many(page):
    """Recognize variants of the example, and a broken file, on the page for many pictures."""
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
    """Read a drawn clip of a moving face on the video page."""
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


def live(page):
    """Start the camera on the live page, and wait `LIVE_SECONDS`."""
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#live-device .message")).to_contain_text("Faces in sight: 2.")
    page.wait_for_timeout(1000 * LIVE_SECONDS)
    expect(page.locator("#live-device")).to_contain_text(re.compile(r"\d frames per second"))


def write_camera(path):
    """Write the clip of the fake camera: the example photo and its mirror image, each moving to and fro."""
    width, height = CAMERA
    with Image.open(PHOTO) as image, path.open("wb") as file:
        people = [image.convert("RGB"), ImageOps.mirror(image.convert("RGB")).resize((400, 400))]
        file.write(b"YUV4MPEG2 W%d H%d F30:1 Ip A1:1 C420jpeg\n" % CAMERA)
        for number in range(FRAMES):
            frame, turn = Image.new("RGB", CAMERA, (90, 110, 130)), 2 * math.pi * number / FRAMES
            frame.paste(people[1], (round(width / 2 + 5 * math.sin(turn)), 40))
            left = people[0].crop((40, 0, 440, height))
            frame.paste(left, (round(-10 + 5 * math.cos(turn)), 0))
            light, *colors = frame.convert("YCbCr").split()
            file.write(b"FRAME\n" + light.tobytes() + b"".join(color.reduce(2).tobytes() for color in colors))


def about(page):
    """Open the page about the app."""
    page.get_by_role("tab", name="About").click()
    expect(page.locator("#about")).to_contain_text("bundled")


SHOTS = {
    "app": (DESK, "light", photo),
    "app-dark": (DESK, "dark", photo),
    "app-phone": (PHONE, "light", photo),
    "live": (DESK, "light", live),
    "many": ((1280, 1140), "light", many),
    "video": ((1280, 1140), "light", video),
    "about": ((1280, 1140), "light", about),
}
"""Window size, theme, and function that prepares the page, by file name without suffix."""


def main():
    expect.set_options(timeout=30_000)
    with tempfile.TemporaryDirectory() as folder, running_app() as (url, _), sync_playwright() as playwright:
        camera = Path(folder, "camera.y4m")
        write_camera(camera)
        options = [*OPTIONS.split(), f"--use-file-for-fake-video-capture={camera}"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        for name, shot in SHOTS.items():
            take(browser, url, DOCS / f"{name}.png", *shot)


def take(browser, url, path, window, theme, act):
    """Open the app in a window, prepare the page with `act`, and save a screenshot."""
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
