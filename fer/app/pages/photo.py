"""Page that recognizes the faces in a photo, and the endpoints `/predict` and `/analyze`.

It shows a box around each face, and the crop, the class activation map and the probabilities of the chosen face. With
its switch, the browser answers instead of the server (`fer.app.device`).
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import gradio as gr

from fer.app.components.downloads import SAVE_PICTURE, save_text
from fer.app.components.face_panel import caption, face_view, say_expression, say_left_out
from fer.app.components.scripts import PASTE, PASTED
from fer.app.components.tables import headers, percentages, say_confident
from fer.app.components.upload import EXAMPLE, EXAMPLE_ADDRESS, empty_others, to_upload
from fer.app.device.view import build_device_view
from fer.app.problems import say_problem
from fer.app.server.endpoints import add_endpoint
from fer.app.server.limits import DISPLAY_SIDE, KEEP_SECONDS, MAX_PHOTO_BYTES, MAX_SMALLEST_FACE, PHOTO_QUEUE
from fer.app.server.services import Services, wait_for_model
from fer.app.server.values import refusal
from fer.app.texts import I18N, say, say_class
from fer.errors import UserError
from fer.images.drawing import draw_faces
from fer.images.loading import note_of
from fer.labels import EMOTIONS
from fer.recognition.records import photo_record

SAVE_RECORD = save_text("JSON.stringify(answer.record, null, 2)", "application/json", "faces.json")
"""JavaScript that saves the record as JSON."""
EMPTY = '[hide(shown[0]), {...shown[1], data: []}, null, {__type__: "update", choices: [], value: null}, "\\u00a0"]'
"""JavaScript of the empty values of the panel, the table, the picture, the faces' numbers and the message."""


def build_photo_page(services: Services, language: gr.Textbox) -> None:
    """Add the page's components and events; call this within `gr.Blocks`.

    Args:
        services: what the pages and endpoints share.
        language: component of `fer.app.texts.language_of_the_page`.
    """
    page = _PhotoPage(services)
    page.lay_out(language)
    page.connect(language)


