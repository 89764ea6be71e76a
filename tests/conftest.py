import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial, partialmethod
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest
from hub_double import HubDouble
from PIL import Image, ImageDraw

from fer.app.server.cache import make_cache
from fer.detection.blazeface import FaceDetector
from fer.images.loading import load_image
from fer.labels import EMOTIONS

ROOT = Path(__file__).parents[1]
HUB = HubDouble()
HUB_HOME = Path(tempfile.mkdtemp(prefix="fer-hub-"))
# The Hub's client reads these once, when it is imported: no test ever reaches the real Hub by mistake.
os.environ.update(
    HF_ENDPOINT=HUB.url,
    HF_HOME=str(HUB_HOME),
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
)
if "PYTEST_XDIST_WORKER" in os.environ:
    # A thread for each library: the processes of the tests share the cores.
    os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
CACHE = make_cache()
"""Where Gradio writes, which reads it when it is imported."""
# A shell that starts the tests in the background has Ctrl+C ignored, and every program of theirs would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
LIVE_TOKEN = os.environ.pop("HF_TOKEN", None)
"""For the tests marked live alone."""
GROUPS = ("trained", "app_url")
"""Fixtures that take long to make: where tests run in several processes, those of each run in the same one."""

pytest_plugins = ["pytester", "speed"]


def pytest_collection_modifyitems(items):
    """Of those without a group of their own, the tests of a file share a process, and with it its fixtures."""
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            fixtures = [name for name in GROUPS if name in item.fixturenames]
            item.add_marker(pytest.mark.xdist_group((fixtures or [item.path.stem])[0]))


