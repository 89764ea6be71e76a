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

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from fer.console import exit_on_user_error, quick_gradio_import, quiet_libraries

with quick_gradio_import():
    import gradio as gr

try:
    # Part of every Space, and of nothing else. ZeroGPU Spaces end an app that has no function for their GPU.
    import spaces
except ImportError:
    pass
else:

    @spaces.GPU
    def use_no_gpu():
        """Never called: the networks are small enough for the processor."""


from fer.errors import UserError
from pages import face_view, timeline, video
from pages.limits import KEEP_SECONDS, MAX_FILE_SIZE, MAX_WAITING
from pages.many import build_many_page
from pages.photo import build_photo_page
from pages.texts import I18N, language_of_the_page
from pages.video import build_video_page

INTRODUCTION = """# Facial expression recognition
Drop in, paste or take a photo: every face is found and its expression read.
What is read is an **expression**, not a feeling, and it is often wrong; see the limits below."""

LIMITS = """The network was trained on FER2013, 48-pixel grey pictures whose labels people agree on about two times in
three. Do not use it to judge people: in the EU, inferring emotions at work and in schools is prohibited (AI Act,
Article 5(1)(f)). Photos are deleted ten minutes after their upload at the latest; nothing is logged or shared."""

LOADING = "The model is loading."


class Serving(NamedTuple):
    """What answers: a `fer.recognizer.Recognizer`, and why it is not the model that was asked for ("" if it is)."""

    recognizer: object
    note: str = ""


def build_demo(serving):
    """The page and its API.

    Args:
        serving: a future of `Serving`; the page is up before it is done.
    """

    def about_model():
        recognizer, note = serving.result()
        return f"{note}\n\nModel: `{recognizer.model}`".strip()

    def describe_model():
        """Tells which model answers: its name with the commit if it is of the Hub, its labels in order, and the side of
        the faces that it reads in pixels."""
        recognizer = serving.result().recognizer
        return {"model": recognizer.model, "labels": list(recognizer.labels), "image_size": recognizer.image_size}

    with gr.Blocks(title="Facial expression recognition", delete_cache=(60, KEEP_SECONDS)) as demo:
        language = language_of_the_page()
        gr.Markdown(INTRODUCTION)
        with gr.Tab(I18N("tab.photo")):
            build_photo_page(serving, language)
        with gr.Tab(I18N("tab.many")):
            build_many_page(serving, language)
        with gr.Tab(I18N("tab.video")):
            build_video_page(serving, language)
        gr.Markdown(LIMITS)
        model = gr.Markdown(LOADING, elem_id="model")
        demo.load(about_model, outputs=model, api_visibility="private", show_progress="hidden", concurrency_limit=None)
        gr.on(triggers=[], fn=describe_model, outputs=gr.JSON(visible=False), api_name="model")
    return demo.queue(max_size=MAX_WAITING)


def load_serving(name):
    """Loads TensorFlow and the networks: the model that is asked for, or else the bundled one and the reason why."""
    from fer.hub import resolve_model
    from fer.recognizer import Recognizer

    try:
        source = resolve_model(name)
        return Serving(Recognizer.load(source.folder, str(source)))
    except UserError as error:
        if os.environ.get("FER_STRICT") == "1":
            raise
        note = f"⚠️ The model that was asked for cannot be had, so the bundled one answers. {error}"
        print(note, file=sys.stderr)
        return Serving(Recognizer.load(), note)


def main():
    """Serves the app until it is interrupted. The page is up at once; the model loads behind it."""
    quiet_libraries()
    serving = Future()
    demo = build_demo(serving)
    demo.launch(
        theme=gr.themes.Soft(),
        css=face_view.CSS + timeline.CSS + video.CSS,
        i18n=I18N,
        max_file_size=MAX_FILE_SIZE,
        footer_links=["api", "settings"],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        prevent_thread_lock=True,
    )
    with exit_on_user_error("python app.py"):
        serving.set_result(load_serving(os.environ.get("FER_MODEL") or "bundled"))
    demo.block_thread()


if __name__ == "__main__":
    main()
