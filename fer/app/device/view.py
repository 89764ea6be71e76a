"""Part of a page that a script of `page/` fills and runs without the server."""

import gradio as gr

from fer.app.javascript import read_script
from fer.app.server.flags import read_flag

ADDRESS = "device"
"""Path below the app's address at which `fer.app.device.files` serves its files."""
OPEN_VIEW = read_script("device/open_view.js").replace("ADDRESS", ADDRESS)
"""JavaScript of the view; `build_device_view` replaces NAME."""


def is_offered() -> bool:
    """Return whether browsers may load the model; `FER_ON_DEVICE=0` keeps it on the server."""
    return read_flag("FER_ON_DEVICE")


def build_device_view(name: str, language: gr.Textbox) -> None:
    """Add the view that a script fills; call this within `gr.Blocks`.

    Its switch is the checkbox in `#NAME-switch`; `style.css` shows either the view or `#NAME-server`.

    Args:
        name: name of the page and of its script in `page/`.
        language: component of `fer.app.texts.language_of_the_page`.
    """
    view = gr.HTML(
        html_template='<div class="device"></div>', js_on_load=OPEN_VIEW.replace("NAME", name),
        elem_id=f"{name}-device",
    )  # fmt: skip
    language.change(None, language, view, js="(language) => language", api_visibility="private")
