"""The page that reads a photo: every face boxed, and of the chosen one what the network saw."""

from pathlib import Path

import gradio as gr

from fer.drawing import caption, draw_faces
from fer.errors import UserError
from fer.images import load_image
from fer.labels import EMOTIONS
from pages.downloads import save_text
from pages.face_view import face_view
from pages.limits import CONCURRENT, DISPLAY_SIDE, KEEP_SECONDS, MAX_PHOTO_BYTES, MAX_SMALLEST_FACE
from pages.table import SURE, percentages
from pages.upload import Photo

EXAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
COLUMNS = ["face", "label", *EMOTIONS, "sure", "detection"]

NOTHING_YET = "Waiting for a photo."
NO_FACE = "No face found. Try a photo in which the face is larger, better lit or seen from the front."
SMALLER = "Or lower “Smallest face to look for”."

SAVE_PICTURE = """(picture) => {
    if (!picture) return;
    const link = document.createElement("a");
    link.href = picture.url;
    link.download = "";
    link.click();
}"""
SAVE_RECORD = save_text("JSON.stringify(answer, null, 2)", "application/json", "faces.json")


def build_photo_page(serving, language):
    """Lays the page out and adds `/predict` and `/analyze`; call within `gr.Blocks`.

    Args:
        serving: a future with an attribute `recognizer`; the page is up before it is done.
        language: of `pages.texts.language_of_the_page`.
    """

    def read(upload, already_cropped, smallest_face):
        image = load_image(upload.path, upload.name, MAX_PHOTO_BYTES)
        return image, serving.result().recognizer.recognize(image, already_cropped, smallest_face / 100)

    def record_of(upload, image, faces):
        from fer.recognizer import to_record

        return to_record(upload.name, image, faces, serving.result().recognizer.model)

    def view(face):
        return face_view(face, serving.result().recognizer.explain(face))

    def answer(text, picture=None, shown=(), record=None):
        faces = [face for _, face in shown]
        choices = [(caption(number, face), number) for number, face in enumerate(faces, start=1)]
        choice = gr.Radio(choices=choices, value=1 if faces else None)
        panel = view(faces[0]) if faces else face_view()
        return picture, list(shown), text, choice, panel, _rows(faces), record

    def show(upload, already_cropped, smallest_face):
        if upload is None:
            return answer(NOTHING_YET)
        try:
            image, faces = read(upload, already_cropped, smallest_face)
        except UserError as error:
            return answer(f"⚠️ {error}")
        drawn = draw_faces(image, faces)
        drawn.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE))
        scale = drawn.width / image.width
        boxes = [tuple(edge * scale for edge in face.box) for face in faces]
        shown = list(zip(boxes, faces, strict=True))
        return answer(_summary(faces, smallest_face), drawn, shown, record_of(upload, image, faces))

    def choose(shown, number):
        return view(shown[number - 1][1]) if number else face_view()

    def click(shown, event: gr.SelectData):
        index = face_at(shown, *event.index)
        return (gr.skip(), gr.skip()) if index is None else (index + 1, view(shown[index][1]))

    def predict(photo):
        """Reads the largest face of a photo: its label and the probability of every expression; nothing if no face is
        found."""
        faces = _for_clients(read, photo, False, 0)[1]
        return faces[0].probabilities if faces else None

    def analyze(photo, already_cropped, smallest_face):
        """Reads every face of a photo: box in pixels, label, probabilities, detection score and whether the answer is
        sure, the largest face first; and names the model that did. The smallest face is in percent of the photo's
        longer side."""
        image, faces = _for_clients(read, photo, already_cropped, smallest_face)
        return record_of(photo, image, faces)

    shown = gr.State([], time_to_live=KEEP_SECONDS)
    with gr.Row():
        with gr.Column():
            photo = Photo(
                label="Photo",
                sources=["upload", "webcam", "clipboard"],
                image_mode=None,
                height=420,
                elem_id="photo",
            )
            cropped = gr.Checkbox(label="The picture is one face already: do not look for faces", elem_id="cropped")
            smallest = gr.Slider(
                0, MAX_SMALLEST_FACE, 0, step=1, label="Smallest face to look for, % of the photo's longer side",
                elem_id="smallest",
            )  # fmt: skip
            gr.Examples([[str(EXAMPLE)]], [photo], label="Example (NASA, public domain)", api_visibility="private")
        with gr.Column():
            annotated = gr.Image(
                label="Faces", format="jpeg", interactive=False, height=420, buttons=["fullscreen"],
                alt_text="The photo with a numbered box around each face", elem_id="annotated",
            )  # fmt: skip
            message = gr.Markdown(NOTHING_YET, elem_id="message")
            number = gr.Radio(choices=[], label="Face", elem_id="face")
            panel = gr.HTML(face_view(), elem_id="panel")
            with gr.Row():
                save_picture = gr.Button("Download picture", size="sm")
                save_record = gr.Button("Download JSON", size="sm")
    with gr.Accordion("All faces as a table", open=False):
        table = gr.Dataframe(_rows([]), headers=COLUMNS, interactive=False, show_label=False, elem_id="table")

    record = gr.JSON(visible="hidden")
    gr.on(
        [photo.change, cropped.change, smallest.release],
        show,
        [photo, cropped, smallest],
        [annotated, shown, message, number, panel, table, record],
        api_visibility="private",
        concurrency_id="read",
        concurrency_limit=CONCURRENT,
        trigger_mode="always_last",
    )
    number.input(choose, [shown, number], panel, api_visibility="private", show_progress="hidden")
    annotated.select(click, shown, [number, panel], api_visibility="private", show_progress="hidden")
    save_picture.click(None, annotated, js=SAVE_PICTURE, api_visibility="private")
    save_record.click(None, record, js=SAVE_RECORD, api_visibility="private")

    api = {"triggers": [], "concurrency_id": "read", "concurrency_limit": CONCURRENT}
    label = gr.Label(visible=False)
    gr.on(fn=predict, inputs=photo, outputs=label, api_name="predict", **api)
    gr.on(fn=analyze, inputs=[photo, cropped, smallest], outputs=record, api_name="analyze", **api)


def face_at(shown, x, y):
    """Index of the smallest face under a point, so that one before another can be reached; None if there is none.

    Args:
        shown: pairs of box `(left, top, right, bottom)` and face.
        x, y: in the boxes' pixels.
    """
    hits = [
        (right - left, index)
        for index, ((left, top, right, bottom), _) in enumerate(shown)
        if left <= x <= right and top <= y <= bottom
    ]
    return min(hits)[1] if hits else None


def _for_clients(read, upload, *options):
    """Reads a photo for an API client, to whom a person's mistake is an error of one sentence."""
    if upload is None:
        raise gr.Error("A photo is needed. Received: none", print_exception=False)
    try:
        return read(upload, *options)
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from None


def _summary(faces, smallest_face):
    if not faces:
        return f"{NO_FACE} {SMALLER}" if smallest_face else NO_FACE
    if len(faces) > 1:
        return f"{len(faces)} faces, the largest first. Click one, or choose its number."
    (face,) = faces
    return f"One face: **{face.answer}**, {face.probabilities[face.label]:.0%}."


def _rows(faces):
    return [
        [
            number,
            face.label,
            *percentages(face.probabilities),
            SURE[face.confident],
            "" if face.detection_score is None else f"{face.detection_score:.0%}",
        ]
        for number, face in enumerate(faces, start=1)
    ]
