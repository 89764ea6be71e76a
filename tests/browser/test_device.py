"""Tests of the static site: its recognizer agrees with Python, and no picture leaves the browser."""

import io
import threading
from dataclasses import fields
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import encode
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from fer.detection.tracking import FaceTracker
from fer.recognition.recognizer import Face
from fer.recognition.records import photo_record
from fer.web.settings import build_settings
from fer.web.site import write_site

READ = """async ({ files, options }) => {
  const { loadRecognizer } = await import("/module/recognizer.js");
  globalThis.recognizer ??= await loadRecognizer({ base: "." });
  const answers = [];
  for (const file of files) {
    const photo = await (await fetch(file)).blob();
    const record = await recognizer.record(photo, file, options);
    const faces = await recognizer.recognize(photo, options);
    const crops = faces.map(({ crop }) => Array.from(crop));
    const names = [Object.keys(faces[0] ?? {}), "left_out" in faces];
    answers.push({ record, names, crops, maps: faces.map(({ map }) => map && Array.from(map.values)) });
  }
  return answers;
}"""
"""Function that recognizes pictures by their addresses on the site's server."""


class QuietHandler(SimpleHTTPRequestHandler):
    """Handler of a static web server that logs nothing."""

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Folder and address of the static site with the bundled model."""
    folder = tmp_path_factory.mktemp("web")
    write_site(folder)
    (folder / "photos").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def site_page(site, browser):
    """A browser page that shows the static site."""
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(site[1])
    yield page
    page.close()


@pytest.fixture
def read_both(site, site_page, recognizer):
    """Function that recognizes pictures in the browser and in Python: `read_both({name: file content})`.

    It yields pairs of results with records, crops and activation maps, the browser's first.
    """

    def read_both(photos, **options):
        folder, _ = site
        for name, content in photos.items():
            (folder / "photos" / name).write_bytes(content)
        paths = [f"/photos/{name}" for name in photos]
        answers = site_page.evaluate(READ, {"files": paths, "options": options})
        for path, answer in zip(paths, answers, strict=True):
            image = decode(photos[path.split("/")[-1]])
            faces = recognizer.recognize(image, **options)
            maps = [recognizer.explain(face) for face in faces]
            yield answer, {"record": photo_record(path, image, faces, "bundled"), "faces": faces, "maps": maps}

    return read_both


def decode(content):
    from fer.images.loading import load_image

    return load_image(io.BytesIO(content), "photo")


def check_same(answer, expected):
    """Compare the results of browser and Python: boxes within 2 pixels, probabilities and scores within 0.01."""
    ours, theirs = answer["record"], expected["record"]
    assert list(ours) == list(theirs)
    assert {**ours, "faces": len(ours["faces"])} == {**theirs, "faces": len(theirs["faces"])}
    for index, (one, other) in enumerate(zip(ours["faces"], theirs["faces"], strict=True)):
        assert list(one) == list(other)
        assert one["box"] == pytest.approx(other["box"], abs=2)
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=0.01)
        assert one["detection_score"] == pytest.approx(other["detection_score"], abs=0.01)
        assert (one["label"], one["confident"]) == (other["label"], other["confident"])
        crop = expected["faces"][index].crop.ravel().astype(int)
        assert np.abs(crop - answer["crops"][index]).max() <= 1
        assert answer["maps"][index] == pytest.approx(expected["maps"][index].ravel(), abs=0.2)


def test_the_example_is_recognized_as_in_python(read_both, astronaut):
    ((answer, expected),) = read_both({"astronaut.jpg": astronaut.read_bytes()})
    assert len(answer["record"]["faces"]) == 1
    check_same(answer, expected)
    # A face has the fields of Python's `Face`, and the class activation map, which `explain` returns in Python.
    assert answer["names"] == [[*(field.name for field in fields(Face)), "map"], True]


def compose(size, *pictures):
    """Return a blue picture with others pasted into it, each given as `(image, (left, top))`."""
    scene = Image.new("RGB", size, (90, 110, 130))
    for picture, place in pictures:
        scene.paste(picture, place)
    return scene


def edge_cases(photo):
    """Return ten difficult pictures: contents of files by name."""
    head = photo.crop((150, 40, 310, 220))
    half = head.resize((107, 120))
    many = [
        (head.resize((40 + 6 * row, 45 + 7 * row)), (100 * column, 90 * row)) for row in range(5) for column in range(9)
    ]
    alpha = photo.copy()
    mask = Image.new("L", photo.size, 0)
    ImageDraw.Draw(mask).ellipse((100, 0, 360, 300), fill=255)
    alpha.putalpha(mask)
    turned = Image.Exif()
    turned[0x0112] = 6  # The picture is to be rotated by 90 degrees.
    noise = np.random.default_rng(3).integers(0, 256, (333, 501, 3), np.uint8)
    return {
        "turned.png": encode(photo.rotate(25, Image.Resampling.BICUBIC, expand=True)),
        "tiny.png": encode(compose((900, 640), (photo.resize((128, 128)), (500, 300)))),
        "none.png": encode(Image.fromarray(noise)),
        "many.png": encode(compose((900, 450), *many)),
        "border.png": encode(photo.crop((215, 60, 512, 400))),
        "full.png": encode(photo.crop((172, 73, 278, 190)).resize((600, 662))),
        "grey.png": encode(photo.convert("L")),
        "narrow.png": encode(compose((1400, 150), (half, (40, 10)), (half, (1250, 25)))),
        "transparent.png": encode(alpha),
        "camera.jpg": encode(photo.rotate(90, expand=True), format="JPEG", quality=80, exif=turned),
    }


@pytest.mark.slow  # Ten pictures, one of them with 45 faces, in a browser and in Python.
def test_difficult_pictures_are_recognized_as_in_python(read_both, photo):
    counts = {}
    for answer, expected in read_both(edge_cases(photo)):
        name = answer["record"]["image"].split("/")[-1]
        check_same(answer, expected)
        counts[name] = len(answer["record"]["faces"])
    assert counts["none.png"] == 0
    assert counts["many.png"] > 30
    assert all(count for name, count in counts.items() if name != "none.png"), counts


@pytest.mark.slow  # Eight pictures in a browser and in Python.
def test_webp_pictures_are_turned_by_their_orientation_as_in_python(read_both, photo):
    stored = {
        1: photo,
        2: photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: photo.rotate(180),
        4: photo.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: photo.transpose(Image.Transpose.TRANSPOSE),
        6: photo.rotate(90),
        7: photo.transpose(Image.Transpose.TRANSVERSE),
        8: photo.rotate(270),
    }
    files = {}
    for orientation, image in stored.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        files[f"{orientation}.webp"] = encode(image, format="WEBP", lossless=True, exif=exif)
    for answer, expected in read_both(files):
        assert len(answer["record"]["faces"]) == 1
        check_same(answer, expected)


def test_small_faces_are_left_out_if_requested(read_both, photo):
    two = encode(compose((700, 512), (photo, (0, 0)), (photo.crop((150, 40, 310, 220)).resize((80, 90)), (580, 200))))
    ((both, _),) = read_both({"two.png": two})
    ((large, expected),) = read_both({"two.png": two}, smallest_face=0.1)
    ((one, left_out),) = read_both({"two.png": two}, most=1)
    assert [len(answer["record"]["faces"]) for answer in (both, large, one)] == [2, 1, 1]
    assert one["record"]["faces_left_out"] == 1
    check_same(large, expected)
    check_same(one, left_out)


@pytest.mark.slow  # Eight pictures in a browser and in Python.
def test_files_of_each_format_are_decoded_as_in_python(read_both, photo):
    odd = photo.crop((1, 0, 512, 511))
    deep = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    files = {
        "halved.jpg": encode(odd, format="JPEG", quality=75, subsampling=2),
        "whole.jpg": encode(odd, format="JPEG", quality=95, subsampling=0),
        "progressive.jpg": encode(odd, format="JPEG", quality=80, progressive=True),
        "print.jpg": encode(photo.convert("CMYK"), format="JPEG", quality=90),
        "photo.webp": encode(photo, format="WEBP", quality=85),
        "photo.avif": encode(photo, format="AVIF", quality=80),
        "photo.gif": encode(photo.convert("P"), format="GIF"),
        "deep.png": encode(deep),
    }
    for answer, expected in read_both(files):
        assert len(answer["record"]["faces"]) == 1
        check_same(answer, expected)


def test_a_face_crop_is_classified_as_in_python(read_both, photo):
    crop = encode(photo.crop((172, 73, 277, 178)).convert("L"))
    ((answer, expected),) = read_both({"crop.png": crop}, already_cropped=True)
    (face,) = answer["record"]["faces"]
    assert face["detection_score"] is None
    assert face["probabilities"] == pytest.approx(expected["record"]["faces"][0]["probabilities"], abs=1e-4)


def test_faces_are_tracked_over_frames_and_late_frames_are_dropped(site_page, astronaut, site):
    (site[0] / "photos" / "frame.jpg").write_bytes(astronaut.read_bytes())
    answers = site_page.evaluate(
        """async () => {
          const { loadRecognizer } = await import("/module/recognizer.js");
          globalThis.recognizer ??= await loadRecognizer();
          const photo = await createImageBitmap(await (await fetch("/photos/frame.jpg")).blob());
          const frame = (left) => {
            const canvas = new OffscreenCanvas(640, 480);
            canvas.getContext("2d").drawImage(photo, left, 0);
            return createImageBitmap(canvas);
          };
          await recognizer.startRun();
          const frames = [await frame(0), await frame(10), await frame(20)];
          const first = await Promise.all(frames.map((image, index) => recognizer.follow(image, index / 25)));
          const late = await recognizer.follow(await frame(60), 0.2);
          const gone = await recognizer.follow(await frame(600), 0.3);
          const back = await recognizer.follow(await frame(0), 2.5);
          return { dropped: first.filter((answer) => answer === null).length, first: first[0], late, gone, back };
        }"""
    )
    assert answers["dropped"] == 2
    assert (answers["first"]["width"], answers["first"]["height"]) == (480, 360)
    boxes = {name: [face["box"] for face in answers[name]["faces"]] for name in ("first", "late", "gone", "back")}
    numbers = {name: [face["number"] for face in answers[name]["faces"]] for name in boxes}
    assert numbers == {"first": [1], "late": [1], "gone": [], "back": [2]}
    assert boxes["late"][0][0] - boxes["first"][0][0] == pytest.approx(45, abs=4)


TRACK = """async ({ settings, limits, frames }) => {
  const { FaceTracker, judge } = await import("/module/tracking.js");
  const tracker = new FaceTracker(settings, limits);
  return frames.map(({ seconds, faces }) => {
    const judged = faces.map((face) => ({ ...face, ...judge(face.probabilities, face.detection_score, limits) }));
    return tracker.update(judged, seconds).map((face) => [face.number, face.confident, face.probabilities.happy]);
  });
}"""


def test_the_tracker_gives_the_same_numbers_as_in_python(site_page, recognizer):
    random, frames = np.random.default_rng(5), []
    starts, speeds = random.uniform(0, 400, (6, 2)), random.uniform(-150, 150, (6, 2))
    for seconds in np.cumsum(random.uniform(0.03, 0.4, 60)).tolist():
        places = np.abs((starts + speeds * seconds + 500) % 1000 - 500)  # Move back at the edges.
        seen = random.permutation(6)[: random.integers(0, 7)]
        shares = random.uniform(0.2, 0.9, 6)
        faces = [
            {
                "box": [int(edge) for edge in (*places[index], *(places[index] + 60 + 8 * index))],
                "probabilities": {"happy": float(shares[index]), "sad": 1 - float(shares[index])},
                "detection_score": float(random.uniform(0.5, 1)),
            }
            for index in seen
        ]
        frames.append({"seconds": seconds, "faces": faces})
    settings, _ = build_settings()
    limits = {
        "threshold": recognizer.calibration.threshold,
        "min_confident_score": settings["detection"]["min_confident_score"],
    }
    given = {"settings": settings["tracking"], "limits": limits, "frames": frames}
    answers, tracker, numbers = site_page.evaluate(TRACK, given), FaceTracker(recognizer.calibration), set()
    for frame, answer in zip(frames, answers, strict=True):
        tracked = tracker.update([SimpleNamespace(**face) for face in frame["faces"]], frame["seconds"])
        assert [row[:2] for row in answer] == [[face.number, face.confident] for face in tracked]
        assert [row[2] for row in answer] == pytest.approx([face.probabilities["happy"] for face in tracked])
        numbers |= {face.number for face in tracked}
    assert len(numbers) > 6


def test_after_loading_the_page_sends_no_request(site, browser, astronaut):
    page = browser.new_page()
    page.set_default_timeout(60_000)
    asked = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.goto(site[1])
    expect(page.locator("#message")).to_have_text("Model: bundled. Choose a photo.")
    assert all(url.startswith(site[1]) for url in asked)
    assert any(url.split("?")[0].endswith(".wasm.gz") for url in asked)
    asked.clear()
    page.locator("#photo").set_input_files(astronaut)
    expect(page.locator("#faces")).to_contain_text("happy 9")
    assert [url for url in asked if not url.startswith("blob:")] == []
    page.close()


def test_a_network_with_another_digest_is_refused_in_one_sentence(site, browser):
    folder, url = site
    network = folder / "networks" / "near.tflite"
    content = network.read_bytes()
    network.write_bytes(content[:-1] + b"x")
    try:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(url)
        expect(page.locator("#message")).to_contain_text("networks/near.tflite: sha256")
        page.close()
    finally:
        network.write_bytes(content)


def test_settings_that_are_something_else_are_refused_in_one_sentence(site, browser):
    """Wireless networks that ask for a login answer every address with a page."""
    page = browser.new_page()
    page.route("**/settings.json", lambda route: route.fulfill(body="<html>"))
    page.goto(site[1])
    expect(page.locator("#message")).to_contain_text("settings.json: cannot be loaded (")
    page.close()


def test_a_picture_larger_than_the_canvas_is_refused_in_one_sentence(site_page):
    """The canvas remained empty, and the answer was that there is no face."""
    content = encode(Image.new("1", (70_000, 10), 1))
    site_page.locator("#photo:enabled").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": content})
    message = "The picture is too large for this browser: 70000x10 pixels."
    expect(site_page.locator("#message")).to_have_text(message)


def test_an_undecodable_picture_is_refused_in_one_sentence(site_page):
    site_page.locator("#photo:enabled").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"hello"})
    expect(site_page.locator("#message")).to_have_text("This browser cannot decode the picture.")