class _PhotoPage:
    """Components of the page, and the handlers of their events."""

    def __init__(self, services):
        self.services = services

    def lay_out(self, language):
        # None until a photo is shown, and again once the session is forgotten.
        self.shown_faces = gr.State(None, time_to_live=KEEP_SECONDS)
        with gr.Column(elem_id="photo-page", elem_classes="switched"):
            if self.services.on_device:
                gr.Checkbox(False, label=I18N("device.photo"), elem_id="photo-switch", elem_classes="switch")
                build_device_view("photo", language)
            with gr.Column(elem_id="photo-server"):
                with gr.Row(elem_id="photo-row"):
                    with gr.Column(scale=4, min_width=300):
                        self._lay_out_inputs()
                    with gr.Column(scale=5, min_width=320):
                        self.annotated = gr.Image(
                            label=I18N("photo.faces"), format="jpeg", interactive=False, height=460,
                            buttons=["fullscreen"], alt_text=str(I18N("photo.alt")), elem_id="annotated",
                        )  # fmt: skip
                        self.message = gr.Markdown(I18N("photo.waiting"), elem_id="message")
                    with gr.Column(scale=4, min_width=300):
                        self.number = gr.Radio(choices=[], label=I18N("photo.face"), elem_id="face")
                        self.panel = gr.HTML(face_view("en", EMOTIONS), container=True, padding=True, elem_id="panel")
                        with gr.Row():
                            self.save_picture = gr.Button(I18N("photo.save_picture"), size="sm", interactive=False)
                            self.save_record = gr.Button(I18N("photo.save_record"), size="sm", interactive=False)
                self.table = gr.Dataframe(
                    _table("en", EMOTIONS, []), interactive=False, label=I18N("photo.table"), max_height=200,
                    elem_id="table",
                )  # fmt: skip
        self.pasted = gr.HTML(visible="hidden", js_on_load=PASTE)
        self.answer = gr.JSON(visible="hidden")

    def _lay_out_inputs(self):
        self.photo = gr.Image(
            label=I18N("photo.photo"), sources=["upload", "webcam", "clipboard"], image_mode=None, height=320,
            elem_id="photo",
        )  # fmt: skip
        self.cropped = gr.Checkbox(label=I18N("photo.cropped"), elem_id="cropped")
        self.smallest = gr.Slider(0, MAX_SMALLEST_FACE, 0, step=1, label=I18N("photo.smallest"), elem_id="smallest")
        gr.Examples([[str(EXAMPLE)]], [self.photo], label=I18N("photo.example"), api_visibility="private")

    def connect(self, language):
        self.pasted.change(None, self.pasted, self.photo, js=PASTED, api_visibility="private")
        inputs = [self.photo, self.cropped, self.smallest, language]
        answers = [
            self.shown_faces, self.answer, self.save_picture, self.save_record, self.panel, self.table, self.annotated,
            self.number, self.message,
        ]  # fmt: skip
        shown = [self.photo, self.answer, self.panel, self.table]
        empty = empty_others(shown, answers[1:], EMPTY)
        # While another photo waits or is read, the answer of the one before must not be taken for its own.
        self.photo.change(**empty)
        # A single event for all: two events at once, of the page's start and of a photo, could end in either order.
        run = gr.on(
            [component.change for component in inputs], self.show, inputs, answers, preprocess=False,
            api_visibility="private", show_progress_on=self.annotated, trigger_mode="always_last", **PHOTO_QUEUE,
        )  # fmt: skip
        # If a photo was replaced while it was read, its answer arrives all the same, before the other one is read.
        run.success(**empty)
        # An answer that failed or was refused must not leave that for the photo before.
        run.failure(
            self.fail, language, answers, api_visibility="private", show_progress="hidden", queue=False
        )  # fmt: skip
        quiet = {"api_visibility": "private", "show_progress": "hidden", "trigger_mode": "always_last"}
        views = [self.number, self.panel, self.message]
        self.number.input(self.choose, [self.shown_faces, self.number, language], views, **quiet)
        self.annotated.select(self.click, [self.shown_faces, language], views, **quiet)
        self.save_picture.click(None, self.annotated, js=SAVE_PICTURE, api_visibility="private")
        self.save_record.click(None, self.answer, js=SAVE_RECORD, api_visibility="private")

    def show(self, photo, already_cropped, smallest_face, language):
        upload = to_upload(photo)
        if upload is None:
            return self._fill(language, say(language, "photo.waiting"))
        if not Path(upload.path).exists():
            return {self.message: say(language, "app.gone")}  # An answer that was given before stays.
        try:
            image, faces = _read(self.services, upload, already_cropped, smallest_face)
        except UserError as error:
            return self._fill(language, f"⚠️ {say_problem(language, error)}", upload)
        drawn = draw_faces(image, faces, caption=partial(caption, language))
        drawn.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE))
        scale = drawn.width / image.width
        boxes = [tuple(edge * scale for edge in face.box) for face in faces]
        record = photo_record(upload.name, image, faces, self.services.recognizer.model, note_of(image))
        text = _summary(language, faces, smallest_face)
        if note_of(image):
            text += " " + say_problem(language, note_of(image))
        return self._fill(language, text, upload, drawn, list(zip(boxes, faces, strict=True)), record)

    async def fail(self, language):
        # Not queued, so nothing limits the number of threads that wait.
        await wait_for_model(self.services.served_model)
        return self._fill(language, say(language, "app.failed"))

    def _fill(self, language, text, upload=None, picture=None, shown=(), record=None):
        recognizer, faces = self.services.recognizer, [face for _, face in shown]
        choices = [(caption(language, number, face), number) for number, face in enumerate(faces, start=1)]
        save = gr.Button(interactive=picture is not None)
        return {
            self.annotated: picture,
            self.shown_faces: list(shown),
            self.message: text,
            self.number: gr.Radio(choices=choices, value=1 if faces else None),
            self.panel: _view(language, recognizer, *faces[:1]),
            self.table: _table(language, recognizer.labels, faces),
            self.answer: {"uploads": [upload.place] if upload else [], "record": record},
            self.save_picture: save,
            self.save_record: save,
        }

    def choose(self, shown, number, language):
        return self._view_face(shown, number and number - 1, language)

    def click(self, shown, language, event: gr.SelectData):
        index = face_at(shown or (), *event.index)
        return ({} if index is None else {self.number: index + 1}) | self._view_face(shown, index, language)

    def _view_face(self, shown, index, language):
        """Show the face with an index; None shows no other one than before."""
        recognizer = self.services.recognizer
        if shown is None:
            return {self.number: None, self.panel: _view(language, recognizer), self.message: say(language, "app.gone")}
        if index is None or not 0 <= index < len(shown):
            return {self.panel: gr.skip()}
        return {self.panel: _view(language, recognizer, shown[index][1])}


