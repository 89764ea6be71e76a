"""Page that reads a clip and shows each face's expressions over time and the clip with boxes, and its endpoint."""

from functools import partial
from html import escape
from pathlib import Path
from time import monotonic

import gradio as gr

from fer.app.components.camera import CLIP_CAMERA
from fer.app.components.downloads import save_text
from fer.app.components.face_panel import caption, say_left_out
from fer.app.components.tables import headers, percentages, say_confident
from fer.app.components.timeline import timeline
from fer.app.components.upload import to_upload
from fer.app.problems import say_problem
from fer.app.server.cache import make_scratch
from fer.app.server.endpoints import add_endpoint
from fer.app.server.limits import CLIP_EVERY, CLIP_MAX_EVERY, CLIP_SECONDS, CLIPS
from fer.app.server.services import Services
from fer.app.server.values import refusal
from fer.app.texts import I18N, say, say_class
from fer.errors import UserError
from fer.images.drawing import draw_faces
from fer.images.sampling import MIN_EVERY
from fer.labels import EMOTIONS
from fer.outputs import kept
from fer.recognition.clip_reading import ClipSummary, read_faces
from fer.recognition.records import clip_csv

SAVE_CSV = save_text("answer.csv", "text/csv", "clip.csv")
"""JavaScript that saves the rows as CSV."""
SAVE_RECORD = save_text("JSON.stringify(answer.record, null, 2)", "application/json", "clip.json")
"""JavaScript that saves the record as JSON."""
TELL_EVERY = 5
"""Seconds between messages on the progress, since screen readers speak each of them; the bar moves with every frame."""
QUEUE = {"concurrency_id": "video", "concurrency_limit": CLIPS}
"""Event options that select the queue of clips."""


def build_video_page(services: Services, language: gr.Textbox) -> None:
    """Add the page's components and events; call this within `gr.Blocks`.

    Args:
        services: what the pages and endpoints share.
        language: component of `fer.app.texts.language_of_the_page`.
    """
    page = _VideoPage(services)
    page.lay_out()
    page.connect(language)


