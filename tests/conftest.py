import io
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
from itertools import groupby
from pathlib import Path

import av
import numpy as np
import pytest
from hub_double import HubDouble
from PIL import Image, ImageDraw

from fer.app.server.cache import make_cache
from fer.detection.blazeface import FaceDetector
from fer.images.clips import Clip, Frame
from fer.images.loading import load_image
from fer.labels import EMOTIONS
from fer.recognition.clip_reading import ClipSummary, FrameAnswer
from fer.recognition.recognizer import FaceList

ROOT = Path(__file__).parents[1]
HUB = HubDouble()
HUB_HOME = Path(tempfile.mkdtemp(prefix="fer-hub-"))
# huggingface_hub reads these once, when it is imported, so they are set here: no test reaches the real Hub by mistake.
os.environ.update(
    HF_ENDPOINT=HUB.url,
    HF_HOME=str(HUB_HOME),
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
)
if "PYTEST_XDIST_WORKER" in os.environ:
    # One thread per library, since the test processes share the cores.
    os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
CACHE = make_cache()
"""Temporary folder of Gradio, which reads its path when it is imported; it is deleted with this object."""
# A shell that starts the tests in the background ignores Ctrl+C, and every program that they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
LIVE_TOKEN = os.environ.pop("HF_TOKEN", None)
"""Token of the real Hub, used only by tests with the marker `live`."""
SHARED_FIXTURES = ("trained", "app_url")
"""Slow session fixtures: all tests that use one of them run in the same process of pytest-xdist, so it is made once."""

pytest_plugins = ["pytester", "speed"]


def pytest_collection_modifyitems(items):
    """Put tests without an xdist group into one by shared fixture or, without a shared fixture, by file."""
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            fixtures = [name for name in SHARED_FIXTURES if name in item.fixturenames]
            item.add_marker(pytest.mark.xdist_group((fixtures or [item.path.stem])[0]))


