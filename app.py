"""The app: a photo in, every face boxed with the probabilities of its expression.

    python app.py

serves the model that FER_MODEL names on http://127.0.0.1:7860: a model folder, OWNER/NAME or OWNER/NAME@REVISION of the
Hugging Face Hub, by default the bundled one. If it cannot be had the bundled one serves and the page says so; with
FER_STRICT=1 the app ends instead. GRADIO_SERVER_NAME and GRADIO_SERVER_PORT change the address.
"""

import os
import sys
from concurrent.futures import Future
from pathlib import Path
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


from fer.drawing import caption, draw_faces
from fer.errors import UserError
from fer.images import load_image

EXAMPLE = Path(__file__).parent / "examples" / "astronaut.jpg"
MAX_FILE_SIZE = "20mb"
"""A 50-megapixel photo as a camera's JPEG stays below it."""
KEEP_SECONDS = 540
"""Gradio writes uploads and answers to its cache; a sweep a minute deletes them then, and so does the app's end."""
CONCURRENT = 2
"""Photos read at once; the others wait in a visible queue. More would only share the Space's two cores."""
MAX_WAITING = 100
DISPLAY_SIDE = 1600
"""Longest side of the answered picture in pixels: it is there to be looked at, and large ones are slow to send."""

INTRODUCTION = """# Facial expression recognition
Drop in, paste or take a photo: every face is found and its expression read.
What is read is an **expression**, not a feeling, and it is often wrong; see the limits below."""

LIMITS = """The network was trained on FER2013, 48-pixel grey pictures whose labels people agree on about two times in
three. Do not use it to judge people: in the EU, inferring emotions at work and in schools is prohibited (AI Act,
Article 5(1)(f)). Photos are deleted ten minutes after their upload at the latest; nothing is logged or shared."""

LOADING = "The model is loading."
NOTHING_YET = "Waiting for a photo."
NO_FACE = "No face found. Try a photo in which the face is larger, better lit or seen from the front."


class Serving(NamedTuple):
    """What answers: a `fer.recognizer.Recognizer`, and why it is not the model that was asked for ("" if it is)."""

    recognizer: object
    note: str = ""


class Upload(NamedTuple):
    """A file as it came: where it lies and what its owner calls it."""

    path: str
    name: str


class Photo(gr.Image):
    """`gr.Image` that hands over an `Upload` unopened: fer.images opens it, guarded, and says in words what is broken.

    Gradio has moved the file to its cache by then, and has refused paths from outside of it. (For every class like this
    one Gradio writes a stub, app.pyi, where it may; git ignores it.)
    """

    is_template = True

    def preprocess(self, payload):
        if payload is None:
            return None
        if payload.path is None:
            raise gr.Error("A photo must be sent as a file.", print_exception=False)
        return Upload(payload.path, payload.orig_name or Path(payload.path).name)


