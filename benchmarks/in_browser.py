"""Comparison of the recognizer in the browser with that in Python: differences, frames per second, loading, memory.

    python -m benchmarks.in_browser --data fer2013.zip

Needs Debian's chromium. Differences are measured on validation pictures pasted into scenes, once as PNG, which both
decode to the same pixels, and once as JPEG. Frames have 640x480 pixels and one moving face; each frame is drawn when
the previous one is answered. Loading is measured with an empty cache (cold) and with a full one (warm).
Takes two minutes of processor time.
"""

import argparse
import io
import re
import shutil
import statistics
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from benchmarks.tables import RUNS, spread, table
from fer.cli.console import quiet_libraries

PICTURES = 200
"""Number of validation pictures that are pasted into scenes."""
SECONDS = 4
"""Seconds of frames in one run."""
FRAME_SIZE = (640, 480)
OPTIONS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync"""
LOAD = """async () => {
  const start = performance.now();
  const { loadRecognizer } = await import("/module/recognizer.js");
  globalThis.recognizer = await loadRecognizer();
  return (performance.now() - start) / 1000;
}"""
READ = """async (file) => recognizer.record(await (await fetch(file, { cache: "no-store" })).blob(), file)"""
FOLLOW = """async ([seconds, width, height]) => {
  const photo = await createImageBitmap(await (await fetch("/photo.jpg")).blob());
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  await recognizer.startRun();
  let [frames, faces] = [0, 0];
  const start = performance.now();
  while (performance.now() - start < seconds * 1000) {
    context.drawImage(photo, 60 + 50 * Math.sin(frames / 10), 0);
    const answer = await recognizer.follow(canvas, performance.now() / 1000);
    frames += 1;
    faces += answer.faces.length;
  }
  return { rate: frames / ((performance.now() - start) / 1000), frames, faces };
}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="PATH", help="folder, zip or CSV of FER2013")
    parser.add_argument("--model", default="bundled", metavar="FOLDER", help="model folder")
    parser.add_argument("--pictures", type=int, default=PICTURES, metavar="N", help="scenes (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=1, metavar="N", help="of frames, to watch memory (default: 1)")
    options = parser.parse_args()
    quiet_libraries()
    print(measure_in_browser(options.data, options.model, options.pictures, options.minutes))


def measure_in_browser(data, model="bundled", pictures=PICTURES, minutes=1.0):
    """Return the section's Markdown; `data` is FER2013, as `fer.data.faces.load_faces` takes it."""
    from fer.recognition.recognizer import Recognizer
    from fer.web.site import write_site

    recognizer = Recognizer.load(model)
    with tempfile.TemporaryDirectory() as folder:
        size = write_site(folder, model)
        with serve(Path(folder)) as server:
            shutil.copy(Path(__file__).parents[1] / "examples" / "astronaut.jpg", Path(folder, "photo.jpg"))
            parity = [measure_parity(recognizer, server, data, pictures, format) for format in ("PNG", "JPEG")]
            facts = measure_speed(server, recognizer, minutes)
    return "\n\n".join(
        [
            table(["scenes as", "faces", "found by both", "box within 2 pixels", "largest difference of a box",
                   "of a probability", "probabilities within 0.01", "same label"], parity),
            table(["", ""], [["files of the page", f"{size / 1e6:.1f} MB"], *facts]),
        ]
    )  # fmt: skip


def measure_parity(recognizer, server, data, count, format):
    """Return a table row: differences between the faces by the browser and by Python, on scenes of one file format."""
    from fer.data.faces import load_faces
    from fer.data.scenes import SEED, build_scene
    from fer.images.loading import load_image
    from fer.recognition.records import photo_record

    random = np.random.default_rng(SEED)
    faces = load_faces(data, "validation", classes=recognizer.labels, image_size=recognizer.image_size)
    images = faces.images[random.permutation(len(faces))[:count], ..., 0]
    pairs, numbers = [], []
    with open_page(server.url) as page:
        page.evaluate(LOAD)
        for image in images:
            file = io.BytesIO()
            build_scene(image, random).image.save(file, format, quality=90)
            Path(server.folder, "scene").write_bytes(file.getvalue())
            ours = page.evaluate(READ, "/scene")["faces"]
            picture = load_image(io.BytesIO(file.getvalue()), "scene")
            theirs = photo_record("scene", picture, recognizer.recognize(picture), "")["faces"]
            numbers.append((len(ours), len(theirs)))
            pairs += match(ours, theirs)
    boxes = [max(abs(a - b) for a, b in zip(one["box"], other["box"], strict=True)) for one, other in pairs]
    shares = [
        max(abs(value - other["probabilities"][label]) for label, value in one["probabilities"].items())
        for one, other in pairs
    ]
    found = sum(theirs for _, theirs in numbers)
    return [
        format, str(found), f"{len(pairs) / found:.1%}", f"{np.mean(np.array(boxes) <= 2):.1%}", f"{max(boxes)}",
        f"{max(shares):.4f}", f"{np.mean(np.array(shares) <= 0.01):.1%}",
        f"{np.mean([one['label'] == other['label'] for one, other in pairs]):.1%}",
    ]  # fmt: skip


def match(ours, theirs):
    """Return pairs of the same face: each of `theirs` with the nearest box of `ours`, if one is within 20 pixels."""
    pairs = []
    for other in theirs:
        near = [one for one in ours if max(abs(a - b) for a, b in zip(one["box"], other["box"], strict=True)) <= 20]
        pairs += [(min(near, key=lambda one: abs(one["box"][0] - other["box"][0])), other)] if near else []
    return pairs


def measure_speed(server, recognizer, minutes):
    """Return the table rows of loading, frames and memory."""
    cold, warm, rates, sent = [], [], [], 0
    for _ in range(RUNS):
        with open_page(server.url) as page:
            server.sent = 0
            cold.append(page.evaluate(LOAD))
            sent = server.sent
            page.reload()
            warm.append(page.evaluate(LOAD))
            rates.append(page.evaluate(FOLLOW, [SECONDS, *FRAME_SIZE])["rate"])
    with open_page(server.url) as page:
        page.evaluate(LOAD)
        memory = []
        for _ in range(3):
            answer = page.evaluate(FOLLOW, [minutes * 20, *FRAME_SIZE])
            memory.append((answer["frames"], renderer_memory(page)))
    times = [time_python(recognizer, server.folder) for _ in range(RUNS)]
    frames = " and ".join(f"{frames:,}" for frames in np.cumsum([frames for frames, _ in memory]).tolist())
    return [
        ["sent when it loads first", f"{sent / 1e6:.1f} MB"],
        ["seconds to load, cold", spread(cold)],
        ["seconds to load, warm", spread(warm)],
        ["frames per second, 640x480, one face", spread(rates)],
        ["the same in Python, two threads", spread([1 / seconds for seconds in times])],
        [f"MB of the page's process after {frames} frames", ", ".join(f"{size / 1e6:.0f}" for _, size in memory)],
    ]


def time_python(recognizer, folder):
    """Return the median seconds that Python takes to recognize a frame of the live page."""
    from fer.detection.blazeface import LIVE_SIDE
    from fer.images.loading import load_image

    frame = load_image(Path(folder, "photo.jpg")).crop((-60, 0, 580, 480))
    seconds = []
    for _ in range(30):
        start = time.perf_counter()
        small = frame.copy()
        small.thumbnail((LIVE_SIDE, LIVE_SIDE))
        recognizer.recognize(small)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def renderer_memory(page):
    """Return the bytes of resident memory of the page's process, the largest renderer of its browser."""
    session = page.context.browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = [
        Path(f"/proc/{process['id']}/status").read_text() for process in processes if process["type"] == "renderer"
    ]
    return max(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024 for status in sizes)


@contextmanager
def open_page(url):
    """Open a blank page of a site in a new browser with an empty cache."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS.split())
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.goto(f"{url}blank.html")
        yield page
        browser.close()


class CountingHandler(SimpleHTTPRequestHandler):
    """Handler that sends files, and adds their bytes to the server's `sent`."""

    def log_message(self, *arguments):
        pass

    def copyfile(self, source, outputfile):
        content = source.read()
        self.server.sent += len(content)
        outputfile.write(content)


@contextmanager
def serve(folder):
    """Start a web server of a folder; it has its address `url` and the number of bytes `sent`."""
    (folder / "blank.html").write_text("<!doctype html>")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(CountingHandler, directory=folder)) as server:
        server.sent, server.folder, server.url = 0, folder, f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


if __name__ == "__main__":
    main()
