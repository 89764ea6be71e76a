"""The page and its API, put together and served."""

import os
import sys
from concurrent.futures import Future
from typing import NamedTuple
from unittest.mock import patch

import gradio as gr
from gradio import processing_utils, route_utils
from starlette.middleware import Middleware

from fer.app.components.keyboard import ARROW_KEYS
from fer.app.pages.about import build_about_page
from fer.app.pages.batch import build_many_page
from fer.app.pages.live import build_live_page
from fer.app.pages.photo import build_photo_page
from fer.app.pages.video import build_video_page
from fer.app.server.address import told_address
from fer.app.server.cache import sweep_leftovers
from fer.app.server.fetching import PublicTransport
from fer.app.server.guard import guard
from fer.app.server.intake import HANDLERS, FilesOnly, Intake
from fer.app.server.limits import (
    CONCURRENT,
    KEEP_SECONDS,
    LIVE_PEOPLE,
    LIVE_SECONDS,
    MAX_FILE_SIZE,
    MAX_WAITING,
    SESSIONS,
    SWEEP_SECONDS,
)
from fer.app.server.mcp import Tools
from fer.app.server.payloads import CheckedBlocks
from fer.app.server.shutdown import Ending
from fer.app.server.startup import serve_at_launch, share_configurations
from fer.app.texts import I18N, language_of_the_page, say
from fer.app.theme import CSS, THEME
from fer.errors import UserError
from fer.images.decoding import DecodingPool, give_memory_back
from fer.images.loading import load_image


class Serving(NamedTuple):
    """What answers: a `fer.recognition.recognizer.Recognizer`, the `fer.hub.client.ModelSource` that it was loaded
    from, and why it is not the model that was asked for ("" if it is)."""

    recognizer: object
    source: object
    reason: str = ""


@serve_at_launch()
def build_demo(serving, load_image=load_image, waiting=MAX_WAITING, live_seconds=LIVE_SECONDS, live_people=LIVE_PEOPLE):
    """The page and its API.

    Args:
        serving: a future of `Serving`; the page is up before it is done.
        load_image: what opens pictures, with the arguments, answer and errors of `fer.images.loading.load_image`.
        waiting, live_seconds, live_people: the limits of `fer.app.server.limits`.
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
    from fer.hub.client import resolve_model
    from fer.recognition.recognizer import Recognizer

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


def serve(cache):
    """Serves the app until it is interrupted. The page is up at once; the model loads behind it, and warms up behind
    the first answers.

    Args:
        cache: of `fer.app.server.cache.make_cache`.
    """
    give_memory_back()
    ending = Ending()
    serving = Future()
    # So many that photos leave frames their places, and frames photos.
    pool = DecodingPool(CONCURRENT + LIVE_PEOPLE)
    demo = build_demo(serving, pool.load_image)
    share_configurations(demo)
    sweep_leftovers(cache, every=SWEEP_SECONDS, age=KEEP_SECONDS)
    launch(demo)
    serving.set_result(load_serving(os.environ.get("FER_MODEL") or "bundled"))
    serving.result().recognizer.warm_up()
    pool.warm_up()
    ending.wait()
    demo.close()
    pool.close()
