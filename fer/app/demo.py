"""Assembly of the pages and the API, and the server that serves them."""

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import gradio as gr
from starlette.middleware import Middleware

from fer.app.components.scripts import HEAD
from fer.app.components.training_data import say_training_data
from fer.app.device.files import DeviceFiles
from fer.app.device.view import is_offered
from fer.app.pages.about import build_about_page
from fer.app.pages.batch import add_batch_endpoint, build_batch_page
from fer.app.pages.live import build_live_page
from fer.app.pages.photo import add_photo_endpoints, build_photo_page
from fer.app.pages.video import add_video_endpoint, build_video_page
from fer.app.server.address import explain_address_errors
from fer.app.server.cache import sweep_leftovers
from fer.app.server.endpoints import add_endpoint
from fer.app.server.flags import read_flag
from fer.app.server.guard import guard
from fer.app.server.hidden_paths import hide_folders
from fer.app.server.intake import HANDLERS, Intake
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
from fer.app.server.payloads import CheckedBlocks
from fer.app.server.replacements import replace_gradio_parts
from fer.app.server.services import ServedModel, Services, open_model, wait_for_model
from fer.app.server.shutdown import ShutdownSignal
from fer.app.server.startup import paused_garbage_collection, raise_file_limit
from fer.app.server.stream_ends import StreamEnds
from fer.app.texts import I18N, language_of_the_page, say
from fer.app.theme import CSS, THEME
from fer.errors import UserError, one_line
from fer.images.decoding import DecodingPool, give_memory_back
from fer.images.loading import load_image
from fer.models.config import load_config
from fer.models.model_folder import find_model


def build_demo(
    served_model: Future,
    load_image: Callable = load_image,
    waiting: int = MAX_WAITING,
    live_seconds: int = LIVE_SECONDS,
    live_people: int = LIVE_PEOPLE,
) -> gr.Blocks:
    """Build the pages and the API.

    Args:
        served_model: future of a `ServedModel`; the pages are served before it is done.
        load_image: function with the signature of `fer.images.loading.load_image`.
        waiting: limit `MAX_WAITING` of `fer.app.server.limits`.
        live_seconds: limit `LIVE_SECONDS`.
        live_people: limit `LIVE_PEOPLE`.
    """

    async def about_model(language):
        served = await wait_for_model(served_model)
        fallback = say(language, "app.fallback", reason=served.reason) if served.reason else ""
        model = [say(language, "app.model", model=served.recognizer.model)]
        model += filter(None, [say_training_data(language, "app.trained", served.config)])
        return f"{fallback}\n\n{'. '.join(model)}".strip()

    async def model():
        """Return which model answers: model (its name, and the commit if it comes from the Hugging Face Hub), labels
        (its expressions, in order) and image_size (the side in pixels of the grey face crops that it reads)."""
        recognizer = (await wait_for_model(served_model)).recognizer
        return {"model": recognizer.model, "labels": list(recognizer.labels), "image_size": recognizer.image_size}

    device = DeviceFiles(served_model) if is_offered() else None
    services = Services(served_model, load_image, live_seconds, live_people, on_device=device is not None)
    cache_times = (SWEEP_SECONDS, KEEP_SECONDS)
    with CheckedBlocks(waiting, title="Facial expression recognition", delete_cache=cache_times) as demo:
        language = language_of_the_page()
        gr.Markdown(I18N("app.introduction"), elem_id="introduction")
        with gr.Tab(I18N("tab.photo")):
            build_photo_page(services, language)
        with gr.Tab(I18N("tab.live")):
            build_live_page(services, language)
        with gr.Tab(I18N("tab.batch")):
            build_batch_page(services, language)
        with gr.Tab(I18N("tab.video")):
            build_video_page(services, language)
        with gr.Tab(I18N("tab.about")):
            build_about_page(services, language, demo)
        gr.Markdown(I18N("app.limits"), elem_id="limits")
        footer = gr.Markdown(I18N("app.loading"), elem_id="model")
        # Not queued: the page names its model even while the queue is full.
        language.change(about_model, language, footer, api_visibility="private", show_progress="hidden", queue=False)
        add_photo_endpoints(services)
        add_batch_endpoint(services)
        add_video_endpoint(services)
        add_endpoint(model, outputs=gr.JSON(label="model", visible=False))
    demo.device_routes = device.routes() if device else []
    return demo