def add_photo_endpoints(services: Services) -> None:
    """Add `/predict` and `/analyze` to the API; call this within `gr.Blocks`.

    Args:
        services: what the pages and endpoints share.
    """

    def read(photo, already_cropped=False, smallest_face=0):
        upload = to_upload(photo)
        if upload is None:
            raise refusal("A photo is needed. Received: none")
        try:
            return upload, *_read(services, upload, already_cropped, smallest_face)
        except UserError as error:
            raise refusal(str(error)) from None

    def predict(photo):
        """Read the expression of the largest face in a photo. Without a face the answer is empty.

        Args:
            photo: JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF of at most 20 MB and 50 megapixels.

        Returns:
            the label, and as confidences the probability (0-1) of every expression, the highest first.
        """
        faces = read(photo)[2]
        return faces[0].probabilities if faces else None

    def analyze(photo, already_cropped, smallest_face):
        """Read the expression of every face in a photo. The answer has image (the photo's name), width and height in
        pixels, model, and faces, the largest first, each with box (left, top, right, bottom in pixels), label,
        probabilities (0-1 by expression), detection_score (0-1) and confident (false if the answer is "not sure").
        Without a face, faces is empty. At most 256 faces are read; faces_left_out is the number of smaller faces that
        were found but not read. If only a part of the photo could be read, such as of a JPEG without its last bytes or
        the first page of a TIFF, the answer has a message that says so.

        Args:
            photo: JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF of at most 20 MB and 50 megapixels.
            already_cropped: whether the picture is already a single face, so that no face is searched for.
            smallest_face: least width of a face in percent of the photo's longer side, 0 to 50; narrower faces are
                ignored.
        """
        upload, image, faces = read(photo, already_cropped, smallest_face)
        return photo_record(upload.name, image, faces, services.recognizer.model, note_of(image))

    photo = gr.Image(label="photo", visible=False)
    options = [
        gr.Checkbox(label="one face already", visible=False),
        gr.Slider(0, MAX_SMALLEST_FACE, 0, label="smallest face in %", visible=False),
    ]
    label, record = gr.Label(label="largest face", visible=False), gr.JSON(label="faces", visible=False)
    add_endpoint(predict, [photo], label, EXAMPLE_ADDRESS, preprocess=False, **PHOTO_QUEUE)
    add_endpoint(analyze, [photo, *options], record, EXAMPLE_ADDRESS, preprocess=False, **PHOTO_QUEUE)


def face_at(shown: Sequence[tuple], x: float, y: float) -> int | None:
    """Return the index of the face whose box contains a point, or None.

    Of several such faces the smallest is returned, so that a face in front of a larger one can be chosen.

    Args:
        shown: pairs of box `(left, top, right, bottom)` and face.
        x, y: point in the pixels of the boxes.
    """
    hits = [
        (right - left, index)
        for index, ((left, top, right, bottom), _) in enumerate(shown)
        if left <= x <= right and top <= y <= bottom
    ]
    return min(hits)[1] if hits else None


def _read(services, upload, already_cropped, smallest_face):
    """Return the photo and its faces; `smallest_face` is in percent of the photo's longer side."""
    image = services.load_image(upload.path, upload.name, MAX_PHOTO_BYTES)
    return image, services.recognizer.recognize(image, already_cropped, smallest_face / 100)


def _view(language, recognizer, face=None):
    return face_view(language, recognizer.labels, face, recognizer.explain(face) if face else None)


def _summary(language, faces, smallest_face):
    if not faces:
        return say(language, "photo.none_so_large" if smallest_face else "photo.none")
    if len(faces) > 1:
        return say(language, "photo.several", count=len(faces)) + say_left_out(language, faces.left_out)
    return say(language, "photo.one", reading=say_expression(language, *faces))


def _table(language, labels, faces):
    rows = [
        [
            number,
            say_class(language, face.label),
            *percentages(face.probabilities, labels),
            say_confident(language, face.confident),
            "" if face.detection_score is None else f"{face.detection_score:.0%}",
        ]
        for number, face in enumerate(faces, start=1)
    ]
    return {"headers": headers(language, labels, ["face", "label"], ["sure", "detection"]), "data": rows}
