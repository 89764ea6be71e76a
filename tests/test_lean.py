import subprocess
import sys
from concurrent.futures import Future

import gradio as gr
import pytest
from conftest import ROOT
from gradio.blocks import BlocksConfig
from gradio.state_holder import SessionState

from app import build_demo
from pages.lean import share_configurations

GRADIO_STARTS = SessionState.__init__
START = """
import ast, sys, jinja2
from concurrent.futures import Future

parse, compile_template, parsed, compiled, apps = ast.parse, jinja2.Environment.from_string, [], [], []
ast.parse = lambda source, *rest, **more: parsed.append(source) or parse(source, *rest, **more)
jinja2.Environment.from_string = lambda self, source, *rest, **more: (
    compiled.append(source) or compile_template(self, source, *rest, **more)
)

from app import build_demo, load_serving
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


@pytest.fixture
def demo(monkeypatch):
    """The page, whose sessions share what they start from."""
    demo = build_demo(Future())
    monkeypatch.setattr(SessionState, "__init__", SessionState.__init__)
    share_configurations(demo)
    return demo


def props(session, key):
    return tuple(session.config_values[key]["props"].get(name) for name in ("value", "choices"))


def test_a_session_starts_as_gradio_would_have_it(demo):
    own = SessionState.__new__(SessionState)
    GRADIO_STARTS(own, demo)
    shared = SessionState(demo)
    assert shared.config_values == own.config_values
    assert len(shared.config_values) > 50
    assert vars(shared).keys() == vars(own).keys()
    assert shared.blocks_config.blocks == own.blocks_config.blocks
    assert shared.blocks_config is not demo.default_config


def test_no_configuration_is_worked_out_for_a_session(demo, monkeypatch):
    calls = []
    monkeypatch.setattr(BlocksConfig, "config_for_block", lambda *arguments: calls.append(arguments))
    assert SessionState(demo).config_values
    assert not calls


def test_what_a_session_sets_stays_in_it(demo):
    session = SessionState(demo)
    key = next(key for key, block in demo.blocks.items() if isinstance(block, gr.Radio))
    session._update_value_in_config(key, 2)
    assert props(session, key) == (2, [])
    assert props(SessionState(demo), key) == (None, [])
    session[key] = gr.Radio(choices=["a"], render=False)
    session._update_config(key)
    assert props(session, key) == (None, [("a", "a")])
    assert props(SessionState(demo), key) == (None, [])


def test_another_app_is_left_to_gradio(demo):
    with gr.Blocks() as other:
        box = gr.Textbox("words")
    session = SessionState(other)
    assert session.config_values[box._id]["props"]["value"] == "words"
    assert session.config_values.keys() == other.blocks.keys()


@pytest.mark.slow
def test_nothing_is_done_for_nothing_on_the_way_to_the_first_answer():
    command = [sys.executable, "-c", START]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
