from concurrent.futures import Future

import gradio as gr
import pytest
from gradio.blocks import BlocksConfig
from gradio.state_holder import SessionState

from app import build_demo
from pages.sessions import GRADIO_STARTS, share_configurations


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