def pytest_unconfigure():
    shutil.rmtree(HUB_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def hub_server():
    with HUB:
        yield HUB


def hub_environment(**settings):
    """Environment of a program of its own that meets the double, with a token that may write to `fer-bot/…`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FER_", "GRADIO_"))}
    return {**inherited, "HF_TOKEN": "hf_write", **settings}


@pytest.fixture
def hub(hub_server, monkeypatch):
    """The Hub's double with nothing in it, an empty cache, and a token that may write to `fer-bot/…`."""
    hub_server.reset()
    shutil.rmtree(HUB_HOME, ignore_errors=True)
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    return hub_server


@pytest.fixture(scope="session")
def app_url():
    """Address of the app with the bundled model, which serves from this process as long as the tests run."""
    with serve_app() as url:
        yield url


@contextmanager
def serve_app(answers=None, **limits):
    """Serve the app in this process, without deleting old files, and yield its address.

    Args:
        answers: a `fer.app.demo.Serving`; by default that of the bundled model.
        **limits: limits of `fer.app.demo.build_demo`.
    """
    # Gradio imports the Hub's client, which must find the settings above.
    from fer.app.demo import load_serving, running_app

    load = partial(load_serving, "bundled") if answers is None else lambda: answers
    with running_app(load, limits=limits, server_port=free_port(), quiet=True) as url:
        yield url


@contextmanager
def run_app(folder, ending=signal.SIGTERM, output=None):
    """Starts the app as a person does, in a process of its own, and ends it politely: yields its address.

    Args:
        folder: for all files that it and Gradio write.
        ending: signal that asks it to end.
        output: file for what it prints; None for the tests' own output.
    """
    port = free_port()
    environment = hub_environment(GRADIO_SERVER_PORT=str(port), GRADIO_TEMP_DIR=str(folder), TMPDIR=str(folder))
    url = f"http://127.0.0.1:{port}/"
    command = {"args": [sys.executable, "app.py"], "cwd": ROOT, "env": environment}
    with subprocess.Popen(**command, stdout=output, stderr=output) as app:

        def is_up():
            assert app.poll() is None, "the app ended"
            with suppress(OSError), urllib.request.urlopen(url, timeout=60):
                return True

        try:
            wait_for(is_up)
            yield url
        finally:
            app.send_signal(ending)
            try:
                app.wait(60)
            finally:
                app.kill()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds=60):
    """Returns when the function's answer is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so after {seconds} seconds"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def client(app_url):
    from gradio_client import Client  # Imports the Hub's client, which must find the settings above.

    return Client(app_url, verbose=False)


@pytest.fixture(scope="session")
def astronaut():
    """Path of a photo with one face."""
    return ROOT / "examples" / "astronaut.jpg"


@pytest.fixture(scope="session")
def photo(astronaut):
    """That photo, opened."""
    return load_image(astronaut)


@pytest.fixture(scope="session")
def detector():
    return FaceDetector()


@pytest.fixture(scope="session")
def face(photo, detector):
    """Its face as it is found."""
    return detector.detect(photo)[0]


@pytest.fixture(scope="session")
def draw_dataset():
    """Draws FER2013 in Kaggle's layout, `per_class` pictures of each emotion in each split, and returns its folder.

    Training, validation (`PublicTest_`) and test (`PrivateTest_`) follow each other in the pictures' numbers, from 0.
    """

    def draw(folder, emotions=EMOTIONS, per_class=4):
        number = 0
        for subfolder, usage in (("train", "Training"), ("test", "PublicTest"), ("test", "PrivateTest")):
            for emotion in emotions:
                target = Path(folder) / subfolder / emotion
                target.mkdir(parents=True, exist_ok=True)
                for _ in range(per_class):
                    draw_face(emotion, number).save(target / f"{usage}_{number}.jpg", quality=95)
                    number += 1
        return Path(folder)

    return draw


def draw_face(emotion, number):
    """A grey 48x48 face that differs by emotion in its mouth and brows, and by number in its grain."""
    index = EMOTIONS.index(emotion)
    image = Image.new("L", (48, 48), 40)
    draw = ImageDraw.Draw(image)
    draw.ellipse((6, 2, 42, 46), fill=190)
    for x in (17, 31):
        draw.ellipse((x - 3, 17, x + 3, 22), fill=20)
        draw.line((x - 5, 15 - index % 3 * 2, x + 5, 11 + index % 3 * 2), fill=60, width=2)
    draw.ellipse((24 - 3 - index, 36 - index // 2, 24 + 3 + index, 37 + index // 2), fill=10)
    grain = np.random.default_rng(number).normal(0, 6, (48, 48))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def write_clip(
    path,
    pictures,
    rate=25,
    codec="libx264",
    rotation=None,
    mirrored=False,
    sound=False,
    container=None,
    pixel=None,
    times=None,
):
    """Writes pictures of one size as a clip.

    Args:
        rotation: degrees that a player is told to turn the pictures by, counter-clockwise.
        mirrored: whether it is told to mirror them then.
        sound: add a second of silence.
        container: options of the file format.
        pixel: width of a pixel over its height, a fraction.
        times: of the pictures, in numbers of pictures from the start of the clock; by default from 0 on.
    """
    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=mirrored)
        if pixel is not None:
            stream.codec_context.sample_aspect_ratio = pixel
        audio = file.add_stream("aac", rate=48_000) if sound else None
        for number, picture in zip(times or range(len(pictures)), pictures, strict=True):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = number, Fraction(1, rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if audio:
            write_silence(file, audio)
    return path


def write_silence(file, stream):
    for start in range(0, 48_000, 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, start
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))


def texts(html):
    """What a person reads of HTML: its texts, in order."""
    found, parser = [], HTMLParser()
    parser.handle_data = lambda data: found.append(data.strip())
    parser.feed(html)
    return [text for text in found if text]


@pytest.fixture(scope="session")
def recognizer():
    """Of the bundled model."""
    from fer.recognition.recognizer import (
        Recognizer,  # Keras imports the Hub's client, which must find the settings above.
    )

    return Recognizer.load("bundled")


SMALL = {"stem": 8, "widths": (8,), "depth": 1}
"""Options of a `se_resnet` that a processor trains in seconds."""


@dataclass(frozen=True)
class Run:
    """A run of `train.py` that is over.

    folder: its model folder, which no test changes.
    data: what it was trained on.
    command: its arguments but for `--output`.
    """

    folder: Path
    data: Path
    command: list


@contextmanager
def small_networks():
    """Within it a `se_resnet` is small unless other options are asked for."""
    from fer.models.networks import NETWORKS, se_resnet

    with pytest.MonkeyPatch.context() as patch:
        small = replace(NETWORKS["se_resnet"], build=partial(se_resnet, **SMALL))
        patch.setitem(NETWORKS, "se_resnet", small)
        yield


@pytest.fixture
def small_network():
    with small_networks():
        yield


@contextmanager
def eager_training():
    """Within it networks are trained without a graph, which takes longer to trace than a few steps do without it."""
    import keras

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "compile", partialmethod(keras.Model.compile, run_eagerly=True))
        yield


@pytest.fixture
def eager():
    with eager_training():
        yield


@pytest.fixture(scope="session")
def trained(draw_dataset, tmp_path_factory):
    """A whole run of a small network on happy and sad faces of 16 pixels, whose test pictures cannot be read."""
    import train

    data, folder = draw_dataset(tmp_path_factory.mktemp("data"), per_class=12), tmp_path_factory.mktemp("runs") / "two"
    for picture in (data / "test").rglob("PrivateTest_*"):
        picture.write_bytes(b"")
    command = ["--data", str(data), "--classes", "sad", "happy", "--image-size", "16"]
    command += ["--epochs", "2", "--batch-size", "2", "--from-scratch"]
    with small_networks():
        train.main([*command, "--output", str(folder)])
    return Run(folder, data, command)


@pytest.fixture(scope="session")
def calibrated(trained, tmp_path_factory):
    """A model folder like that one, but small: without what training leaves, of a network that has learnt nothing and
    enlarges its input, and with a temperature and a prior. No test changes it."""
    from fer.models.calibration import Calibration
    from fer.models.config import load_config, save_calibration
    from fer.models.model_folder import METRICS, save_model

    folder = tmp_path_factory.mktemp("models") / "small"
    folder.mkdir()
    config = replace(load_config(trained.folder)[0], options={**SMALL, "enlarged": 32})
    save_model(folder, config.build(), config)
    save_calibration(folder, Calibration(0.2, 0.6, prior_exponent=0.5, class_shares=(0.9, 0.1)))
    shutil.copy(trained.folder / METRICS, folder)
    return folder


@pytest.fixture(scope="session")
def exported(calibrated, tmp_path_factory):
    """The same with an export in each format. No test changes it."""
    from fer.export.convert import export_model
    from fer.models.exports import EXPORTS

    folder = shutil.copytree(calibrated, tmp_path_factory.mktemp("models") / "small")
    for name, file in EXPORTS.items():
        export_model(folder, name, folder / file)
    return folder


@pytest.fixture
def converted(exported, monkeypatch):
    """In place of a conversion, which takes Keras seconds, that of the model `exported`."""
    import keras

    from fer.models.exports import EXPORTS

    def copy(model, path, format, **how):
        shutil.copy(exported / EXPORTS[format], path)

    monkeypatch.setattr(keras.Model, "export", copy)


@pytest.fixture
def conversion_of_another(converted, monkeypatch):
    """In place of a conversion that of the model `exported`, of 16 pixels, without comparing what it answers."""
    monkeypatch.setattr("fer.export.convert._compare", lambda *_: 0.0)


@pytest.fixture
def conversion_here(monkeypatch):
    """In this process, what would be converted in a process of its own."""

    def export(folder, file, quantize=False):
        from fer.export.convert import export_model

        export_model(folder, "litert", file, quantize)

    monkeypatch.setattr("fer.models.conversion.run_export", export)


@pytest.fixture
def untrained(tmp_path):
    """A model folder with the bundled one's labels, facts and figures, of a small network that has learnt nothing."""
    from fer.models.config import load_config, save_calibration
    from fer.models.model_folder import BUNDLED, METRICS, save_model

    folder = tmp_path / "untrained"
    folder.mkdir()
    bundled = load_config(BUNDLED)[0]
    config = replace(bundled, options=SMALL)
    save_model(folder, config.build(), config)
    save_calibration(folder, bundled.calibration)
    shutil.copy(BUNDLED / METRICS, folder)
    return folder
