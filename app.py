"""The app: a photo in, every face boxed with the probabilities of its expression.

    python app.py

serves the model that FER_MODEL names on http://127.0.0.1:7860: a model folder, OWNER/NAME or OWNER/NAME@REVISION of the
Hugging Face Hub, by default the bundled one. If it cannot be had the bundled one serves and the page says so; with
FER_STRICT=1 the app ends instead. GRADIO_SERVER_NAME and GRADIO_SERVER_PORT change the address.
"""

import os
import sys
from concurrent.futures import Future
from typing import NamedTuple
from unittest.mock import patch

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from fer.console import exit_on_user_error, own_terminal, quiet_libraries
from pages.address import check_port, told_address
from pages.cache import make_cache, sweep_leftovers
from pages.ending import Ending
from pages.lean import lean_gradio_import, serve_at_launch, share_configurations

with exit_on_user_error("python app.py"), lean_gradio_import():
    check_port()
    CACHE = make_cache()
    import gradio as gr
    from gradio import processing_utils, route_utils
    from starlette.middleware import Middleware

try:
    # Part of every Space, and of nothing else. ZeroGPU Spaces end an app that has no function for their GPU.
    import spaces
except ImportError:
    pass
else:

    @spaces.GPU
    def use_no_gpu():
        """Never called: the networks are small enough for the processor."""


from fer.decoding import DecodingPool, give_memory_back
from fer.errors import UserError
from fer.images import load_image
from pages.about import build_about_page
from pages.fetching import PublicTransport
from pages.guard import guard
from pages.intake import HANDLERS, FilesOnly, Intake
from pages.keyboard import ARROW_KEYS
from pages.limits import (
    CONCURRENT,
    KEEP_SECONDS,
    LIVE_PEOPLE,
    LIVE_SECONDS,
    MAX_FILE_SIZE,
    MAX_WAITING,
    SESSIONS,
    SWEEP_SECONDS,
)
from pages.live import build_live_page
from pages.look import CSS, THEME
from pages.many import build_many_page
from pages.payloads import CheckedBlocks
from pages.photo import build_photo_page
from pages.texts import I18N, language_of_the_page, say
from pages.tools import Tools
from pages.video import build_video_page


class Serving(NamedTuple):
    """What answers: a `fer.recognizer.Recognizer`, the `fer.hub.ModelSource` that it was loaded from, and why it is not
    the model that was asked for ("" if it is)."""

    recognizer: object
    source: object
    reason: str = ""


@serve_at_launch()
def build_demo(serving, load_image=load_image, waiting=MAX_WAITING, live_seconds=LIVE_SECONDS, live_people=LIVE_PEOPLE):
    """The page and its API.

    Args:
        serving: a future of `Serving`; the page is up before it is done.
        load_image: what opens pictures, with the arguments, answer and errors of `fer.images.load_image`.
        waiting, live_seconds, live_people: the limits of `pages.limits`.
    """

    def about_model(language):
        recognizer, _, reason = serving.result()
        fallback = say(language, "app.fallback", reason=reason) if reason else ""
        return f"{fallback}\n\n{say(language, 'app.model', model=recognizer.model)}".strip()

    def model():
        """Tells which model answers: model (its name, with the commit if it is of the Hugging Face Hub), labels in
        order, and image_size (the side in pixels of the grey faces that it reads)."""
        recognizer = serving.result().recognizer
        return {"model": recognizer.model, "labels": list(recognizer.labels), "image_size": recognizer.image_size}

    with CheckedBlocks(title="Facial expression recognition", delete_cache=(SWEEP_SECONDS, KEEP_SECONDS)) as demo:
        language = language_of_the_page()
        gr.Markdown(I18N("app.introduction"), elem_id="introduction")
        with gr.Tab(I18N("tab.photo")):
            build_photo_page(serving, language, load_image)
        with gr.Tab(I18N("tab.live")):
            build_live_page(serving, language, load_image, live_seconds, live_people)
        with gr.Tab(I18N("tab.many")):
            build_many_page(serving, language, load_image)
        with gr.Tab(I18N("tab.video")):
            build_video_page(serving, language)
        with gr.Tab(I18N("tab.about")):
            build_about_page(serving, language, demo)
        gr.Markdown(I18N("app.limits"), elem_id="limits")
        footer = gr.Markdown(I18N("app.loading"), elem_id="model")
        # Not queued: a page that comes while the queue is full shows its model all the same.
        language.change(about_model, language, footer, api_visibility="private", show_progress="hidden", queue=False)
        gr.on(triggers=[], fn=model, outputs=gr.JSON(label="model", visible=False), api_name="model")
    return demo.queue(max_size=waiting)


def load_serving(name):
    """Loads the networks: those of the model that is asked for, or else the bundled one's, and the reason why."""
    from fer.hub import resolve_model
    from fer.recognizer import Recognizer

    try:
        source = resolve_model(name)
        return Serving(Recognizer.load(source.folder, str(source)), source)
    except UserError as error:
        if os.environ.get("FER_STRICT") == "1":
            raise
        print(say("en", "app.fallback", reason=error), file=sys.stderr)
        return Serving(Recognizer.load(), resolve_model("bundled"), str(error))


def launch(demo, **options):
    """Serves the page and its API in the background.

    Args:
        demo: of `build_demo`.
        **options: more of `gr.Blocks.launch`.

    Returns:
        What that returns: the web application, its address, and None.
    """
    processing_utils.async_transport = PublicTransport()
    route_utils.GradioMultiPartParser = FilesOnly
    with patch("gradio.mcp.GradioMCPServer", Tools), told_address():
        return demo.launch(
            theme=THEME,
            css=CSS,
            js=ARROW_KEYS,
            i18n=I18N,
            max_file_size=MAX_FILE_SIZE,
            state_session_capacity=SESSIONS,
            footer_links=["api", "settings"],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=True,
            prevent_thread_lock=True,
            app_kwargs={"middleware": [guard(), Middleware(Intake)], "exception_handlers": HANDLERS},
            **options,
        )


def main():
    """Serves the app until it is interrupted. The page is up at once; the model loads behind it, and warms up behind
    the first answers."""
    quiet_libraries()
    give_memory_back()
    ending = Ending()
    serving = Future()
    # So many that photos leave frames their places, and frames photos.
    pool = DecodingPool(CONCURRENT + LIVE_PEOPLE)
    demo = build_demo(serving, pool.load_image)
    share_configurations(demo)
    sweep_leftovers(CACHE, every=SWEEP_SECONDS, age=KEEP_SECONDS)
    launch(demo)
    serving.set_result(load_serving(os.environ.get("FER_MODEL") or "bundled"))
    serving.result().recognizer.warm_up()
    pool.warm_up()
    ending.wait()
    demo.close()
    pool.close()


if __name__ == "__main__":
    with own_terminal(), exit_on_user_error("python app.py"):
        main()