def build_demo(serving):
    """The page and its API.

    Args:
        serving: a future of `Serving`; the page is up before it is done.
    """

    def read(upload, already_cropped):
        image = load_image(upload.path, upload.name)
        return image, serving.result().recognizer.recognize(image, already_cropped)

    def about_model():
        recognizer, note = serving.result()
        return f"{note}\n\nModel: `{recognizer.model}`".strip()

    def show(upload, already_cropped):
        if upload is None:
            return _answer(None, [], NOTHING_YET)
        try:
            image, faces = read(upload, already_cropped)
        except UserError as error:
            return _answer(None, [], f"⚠️ {error}")
        drawn = draw_faces(image, faces)
        drawn.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE))
        scale = drawn.width / image.width
        boxes = [tuple(edge * scale for edge in face.box) for face in faces]
        return _answer(drawn, list(zip(boxes, faces, strict=True)), _summary(faces))

    def predict(photo):
        """Reads the largest face of a photo: its label and the probability of every expression; nothing if no face is
        found."""
        faces = _for_clients(read, photo, False)[1]
        return faces[0].probabilities if faces else None

    def analyze(photo, already_cropped):
        """Reads every face of a photo: box in pixels, label, probabilities and detection score, the largest first; and
        names the model that did."""
        from fer.recognizer import to_record

        image, faces = _for_clients(read, photo, already_cropped)
        return to_record(photo.name, image, faces, serving.result().recognizer.model)

    with gr.Blocks(title="Facial expression recognition", delete_cache=(60, KEEP_SECONDS)) as demo:
        shown = gr.State([])
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column():
                photo = Photo(
                    label="Photo",
                    sources=["upload", "webcam", "clipboard"],
                    image_mode=None,
                    height=420,
                    elem_id="photo",
                )
                cropped = gr.Checkbox(label="The picture is one face already: do not look for faces")
                gr.Examples([[str(EXAMPLE)]], [photo], label="Example (NASA, public domain)", api_visibility="private")
            with gr.Column():
                annotated = gr.Image(
                    label="Faces", format="jpeg", interactive=False, height=420, buttons=["download", "fullscreen"],
                    alt_text="The photo with a numbered box around each face", elem_id="annotated",
                )  # fmt: skip
                message = gr.Markdown(NOTHING_YET, elem_id="message")
                number = gr.Radio(label="Face", visible=False, elem_id="face")
                label = gr.Label(label="Expression", elem_id="expression")
        gr.Markdown(LIMITS)
        model = gr.Markdown(LOADING, elem_id="model")

        demo.load(about_model, outputs=model, api_visibility="private", show_progress="hidden", concurrency_limit=None)
        gr.on(
            [photo.change, cropped.change],
            show,
            [photo, cropped],
            [annotated, shown, message, number, label],
            api_visibility="private",
            concurrency_id="read",
            concurrency_limit=CONCURRENT,
            trigger_mode="always_last",
        )
        number.input(_chosen, [shown, number], label, api_visibility="private", show_progress="hidden")
        annotated.select(_clicked, shown, [number, label], api_visibility="private", show_progress="hidden")

        api = {"triggers": [], "concurrency_id": "read", "concurrency_limit": CONCURRENT}
        gr.on(fn=predict, inputs=photo, outputs=label, api_name="predict", **api)
        record = gr.JSON(visible=False)
        gr.on(fn=analyze, inputs=[photo, cropped], outputs=record, api_name="analyze", **api)
    return demo.queue(max_size=MAX_WAITING)


def _for_clients(read, upload, already_cropped):
    """Reads a photo for an API client, to whom a person's mistake is an error of one sentence."""
    if upload is None:
        raise gr.Error("A photo is needed. Received: none", print_exception=False)
    try:
        return read(upload, already_cropped)
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from None


def _answer(picture, shown, text):
    """Values of the answering components: picture, state, message, choice of faces, probabilities."""
    choices = [(caption(number, face), number) for number, (_, face) in enumerate(shown, start=1)]
    choice = gr.Radio(choices=choices, value=1 if shown else None, visible=len(shown) > 1)
    return picture, shown, text, choice, shown[0][1].probabilities if shown else None


def _summary(faces):
    if not faces:
        return NO_FACE
    if len(faces) == 1:
        label = faces[0].label if faces[0].confident else f"not sure, perhaps {faces[0].label}"
        return f"One face: **{label}**, {faces[0].probabilities[faces[0].label]:.0%}."
    return f"{len(faces)} faces, the largest first. Click one, or choose its number."


def _chosen(shown, number):
    return shown[number - 1][1].probabilities if number else None


def _clicked(shown, event: gr.SelectData):
    """The smallest face under the click, so that one before another can be reached."""
    x, y = event.index
    hits = [
        (right - left, index)
        for index, ((left, top, right, bottom), _) in enumerate(shown)
        if left <= x <= right and top <= y <= bottom
    ]
    if not hits:
        return gr.skip(), gr.skip()
    index = min(hits)[1]
    return index + 1, shown[index][1].probabilities


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