class _VideoPage:
    """Components of the page, and the handlers of their events."""

    def __init__(self, services):
        self.services = services

    def lay_out(self):
        gr.Markdown(I18N("video.introduction"))
        with gr.Row():
            with gr.Column():
                self.clip = gr.Video(
                    label=I18N("video.clip"), sources=["upload", "webcam"], include_audio=False, height=320,
                    elem_id="clip", webcam_options=gr.WebcamOptions(constraints={"video": CLIP_CAMERA}),
                )  # fmt: skip
                self.every = gr.Slider(
                    MIN_EVERY, CLIP_MAX_EVERY, CLIP_EVERY, step=0.05, label=I18N("video.every"), elem_id="every"
                )
                with gr.Row():
                    self.start = gr.Button(I18N("video.read"), variant="primary", elem_id="video-read")
                    self.cancel = gr.Button(I18N("video.cancel"), interactive=False, elem_id="video-cancel")
                self.bar = gr.HTML(_bar("en"), elem_id="video-bar")
                self.message = gr.Markdown(I18N("video.start"), elem_id="video-message")
            with gr.Column():
                self.video = gr.Video(
                    label=I18N("video.annotated"), interactive=False, height=420, buttons=["download"], elem_id="video"
                )
                with gr.Row():
                    self.save_csv = gr.Button(
                        I18N("video.save_csv"), size="sm", interactive=False, elem_id="video-save-csv"
                    )
                    self.save_record = gr.Button(I18N("video.save_record"), size="sm", interactive=False)
        gr.Markdown(I18N("video.legend"))
        self.chart = gr.HTML(timeline("en"), container=True, padding=True, elem_id="timeline")
        with gr.Accordion(I18N("video.table"), open=False):
            self.table = gr.Dataframe(
                _table("en", EMOTIONS, []), interactive=False, show_label=False, max_height=320, elem_id="video-table"
            )
        self.saved = gr.JSON(visible="hidden")
        # The page keeps it for as long as the answer; the server would forget a `gr.State`.
        self.answered = gr.Checkbox(False, visible="hidden")
        self.busy = gr.State(False)

    def connect(self, language):
        answers = [
            self.message, self.bar, self.video, self.chart, self.table, self.saved, self.answered, self.save_csv,
            self.save_record,
        ]  # fmt: skip
        buttons = [self.start, self.cancel, self.busy]
        everything = [*answers, *buttons]
        private = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
        run = self.start.click(self.begin, language, [self.message, *buttons], **private).then(
            self.show, [self.clip, self.every, language], answers, preprocess=False, api_visibility="private",
            show_progress_on=self.message, **QUEUE,
        )  # fmt: skip
        self.cancel.click(None, cancels=run, **private)
        # Runs after the last message of a cancelled run; a function of the click itself would not wait for it.
        run.failure(self.stop, [language, self.busy], everything, **private)
        run.success(self.end, outputs=buttons, **private)
        self.clip.change(self.clear, [self.clip, language], everything, preprocess=False, cancels=run, **private)
        language.change(self.translate, [self.answered, language], [self.bar, self.chart, self.table], **private)
        self.save_csv.click(None, self.saved, js=SAVE_CSV, api_visibility="private")
        self.save_record.click(None, self.saved, js=SAVE_RECORD, api_visibility="private")

    def begin(self, language):
        return {self.message: say(language, "video.waiting")} | self._set_busy(True)

    def show(self, clip, every, language):
        upload = to_upload(clip)
        if upload is None:
            yield self._fill(language, say(language, "video.start"))
            return
        if not Path(upload.path).exists():
            yield self._fill(language, say(language, "app.gone"))
            return
        # Gradio copies the finished video to its cache and sweeps it there; this folder is deleted even after Cancel.
        with make_scratch() as folder:
            try:
                yield from self._read(upload, every, language, str(Path(folder) / "faces.mp4"))
            except UserError as error:
                yield self._fill(language, f"⚠️ {say_problem(language, error)}")

    def _read(self, upload, every, language, path):
        """Read a clip and write it with its faces to a path; yield the progress, then the answer."""
        # Imported here because PyAV takes a tenth of the time until the page is served.
        from fer.images.clip_writing import write_video
        from fer.images.clips import MAX_RATE, open_clip, read_frames

        clip = open_clip(upload.path, upload.name, CLIP_SECONDS)
        yield self._fill(language, say(language, "video.reading", done=0, seconds=clip.seconds), share=0)
        recognizer, summary, rows, told = self.services.recognizer, ClipSummary(), [], monotonic()
        frames, failures = read_frames(clip, every, MAX_RATE, summary.add_damaged), []
        with kept(failures), write_video(path, every) as add:
            for answer in read_faces(frames, recognizer, every):
                frame, faces, numbers, more = answer
                add(frame.seconds, draw_faces(frame.image, faces, numbers, partial(caption, language)))
                summary.add(answer)
                rows += more
                # Here Gradio can end the run, after Cancel or when the page is closed.
                progress = {self.bar: _bar(language, frame.seconds / clip.seconds)}
                if monotonic() - told > TELL_EVERY:
                    told = monotonic()
                    progress[self.message] = say(language, "video.reading", done=frame.seconds, seconds=clip.seconds)
                yield progress
        if not summary.frames:  # The video could not even be begun.
            yield self._fill(language, say(language, "app.failed"))
            return
        record = summary.record(clip, every, recognizer.model, rows)
        text = _say_found(language, record, summary.frames)
        if failures:  # They name a path of the server, which is not shown.
            text, path = f"{text} {say(language, 'video.unwritten')}", None
        yield self._fill(language, text, path=path, files={"record": record, "csv": clip_csv(rows, recognizer.labels)})

    def stop(self, language, busy):
        # A run that has ended also fails when another clip is chosen; the answer for that clip must stay.
        return (self._fill(language, say(language, "video.stopped")) if busy else {}) | self._set_busy(False)

    def end(self):
        return self._set_busy(False)

    def translate(self, answered, language):
        if answered:
            return gr.skip()
        empty = self._fill(language, "")
        return [empty[part] for part in (self.bar, self.chart, self.table)]

    def clear(self, clip, language):
        return self._fill(language, say(language, "video.ready" if clip else "video.start")) | self._set_busy(False)

    def _fill(self, language, text, share=None, path=None, files=None):
        labels = self.services.recognizer.labels if files else EMOTIONS
        record = files["record"] if files else None
        save = gr.update(interactive=files is not None)
        return {
            self.message: text,
            self.bar: _bar(language, share),
            self.video: path,
            self.chart: timeline(language, record),
            self.table: _table(language, labels, record["rows"] if record else []),
            self.saved: files,
            self.answered: files is not None,
            self.save_csv: save,
            self.save_record: save,
        }

    def _set_busy(self, reading):
        return {
            self.start: gr.update(interactive=not reading),
            self.cancel: gr.update(interactive=reading),
            self.busy: reading,
        }


