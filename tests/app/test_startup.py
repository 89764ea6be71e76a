"""Tests of the app's start, and of the separation of sessions."""

import asyncio
import io
import json
import resource
import subprocess
import sys
from concurrent.futures import Future
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from conftest import ROOT, free_port, serve_app
from PIL import Image

from fer.app.demo import build_demo, launch
from fer.app.device.view import ADDRESS
from fer.app.server.services import ServedModel, open_model
from fer.app.server.startup import OPEN_FILES, raise_file_limit
from fer.hub.client import resolve_model
from fer.labels import EMOTIONS
from fer.recognition.recognizer import Face, FaceList
from fer.web.site import SETTINGS

PNG = io.BytesIO()
Image.new("RGB", (40, 30)).save(PNG, "PNG")
PNG = PNG.getvalue()
START = """
import gc, jinja2, sys
from concurrent.futures import Future

from fer.app.server.startup import paused_garbage_collection, templates_compiled_once
template, compile_text, texts = jinja2.Template, jinja2.Environment.from_string, []
jinja2.Environment.from_string = lambda self, source, *rest, **more: (
    texts.append(source) or compile_text(self, source, *rest, **more)
)
with paused_garbage_collection(), templates_compiled_once():
    from fer.app.demo import build_demo, launch, load_served_model
assert jinja2.Template is template
assert len(texts) == len(set(texts)) > 10
assert gc.isenabled()
assert gc.get_freeze_count() > 100_000
from gradio.components import Component
from gradio_client import Client

def subclasses(kind):
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)

# Gradio would write a stub file (.pyi) beside the module of each.
assert not [kind for kind in subclasses(Component) if kind.__module__.startswith("fer.")]
served_model = Future()
_, address, _ = launch(build_demo(served_model), quiet=True)
heavy = {"av", "keras", "sklearn", "tensorflow"}
loaded = {name.split(".")[0] for name in sys.modules}
assert not loaded & {*heavy, "matplotlib"}, loaded
served_model.set_result(load_served_model("bundled"))
assert Client(address, verbose=False).predict(api_name="/model")["model"] == "bundled"
loaded = {name.split(".")[0] for name in sys.modules}
assert not loaded & heavy, loaded
"""


def test_the_app_may_have_many_open_files():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(OPEN_FILES, limits[1]), limits[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= limits[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture(scope="module")
def fake_app():
    """An app with a fake recognizer that finds two faces: a function that calls it in a session, and a photo."""
    probabilities = dict.fromkeys(EMOTIONS, 1 / len(EMOTIONS))
    face = Face((0, 0, 20, 20), "happy", probabilities, 0.9, True, np.zeros((48, 48), np.uint8))
    recognizer = SimpleNamespace(
        model="fake",
        labels=EMOTIONS,
        image_size=48,
        recognize=lambda *_: FaceList([face, face]),
        explain=lambda _: None,
        warm_up=lambda: None,
    )
    with (
        serve_app(ServedModel(recognizer, source=None)) as url,
        httpx.Client(base_url=f"{url}gradio_api/", timeout=60) as http,
    ):
        photo = http.post("upload", files={"files": ("photo.png", PNG)}).json()[0]

        numbers = {row["api_name"]: row["id"] for row in http.get(f"{url}config").json()["dependencies"]}

        def call(name, *values, session):
            http.post("queue/join", json={"data": values, "fn_index": numbers[name], "session_hash": session})
            lines = http.get("queue/data", params={"session_hash": session}).text.split("\n\n")
            messages = [json.loads(line[6:]) for line in lines if line]
            (output,) = [message["output"] for message in messages if message["msg"] == "process_completed"]
            return output.get("data") or output["error"]

        yield call, {"path": photo, "meta": {"_type": "gradio.FileData"}}


def test_a_session_cannot_select_faces_of_another_session(fake_app):
    call, photo = fake_app
    assert "2 faces" in str(call("show", photo, False, 0, "en", session="anna"))
    share = f"{1 / len(EMOTIONS):.0%}"
    assert share in str(call("choose", None, 2, "en", session="anna"))
    for session in ("ben", "carla"):
        answer = str(call("choose", None, 2, "en", session=session))
        assert "Your upload has been deleted" in answer
        assert share not in answer
    assert call("choose", None, 3, "en", session="anna").startswith("`number` must be one of the choices.")


def test_visitors_who_wait_for_the_model_hold_no_threads_and_may_leave(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    served_model = Future()
    demo = build_demo(served_model)
    _, url, _ = launch(demo, server_port=free_port(), quiet=True)
    numbers = {fn.api_name: number for number, fn in demo.fns.items()}

    async def visit():
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=None)) as http:
            waiting = [
                asyncio.create_task(
                    http.post(f"gradio_api/run/{name}", json={"data": ["en"], "fn_index": numbers[name]})
                )
                for name in [*["about_model"] * 22, *["fail", "fail_2"] * 22]
            ]
            files = f"{ADDRESS}/{SETTINGS}", f"{ADDRESS}/networks/expressions.tflite"
            settings = [asyncio.create_task(http.get(file)) for file in files * 22]
            for _ in range(5):  # The first of them is sent before those that wait.
                assert (await http.get(f"{ADDRESS}/module/recognizer.js")).is_success
            waiting.pop().cancel()
            settings.pop().cancel()
            recognizer = SimpleNamespace(model="fake", labels=EMOTIONS, image_size=48)
            served_model.set_result(open_model(resolve_model("bundled"))._replace(recognizer=recognizer))
            return await asyncio.gather(*waiting), await asyncio.gather(*settings)

    answers, settings = asyncio.run(visit())
    assert all("fake" in answer.text for answer in answers[:22])
    assert all(answer.is_success for answer in answers)
    assert all(answer.is_success for answer in settings)
    demo.close()


@pytest.mark.slow  # Starts an interpreter that imports Gradio and builds the whole page.
def test_the_app_starts_without_training_libraries_and_compiles_each_template_once():
    command = [sys.executable, "-c", START]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