def pytest_unconfigure():
    shutil.rmtree(HUB_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def hub_server():
    """The running double of the Hub, shared by all tests; `hub` empties it first."""
    with HUB:
        yield HUB


def hub_environment(**settings):
    """Return the environment of a subprocess that uses the Hub's double; its token may write to `fer-bot/…`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FER_", "GRADIO_"))}
    return {**inherited, "HF_TOKEN": "hf_write", **settings}


@pytest.fixture
def hub(hub_server, monkeypatch):
    """The Hub's double, empty, with an empty cache and a token that may write to `fer-bot/…`."""
    hub_server.reset()
    shutil.rmtree(HUB_HOME, ignore_errors=True)
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    return hub_server


@pytest.fixture(scope="session")
def app_url():
    """Address of an app with the bundled model that runs in this process until the tests end."""
    with serve_app() as url:
        yield url


@contextmanager
def serve_app(answers=None, **limits):
    """Serve the app in this process, without the deletion of old files, and yield its address.

    Args:
        answers: a `fer.app.server.services.ServedModel`; by default that of the bundled model.
        **limits: limits of `fer.app.demo.build_demo`.
    """
    # Imported here, since Gradio imports huggingface_hub, which must find the settings above.
    from fer.app.demo import load_served_model, running_app

    load = partial(load_served_model, "bundled") if answers is None else lambda: answers
    with running_app(load, limits=limits, server_port=free_port(), quiet=True) as url:
        yield url


@contextmanager
def run_app(folder, ending=signal.SIGTERM, output=None):
    """Run `python app.py` in a subprocess, yield its address, and end it with a signal.

    Args:
        folder: folder for all files that the app and Gradio write.
        ending: signal that ends it.
        output: open file for its output; None for that of the tests.
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
    """Wait until `condition()` is true; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so after {seconds} seconds"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def client(app_url):
    from gradio_client import Client  # Imported here for the same reason as in `serve_app`.

    return Client(app_url, verbose=False)


@pytest.fixture(scope="session")
def astronaut():
    """Path of the example photo, which has one face."""
    return ROOT / "examples" / "astronaut.jpg"


@pytest.fixture(scope="session")
def photo(astronaut):
    """The example photo as a PIL image."""
    return load_image(astronaut)


@pytest.fixture(scope="session")
def detector():
    return FaceDetector()


@pytest.fixture(scope="session")
def face(photo, detector):
    """The `DetectedFace` of the example photo."""
    return detector.detect(photo)[0]


@pytest.fixture(scope="session")
def draw_dataset():
    """Function that draws a data set in Kaggle's layout of FER2013, and returns its folder.

    Each split has `per_class` pictures of each emotion. Pictures are numbered from 0: training, then validation
    (`PublicTest_`), then test (`PrivateTest_`).
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


@pytest.fixture
def dataset(tmp_path, draw_dataset):
    """Folder of a data set in Kaggle's layout of FER2013, with three pictures per emotion and split."""
    return draw_dataset(tmp_path / "faces", per_class=3)


def draw_face(emotion, number):
    """Draw a grey 48x48 face; the emotion determines mouth and brows, and the number the noise."""
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


def encode(image, format="PNG", **options):
    """Return a PIL image as the bytes of a file; the options are those of `Image.save`."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def record_clip(rows, seconds, left_out=0):
    """Return the record of a clip of some seconds that has these rows of `clip_rows`, with faces left out per frame."""
    summary = ClipSummary()
    for start, own in groupby(rows, lambda row: row["seconds"]):
        summary.add(FrameAnswer(Frame(start, None, (640, 480)), FaceList(left_out=left_out), [], list(own)))
    return summary.record(Clip("clip.mp4", "clip.mp4", seconds), 0.2, "bundled", rows)


def write_clip(
    path,
    pictures,
    rate=25,
    codec="libx264",
    rotation=None,
    mirrored=False,
    sound=0,
    container=None,
    pixel=None,
    times=None,
    keys=None,
):
    """Write pictures of the same size as a clip, and return its path.

    Args:
        rotation: degrees, counter-clockwise, by which players shall rotate the pictures.
        mirrored: whether players shall mirror the rotated pictures.
        sound: seconds of silence to add.
        container: options of the file format.
        pixel: aspect ratio of a pixel, width over height, a fraction.
        times: time stamps in units of 1 / rate; by default 0, 1, 2, …
        keys: number of frames from one key frame to the next; by default as the codec likes.
    """
    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = "yuv420p"
        if keys:
            stream.codec_context.gop_size = keys
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
            write_silence(file, audio, sound)
    return path


def damage_clip(path, numbers):
    """Overwrite the packets of these numbers in an MP4 or AVI file with zeros, and return its path."""
    with av.open(str(path)) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for number in numbers:
        start, size = packets[number]
        content[start : start + size] = bytes(size)
    path.write_bytes(content)
    return path


def write_silence(file, stream, seconds=1):
    """Write seconds of silence to an audio stream of 48 kHz."""
    for start in range(0, seconds * 48_000, 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, start
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))


def texts(html):
    """Return the texts of HTML without its tags, in order."""
    found, parser = [], HTMLParser()
    parser.handle_data = lambda data: found.append(data.strip())
    parser.feed(html)
    return [text for text in found if text]


@pytest.fixture(scope="session")
def recognizer():
    """The recognizer of the bundled model."""
    from fer.recognition.recognizer import Recognizer

    return Recognizer.load("bundled")


SMALL = {"stem": 8, "widths": (8,), "depth": 1}
"""Options of a `se_resnet` that trains in seconds on a CPU."""


@dataclass(frozen=True)
class Run:
    """A finished run of `train.py`.

    folder: model folder; tests must not change it.
    data: folder of the data set.
    command: arguments without `--output`.
    """

    folder: Path
    data: Path
    command: list


@contextmanager
def small_networks():
    """Context manager in which `se_resnet` defaults to the options in `SMALL`."""
    from fer.models.networks import NETWORKS, se_resnet

    with pytest.MonkeyPatch.context() as patch:
        small = replace(NETWORKS["se_resnet"], build=partial(se_resnet, **SMALL))
        patch.setitem(NETWORKS, "se_resnet", small)
        yield


@pytest.fixture
def small_network():
    """Make the options in `SMALL` the defaults of `se_resnet` during the test."""
    with small_networks():
        yield


@contextmanager
def eager_training():
    """Context manager in which Keras trains eagerly: for a few steps, tracing a graph takes longer than it saves."""
    import keras

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "compile", partialmethod(keras.Model.compile, run_eagerly=True))
        yield


@pytest.fixture
def eager():
    """Train eagerly during the test."""
    with eager_training():
        yield


@pytest.fixture(scope="session")
def trained(draw_dataset, tmp_path_factory):
    """A finished `Run` of a small network on happy and sad faces of 16 pixels.

    The pictures of the test split are empty files, so training fails if it reads them.
    """
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
    """A model folder of an untrained network that enlarges its input, with a temperature and a prior.

    It has the labels and metrics of `trained`, but no logs, figures or exports. Tests must not change it.
    """
    from fer.models.calibration import Calibration
    from fer.models.config import load_config
    from fer.models.model_folder import METRICS, save_model

    folder = tmp_path_factory.mktemp("models") / "small"
    folder.mkdir()
    calibration = Calibration(0.2, 0.6, prior_exponent=0.5, class_shares=(0.9, 0.1))
    config = replace(load_config(trained.folder), options={**SMALL, "enlarged": 32}, calibration=calibration)
    save_model(folder, config.build(), config)
    shutil.copy(trained.folder / METRICS, folder)
    return folder


@pytest.fixture(scope="session")
def exported(calibrated, tmp_path_factory):
    """A copy of `calibrated` with an export in each format. Tests must not change it."""
    from fer.export.convert import export_model
    from fer.models.config import EXPORTS

    folder = shutil.copytree(calibrated, tmp_path_factory.mktemp("models") / "small")
    for name, file in EXPORTS.items():
        export_model(folder, name, folder / file)
    return folder


@pytest.fixture
def converted(exported, monkeypatch):
    """Replace Keras' export, which takes seconds, by copying the files of `exported`."""
    import keras

    from fer.models.config import EXPORTS

    def copy(model, path, format, **how):
        shutil.copy(exported / EXPORTS[format], path)

    monkeypatch.setattr(keras.Model, "export", copy)


@pytest.fixture
def conversion_of_another(converted, monkeypatch):
    """Like `converted`, but without the comparison with Keras, for networks with other weights than `exported`."""
    monkeypatch.setattr("fer.export.convert._compare", lambda *_: 0.0)


@pytest.fixture
def conversion_here(monkeypatch):
    """Run conversions in this process instead of in a subprocess."""

    def export(folder, file, quantize=False):
        from fer.export.convert import export_model

        export_model(folder, "litert", file, quantize)

    monkeypatch.setattr("fer.models.conversion.run_export", export)


@pytest.fixture
def untrained(tmp_path):
    """A model folder of a small, untrained network with the labels, calibration and metrics of the bundled model."""
    from fer.models.config import load_config
    from fer.models.model_folder import BUNDLED, METRICS, save_model

    folder = tmp_path / "untrained"
    folder.mkdir()
    config = replace(load_config(BUNDLED), options=SMALL)
    save_model(folder, config.build(), config)
    shutil.copy(BUNDLED / METRICS, folder)
    return folder