def add_video_endpoint(services: Services) -> None:
    """Add `/analyze_video` to the API; call this within `gr.Blocks`.

    Args:
        services: what the pages and endpoints share.
    """

    def analyze_video(clip, every, progress=gr.Progress()):  # noqa: B008 - so Gradio injects it
        """Read the expression of every face in a clip of up to one minute. The answer has rows, one per face and frame:
        seconds, face (a number that the face keeps throughout the clip), box (left, top, right, bottom in pixels),
        label, probabilities (0-1 by expression, from this frame alone) and confident (false if the answer is "not
        sure").
        A frame without a face has one row in which face is null. The answer also has the clip's length and size, the
        model, faces_left_out (the number of smaller faces that were not read in frames with more than 64 faces), and
        faces, a summary of each face: face (its number), first and last (seconds of its first and last frame), frames,
        seconds (how long it is in sight), shares (0-1 of its frames by expression; frames without a confident answer
        are "not sure") and episodes (label, start and end in seconds of each confident answer that lasts for over a
        second). If parts of the clip are damaged, it has a message that says how many.

        Args:
            clip: video of at most 60 seconds and 150 MB, such as MP4, MOV or WebM; its sound is not read.
            every: seconds between two frames that are read, 0.05 to 0.5.
        """
        from fer.images.clips import MAX_RATE, open_clip, read_frames

        upload = to_upload(clip)
        if upload is None:
            raise refusal("A clip is needed. Received: none")
        try:
            opened, recognizer = open_clip(upload.path, upload.name, CLIP_SECONDS), services.recognizer
            summary, rows = ClipSummary(), []
            frames = read_frames(opened, every, MAX_RATE, summary.add_damaged)
            for answer in read_faces(frames, recognizer, every):
                summary.add(answer)
                rows += answer.rows
                progress((answer.frame.seconds, opened.seconds), unit="seconds")
        except UserError as error:
            raise refusal(str(error)) from None
        return summary.record(opened, every, recognizer.model, rows)

    clip = gr.Video(label="clip", include_audio=False, visible=False)
    every = gr.Slider(MIN_EVERY, CLIP_MAX_EVERY, CLIP_EVERY, step=0.05, label="seconds between frames", visible=False)
    record = gr.JSON(label="rows and facts", visible=False)
    add_endpoint(analyze_video, [clip, every], record, preprocess=False, **QUEUE)


def _say_found(language, record, frames):
    """Return on one line what was found in a clip, from its record and the number of frames that were read."""
    count = len(record["faces"])
    key = "video.summary" if count else "video.no_face"
    text = say(language, key, count=count, frames=frames, every=record["every"])
    note = f" {say_problem(language, record['message'])}" if "message" in record else ""
    return text + say_left_out(language, record["faces_left_out"]) + note


def _bar(language, share=None):
    value = "" if share is None else f" value={share:.3f}"
    return f'<progress aria-label="{escape(say(language, "tab.video"))}"{value}></progress>'


def _table(language, labels, rows):
    cells = [
        [
            row["seconds"],
            "" if row["face"] is None else row["face"],
            "" if row["label"] is None else say_class(language, row["label"]),
            *percentages(row["probabilities"], labels),
            say_confident(language, row["confident"]),
        ]
        for row in rows
    ]
    return {"headers": headers(language, labels, ("seconds", "face", "label"), ("sure",)), "data": cells}
