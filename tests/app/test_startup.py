"""What Gradio would do for nothing is left out, and nobody is the poorer for it."""

import io
import subprocess
import sys
from concurrent.futures import Future
from types import SimpleNamespace

import gradio as gr
import httpx
import numpy as np
import pytest
from conftest import ROOT, serve_app
from gradio.state_holder import SessionState
from PIL import Image

from fer.app.demo import Serving, build_demo
from fer.app.server.startup import share_configurations
from fer.labels import EMOTIONS
from fer.recognition.recognizer import Face, FaceList

PNG = io.BytesIO()
Image.new("RGB", (40, 30)).save(PNG, "PNG")
PNG = PNG.getvalue()
START = """
import ast, sys, jinja2
from concurrent.futures import Future

parse, compile_template, parsed, compiled, apps = ast.parse, jinja2.Environment.from_string, [], [], []
ast.parse = lambda source, *rest, **more: parsed.append(source) or parse(source, *rest, **more)
jinja2.Environment.from_string = lambda self, source, *rest, **more: (
    compiled.append(source) or compile_template(self, source, *rest, **more)
)

from fer.app.server.startup import lean_gradio_import
with lean_gradio_import():
    import gradio
from fer.app.demo import build_demo, load_serving
from gradio.routes import App
from gradio_client import Client

assert not [source for source in parsed if "\\nclass " in source]
assert len(compiled) == len(set(compiled)) > 10
configure = App.configure_app
App.configure_app = lambda self, blocks: apps.append(self) or configure(self, blocks)
serving = Future()
demo = build_demo(serving)
assert not apps
_, address, _ = demo.launch(prevent_thread_lock=True, quiet=True)
assert len(apps) == 1
serving.set_result(load_serving("bundled"))
assert Client(address, verbose=False).predict(api_name="/model")["model"] == "bundled"
loaded = {name.split(".")[0] for name in sys.modules}
assert not loaded & {"av", "keras", "matplotlib", "sklearn", "tensorflow"}, loaded
"""


def props(session, key):
    return tuple(session.config_values[key]["props"].get(name) for name in ("value", "choices"))


def test_sessions_start_as_gradio_would_have_them_and_what_one_sets_stays_in_it(monkeypatch):
    demo = build_demo(Future())
    own = SessionState(demo)
    monkeypatch.setattr(SessionState, "__init__", SessionState.__init__)
    share_configurations(demo)
    session, other = SessionState(demo), SessionState(demo)
    assert session.config_values == own.config_values
    assert vars(session).keys() == vars(own).keys()
    key = next(key for key, block in demo.blocks.items() if isinstance(block, gr.Radio))
    session._update_value_in_config(key, 2)
    session[key] = gr.Radio(choices=["a"], render=False)
    session._update_config(key)
    assert props(session, key) != props(own, key)
    assert props(other, key) == props(SessionState(demo), key) == props(own, key) == (None, [])


@pytest.fixture(scope="module")
def served():
    """An app that finds two faces in any photo: what calls its functions in a session, and a photo."""
    probabilities = dict.fromkeys(EMOTIONS, 1 / len(EMOTIONS))
    face = Face((0, 0, 20, 20), "happy", probabilities, 0.9, True, np.zeros((48, 48), np.uint8))
    recognizer = SimpleNamespace(
        model="fake",
        labels=EMOTIONS,
        image_size=48,
        recognize=lambda *_: FaceList([face, face]),
        explain=lambda _: None,
    )
    with serve_app(Serving(recognizer, source=None)) as url, httpx.Client(base_url=f"{url}gradio_api/") as http:
        photo = http.post("upload", files={"files": ("photo.png", PNG)}).json()[0]

        def call(name, *values, session=None):
            body = {"data": values, "session_hash": session}
            answer = http.post(f"run/{name}", json=body).json()
            return answer.get("data") or answer["error"]

        yield call, {"path": photo, "meta": {"_type": "gradio.FileData"}}


def test_what_a_person_is_shown_can_be_chosen_by_nobody_else(served):
    call, photo = served
    assert "2 faces" in str(call("show", photo, False, 0, "en", session="anna"))
    assert "happy" in str(call("choose", None, 2, "en", session="anna"))
    for session in ("ben", None):
        assert call("choose", None, 2, "en", session=session).startswith("`number` must be one of the choices.")
    assert call("choose", None, 3, "en", session="anna").startswith("`number` must be one of the choices.")


def test_no_configuration_is_worked_out_for_a_session(served, monkeypatch):
    call, photo = served
    for component in (gr.Radio, gr.HTML, gr.Markdown):
        monkeypatch.setattr(component, "get_config", lambda self, *_: pytest.fail("it is worked out"))
    assert len(call("analyze", photo, False, 0)[0]["faces"]) == 2


def test_nothing_is_done_for_nothing_on_the_way_to_the_first_answer():
    command = [sys.executable, "-c", START]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
