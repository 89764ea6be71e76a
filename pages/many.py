"""The page that reads many pictures, as files or a zip."""

from collections import Counter
from pathlib import Path

import gradio as gr

from fer.batch import MAX_PICTURES, SUFFIXES, list_pictures, open_picture, to_csv, to_rows
from fer.drawing import draw_faces
from fer.errors import UserError
from fer.labels import EMOTIONS
from pages.downloads import save_text
from pages.face_view import bars
from pages.limits import CONCURRENT, THUMBNAIL_SIDE
from pages.table import SURE, percentages
from pages.upload import Files

COLUMNS = ["file", "face", "label", *EMOTIONS, "sure", "message"]
FILE_TYPES = [*SUFFIXES, ".zip"]
NOTHING_YET = "Waiting for pictures."

SAVE_CSV = save_text("answer.csv", "text/csv", "faces.csv")
SAVE_ROWS = save_text("JSON.stringify(answer.rows, null, 2)", "application/json", "faces.json")


def build_many_page(serving, language):
    """Lays the page out and adds `/predict_batch`; call within `gr.Blocks`.

    Args:
        serving: a future with an attribute `recognizer`.
        language: of `pages.texts.language_of_the_page`.
    """

    def read(files, progress):
        pictures, recognizer = list_pictures(files or []), serving.result().recognizer
        for picture in progress.tqdm(pictures, desc="Reading", unit="pictures"):
            image, faces, message = None, [], ""
            try:
                image = open_picture(picture)
                faces = recognizer.recognize(image)
            except UserError as error:
                message = str(error)
            yield image, faces, to_rows(picture.name, faces, message)

    def show(files, progress=gr.Progress()):  # noqa: B008 - Gradio's way to ask for one
        rows, gallery = [], []
        try:
            for image, faces, more in read(files, progress):
                rows += more
                if image:
                    drawn = draw_faces(image, faces)
                    drawn.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
                    labels = ", ".join(row["label"] or "no face" for row in more)
                    gallery.append((drawn, f"{Path(more[0]['file']).name}: {labels}"))
        except UserError as error:
            return f"⚠️ {error}", [], [], _counts([]), None
        answer = {"rows": rows, "csv": to_csv(rows, EMOTIONS)} if rows else None
        return summary(rows), gallery, [_cells(row) for row in rows], _counts(rows), answer

    def predict_batch(files, progress=gr.Progress()):  # noqa: B008
        """Reads the expression of every face in up to 200 pictures. The answer is a list with a row a face: file, face
        (its number in the picture), label, probabilities (0-1 by expression) and confident (false where the answer is
        not sure). A picture that is broken or without a face is a row with its reason as message.

        Args:
            files: pictures, and zips of pictures; at most 20 MB each.
        """
        try:
            return [row for _, _, rows in read(files, progress) for row in rows]
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from None

    files = gr.File(
        label=f"Up to {MAX_PICTURES} pictures, or a zip", file_count="multiple", file_types=FILE_TYPES, height=180,
        elem_id="files",
    )  # fmt: skip
    message = gr.Markdown(NOTHING_YET, elem_id="many-message")
    with gr.Row():
        gallery = gr.Gallery(
            label="Pictures",
            columns=4,
            height=420,
            object_fit="contain",
            format="jpeg",
            interactive=False,
            buttons=[],
            elem_id="gallery",
        )
        counts = gr.HTML(_counts([]), elem_id="counts")
    table = gr.Dataframe([], headers=COLUMNS, interactive=False, max_height=360, label="Faces", elem_id="many-table")
    with gr.Row():
        save_csv = gr.Button("Download CSV", size="sm")
        save_rows = gr.Button("Download JSON", size="sm", elem_id="save-rows")
    answer = gr.JSON(visible="hidden")

    limits = {"concurrency_id": "read", "concurrency_limit": CONCURRENT}
    files.change(
        show, files, [message, gallery, table, counts, answer], api_visibility="private", show_progress_on=message,
        trigger_mode="always_last", **limits,
    )  # fmt: skip
    save_csv.click(None, answer, js=SAVE_CSV, api_visibility="private")
    save_rows.click(None, answer, js=SAVE_ROWS, api_visibility="private")
    # The API's own, since its documentation shows their labels, and only in English.
    files = Files(label="pictures and zips", file_count="multiple", file_types=FILE_TYPES, visible=False)
    rows = gr.JSON(label="rows", visible=False)
    gr.on(triggers=[], fn=predict_batch, inputs=files, outputs=rows, api_name="predict_batch", **limits)


def summary(rows):
    """A batch in a line, from the rows of `fer.batch.to_rows`."""
    if not rows:
        return NOTHING_YET
    pictures, faces = sum(row["face"] in (1, None) for row in rows), sum(row["face"] is not None for row in rows)
    return f"Pictures: {pictures}. Faces: {faces}. Without a face or broken: {len(rows) - faces}."


def _counts(rows):
    """Bars of how often each label was read."""
    counts = Counter(row["label"] for row in rows if row["face"])
    most = max(counts.values(), default=1)
    shares = [(label, counts[label] / most, str(counts[label])) for label in EMOTIONS]
    return f'<div class="face-view">{bars(shares)}</div>'


def _cells(row):
    shares = percentages(row["probabilities"] or {})
    return [row["file"], row["face"] or "", row["label"] or "", *shares, SURE[row["confident"]], row["message"]]
