"""Page that reads many pictures, from files or zips, and the endpoint that does the same."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import gradio as gr

from fer.app.components.downloads import save_text
from fer.app.components.face_panel import bars, caption
from fer.app.components.tables import headers, percentages, say_confident
from fer.app.components.upload import EXAMPLE_ADDRESS, empty_others, to_upload
from fer.app.problems import say_problem
from fer.app.server.batch import list_pictures, open_picture
from fer.app.server.endpoints import add_endpoint
from fer.app.server.limits import BATCH_QUEUE, THUMBNAIL_SIDE
from fer.app.server.services import Services, wait_for_model
from fer.app.server.values import refusal
from fer.app.texts import I18N, say, say_class
from fer.errors import UserError
from fer.images.drawing import draw_faces
from fer.images.formats import list_kinds
from fer.images.loading import note_of
from fer.labels import EMOTIONS
from fer.recognition.records import note_rows, photo_rows, photos_csv

SAVE_CSV = save_text("answer.csv", "text/csv", "faces.csv")
"""JavaScript that saves the rows as CSV."""
SAVE_ROWS = save_text("JSON.stringify(answer.rows, null, 2)", "application/json", "faces.json")
"""JavaScript that saves the rows as JSON."""
EMPTY = "[hide(shown[0]), {...shown[1], data: []}, []]"
"""JavaScript of the empty values of the counts, the table and the gallery."""
COUNT_CHANGE = "(files, changes) => (files?.length ? changes + 1 : changes)"
"""JavaScript that counts a change of the language if there are files, so that they are read again."""


def build_batch_page(services: Services, language: gr.Textbox) -> None:
    """Add the page's components and events; call this within `gr.Blocks`.

    Args:
        services: what the pages and endpoints share.
        language: component of `fer.app.texts.language_of_the_page`.
    """
    page = _BatchPage(services)
    page.lay_out()
    page.connect(language)


class _BatchPage:
    """Components of the page, and the handler of their events."""

    def __init__(self, services):
        self.services = services

    def lay_out(self):
        with gr.Row():
            with gr.Column(scale=4, min_width=300):
                self.files = gr.File(label=I18N("batch.files"), file_count="multiple", height=200, elem_id="files")
                self.message = gr.Markdown(I18N("batch.waiting"), elem_id="batch-message")
                self.counts = gr.HTML(_counts("en", EMOTIONS, []), container=True, padding=True, elem_id="counts")
                with gr.Row():
                    self.save_csv = gr.Button(I18N("batch.save_csv"), size="sm", interactive=False)
                    self.save_rows = gr.Button(I18N("batch.save_rows"), size="sm", interactive=False)
            with gr.Column(scale=9, min_width=320):
                self.gallery = gr.Gallery(
                    label=I18N("batch.gallery"), columns=4, fit_columns=False, height=510, object_fit="contain",
                    format="jpeg", interactive=False, buttons=[], elem_id="gallery",
                )  # fmt: skip
        self.table = gr.Dataframe(
            _table("en", EMOTIONS, []), interactive=False, label=I18N("batch.table"), max_height=400, wrap=True,
            elem_id="batch-table",
        )  # fmt: skip
        self.answer = gr.JSON(visible="hidden")
        self.changes = gr.Number(0, visible="hidden")  # Changes of the language while there are files.

    def connect(self, language):
        answers = [
            self.message, self.answer, self.save_csv, self.save_rows, self.counts, self.table, self.gallery,
        ]  # fmt: skip
        shown = [self.files, self.answer, self.counts, self.table]
        empty = empty_others(shown, answers[1:], EMPTY)
        # While other files are read, their names must not stand beside answers that can be saved.
        self.files.change(**empty)
        # Not queued: a page without files does not wait for its language until batches have been read.
        language.change(
            self.translate, [self.files, language], [self.message, self.counts, self.table], preprocess=False,
            api_visibility="private", show_progress="hidden", queue=False,
        )  # fmt: skip
        language.change(None, [self.files, self.changes], self.changes, js=COUNT_CHANGE, api_visibility="private")
        run = gr.on(
            [self.files.change, self.changes.change], self.show, [self.files, language], answers, preprocess=False,
            api_visibility="private", show_progress_on=self.message, trigger_mode="always_last", **BATCH_QUEUE,
        )  # fmt: skip
        # If files were replaced while they were read, their answer arrives all the same, before the others are read.
        run.success(**empty)
        run.failure(
            self.fail, language, answers, api_visibility="private", show_progress="hidden", queue=False
        )  # fmt: skip
        self.save_csv.click(None, self.answer, js=SAVE_CSV, api_visibility="private")
        self.save_rows.click(None, self.answer, js=SAVE_ROWS, api_visibility="private")

    def show(self, files, language, progress=gr.Progress()):  # noqa: B008 - so Gradio injects it
        uploads = [to_upload(file) for file in files or []]
        if not all(Path(upload.path).exists() for upload in uploads):
            return {self.message: say(language, "app.gone")}  # An answer that was given before stays.
        rows, pictures = [], []
        try:
            listing = _list(uploads)
            for image, faces, more in _read(self.services, listing.pictures, progress, language):
                rows += more
                if image:
                    drawn = draw_faces(image, faces, caption=partial(caption, language))
                    drawn.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
                    pictures.append((drawn, f"{Path(more[0]['file']).name}: {_labels(language, faces)}"))
        except UserError as error:
            return self._fill(language, f"⚠️ {say_problem(language, error)}", uploads)
        text = summary(language, rows, listing.left_out) if files else say(language, "batch.waiting")
        return self._fill(language, text, uploads, rows + note_rows(listing.notes), pictures)

    async def translate(self, files, language):
        await wait_for_model(self.services.served_model)
        if files:
            return gr.skip()
        empty = self._fill(language, say(language, "batch.waiting"))
        return [empty[part] for part in (self.message, self.counts, self.table)]

    async def fail(self, language):
        # Not queued, so nothing limits the number of threads that wait.
        await wait_for_model(self.services.served_model)
        return self._fill(language, say(language, "app.failed"))

    def _fill(self, language, text, uploads=(), rows=(), pictures=()):
        labels = self.services.recognizer.labels
        save = gr.Button(interactive=bool(rows))
        return {
            self.message: text,
            self.answer: {
                "uploads": [upload.place for upload in uploads],
                "rows": rows,
                "csv": photos_csv(rows, labels),
            },
            self.save_csv: save,
            self.save_rows: save,
            self.counts: _counts(language, labels, rows),
            self.table: _table(language, labels, rows),
            self.gallery: list(pictures),
        }


def add_batch_endpoint(services: Services) -> None:
    """Add `/predict_batch` to the API; call this within `gr.Blocks`.

    Args:
        services: what the pages and endpoints share.
    """

    def predict_batch(files, progress=gr.Progress()):  # noqa: B008
        """Read the expression of every face in up to 200 pictures. The answer is a list with one row per face: file,
        face (its number in the picture, 1 is the largest), box (left, top, right, bottom in pixels), label,
        probabilities (0-1 by expression), detection_score (0-1), confident (false if the answer is "not sure") and
        message (a remark on the picture, such as the number of smaller faces that were not read; mostly empty). A
        picture that is unreadable or has no face has one row with the reason as message. A zip with files that are not
        pictures has one row whose message counts these files. In both, the values between file and message are null.

        Args:
            files: pictures and zips of pictures, at most 20 MB per picture. If an address among them cannot be fetched,
                there is no answer but the reason.
        """
        if files is None:
            raise refusal("Pictures are needed. Received: none")
        try:
            listing = _list(to_upload(file) for file in files)
            answers = _read(services, listing.pictures, progress)
            return [row for _, _, rows in answers for row in rows] + note_rows(listing.notes)
        except UserError as error:
            raise refusal(str(error)) from None

    files = gr.File(label="pictures and zips", file_count="multiple", visible=False)
    rows = gr.JSON(label="rows", visible=False)
    add_endpoint(predict_batch, [files], rows, [EXAMPLE_ADDRESS], preprocess=False, **BATCH_QUEUE)


def summary(language: str, rows: Sequence[dict], left_out: Counter | None = None) -> str:
    """Return a summary of a batch on one line.

    Args:
        language: code of the page's language.
        rows: rows of the pictures.
        left_out: numbers of the files in zips that are not pictures, by kind, from `fer.app.server.batch.Listing`.
    """
    pictures, faces = sum(row["face"] in (1, None) for row in rows), sum(row["face"] is not None for row in rows)
    text = say(language, "batch.summary", pictures=pictures, faces=faces, without=len(rows) - faces)
    if not rows:
        text = say(language, "batch.none")
    if left_out:
        words = say(language, "batch.others"), say(language, "batch.unnamed")
        text += " " + say(language, "batch.left_out", kinds=list_kinds(left_out, *words))
    return text


def _list(uploads):
    """Return the pictures of uploads and of zips among them, by the names that they had before they were uploaded."""
    uploads = list(uploads)
    return list_pictures([upload.path for upload in uploads], [upload.name for upload in uploads])


def _read(services, pictures, progress, language="en"):
    """Yield each picture as a PIL image with its faces and its rows.

    An unreadable picture yields None, no faces, and one row with the reason.
    """
    recognizer = services.recognizer
    for picture in progress.tqdm(pictures, say(language, "batch.reading"), unit=say(language, "batch.pictures")):
        image, faces, message = None, [], ""
        try:
            image = open_picture(picture, services.load_image)
            faces = recognizer.recognize(image)
        except UserError as error:
            message = str(error)
        yield image, faces, photo_rows(picture.name, faces, message, note_of(image) if image else "")


def _labels(language, faces):
    """Return the labels of a picture's faces as text, such as "happy ×2, sad"."""
    counts = Counter(say_class(language, face.label) for face in faces)
    words = [word if count == 1 else f"{word} ×{count}" for word, count in counts.items()]
    return ", ".join(words) or say(language, "batch.no_face")


def _counts(language, labels, rows):
    """Return the HTML of bars that show the number of faces per label."""
    counts = Counter(row["label"] for row in rows if row["face"])
    most = max(counts.values(), default=1)
    shares = [(label, counts[label] / most, str(counts[label])) for label in labels]
    return f'<p class="title">{say(language, "batch.counts")}</p>{bars(language, shares)}'


def _table(language, labels, rows):
    cells = [
        [
            row["file"],
            row["face"] or "",
            row["label"] and say_class(language, row["label"]),
            *percentages(row["probabilities"], labels),
            say_confident(language, row["confident"]),
            _reason(language, row),
        ]
        for row in rows
    ]
    return {"headers": headers(language, labels, ["file", "face", "label"], ["sure", "message"]), "data": cells}


def _reason(language, row):
    return say_problem(language, row["message"]).removeprefix(f"{row['file']}: ")
