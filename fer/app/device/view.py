"""The part of a page that a script of `page/` fills and answers, without the server."""

import os

import gradio as gr

from fer.app.javascript import read_script

ADDRESS = "device"
"""Path below the app's own under which `fer.app.device.files` answers."""
OPEN_VIEW = read_script("device/open_view.js").replace("ADDRESS", ADDRESS)


def is_offered():
    """Return whether browsers may have the model; `FER_ON_DEVICE=0` keeps it on the server."""
    return os.environ.get("FER_ON_DEVICE") != "0"


def build_device_view(name, language):
    """Add the view that a script fills; call within `gr.Blocks`.

    Its switch is the checkbox in `#NAME-switch`; `style.css` shows the view or, in its place, `#NAME-server`.

    Args:
        name: of the page, and of its script in `page/`.
        language: of `fer.app.texts.language_of_the_page`.
    """
    view = gr.HTML(
        html_template='<div class="device"></div>', js_on_load=OPEN_VIEW.replace("NAME", name),
        elem_id=f"{name}-device",
    )  # fmt: skip
    language.change(None, language, view, js="(language) => language", api_visibility="private")