def load_served_model(name: str, strict: bool = False) -> ServedModel:
    """Load a model, or the bundled one if that fails.

    Args:
        name: name of the model, as `fer.hub.client.resolve_model` takes it.
        strict: whether a model that cannot be loaded is an error; else the whole reason is printed to stderr.

    Raises:
        UserError: if the model cannot be loaded and `strict` is set.
    """
    from fer.hub.client import resolve_model

    try:
        return open_model(resolve_model(name))
    except (UserError, OSError) as error:
        if strict:
            raise
        reason = one_line(f"{name}: {error.strerror or error}" if isinstance(error, OSError) else str(error))
        print(say("en", "app.fallback", reason=reason), file=sys.stderr)
        return open_model(resolve_model("bundled"), hide_folders(reason, name))


def launch(demo: gr.Blocks, **options) -> tuple:
    """Serve the pages and the API in the background.

    Args:
        demo: result of `build_demo`.
        **options: further arguments of `gr.Blocks.launch`.

    Returns:
        The FastAPI application, its address, and None, as `gr.Blocks.launch` returns them.

    Raises:
        UserError: if the app cannot listen on its address.
    """
    replace_gradio_parts()
    with explain_address_errors():
        return demo.launch(
            theme=THEME,
            css=CSS,
            head=HEAD,
            i18n=I18N,
            max_file_size=MAX_FILE_SIZE,
            state_session_capacity=SESSIONS,
            footer_links=["api", "settings"],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=True,
            prevent_thread_lock=True,
            app_kwargs={
                "lifespan": demo.queue_limits.sweeping,
                "middleware": [guard(), Middleware(StreamEnds), Middleware(Intake)],
                "exception_handlers": HANDLERS,
                "routes": demo.device_routes,
            },
            **options,
        )


@contextmanager
def running_app(
    load: Callable[[], ServedModel], cache: TemporaryDirectory | None = None, limits: dict | None = None, **options
) -> Iterator[str]:
    """Start the app, yield its address, and stop it at the end. The pages are served before the model is loaded.

    Args:
        load: function that loads the model.
        cache: result of `fer.app.server.cache.make_cache`, from which old files are deleted; None to delete none.
        limits: further arguments of `build_demo`.
        **options: further arguments of `gr.Blocks.launch`.
    """
    served_model = Future()
    # One process per photo of the page and of programs and per stream, so that none waits for another.
    pool = DecodingPool(2 * CONCURRENT + LIVE_PEOPLE)
    with paused_garbage_collection():
        demo = build_demo(served_model, pool.load_image, **(limits or {}))
        if cache:
            sweep_leftovers(cache, every=SWEEP_SECONDS, age=KEEP_SECONDS)
        _, address, _ = launch(demo, **options)
    try:
        served_model.set_result(load())
        served_model.result().recognizer.warm_up()
        pool.warm_up()
        yield address
    finally:
        demo.close()
        pool.close()


def serve(cache: TemporaryDirectory, model: str | None = None) -> None:
    """Serve the app until it is interrupted.

    Args:
        cache: result of `fer.app.server.cache.make_cache`.
        model: name of the model, which must be loadable; None for that of FER_MODEL, see `fer.app`.

    Raises:
        UserError: if the model cannot be loaded, and `model` names it or FER_STRICT is 1, or if a variable is wrong.
    """
    name = model or os.environ.get("FER_MODEL") or "bundled"
    strict = bool(model) or read_flag("FER_STRICT")
    if strict:
        _check_folder(name)
    give_memory_back()
    raise_file_limit()
    shutdown = ShutdownSignal()
    with running_app(lambda: load_served_model(name, strict), cache):
        shutdown.wait()


def _check_folder(name):
    """Raise a UserError, before the pages are served, if a model that is not of the Hub has no valid `config.json`."""
    from fer.hub.client import parse_model

    if not parse_model(name):
        load_config(find_model(name))
