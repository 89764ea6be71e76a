"""Page that recognizes the faces in a camera's stream: boxes over the picture, and a chart of the followed face.

The browser answers (`fer.app.device`), unless it cannot or the user chooses the server.
"""

import io
import time

import gradio as gr

from fer.app.components.camera import LIVE_CAMERA
from fer.app.components.face_panel import say_left_out
from fer.app.components.live_stream import StreamState
from fer.app.components.live_view import boxes, panel
from fer.app.components.upload import decode_frame
from fer.app.device.view import build_device_view
from fer.app.javascript import read_script
from fer.app.problems import say_problem
from fer.app.server.limits import KEEP_SECONDS, LIVE_EVERY, MAX_STREAMS
from fer.app.server.services import Services
from fer.app.server.stream_slots import StreamSlots
from fer.app.texts import I18N, say
from fer.detection.blazeface import LIVE_SIDE
from fer.errors import UserError
from fer.recognition.recognizer import MAX_TRACKED

LATE_SECONDS = 1
"""Seconds after the failure of a stream within which frames that were on their way may begin another one. A person who
starts the camera again takes longer."""
WAITING_SECONDS = 1
"""Seconds that the first frame of a stream may wait for a thread. Gradio's time limit begins before that, the state's
clock after it."""
DROP_LATE_FRAMES = read_script("pages/drop_late_frames.js")
"""JavaScript that discards a frame while an earlier one is still being sent."""
SHOW_CAMERA = "(onDevice) => ({__type__: 'update', visible: !onDevice})"
"""JavaScript that shows the server's camera component while the switch is off."""


def build_live_page(services: Services, language: gr.Textbox) -> None:
    """Add the page's components and events; call this within `gr.Blocks`.

    Args:
        services: what the pages and endpoints share.
        language: component of `fer.app.texts.language_of_the_page`.
    """
    page = _LivePage(services)
    page.lay_out(language)
    page.connect(language)


class _LivePage:
    """Components of the page, and the handlers of their events."""

    def __init__(self, services):
        self.services = services
        self._slots = StreamSlots(services.live_people)
        self._failures = {}  # Time of the last failure of a stream by session, for `stop`.

    def lay_out(self, language):
        self.state = gr.State(None, time_to_live=KEEP_SECONDS)
        with gr.Column(elem_id="live-page", elem_classes="switched"):
            if self.services.on_device:
                self.switch = gr.Checkbox(
                    True, label=I18N("device.live"), elem_id="live-switch", elem_classes="switch"
                )  # fmt: skip
                build_device_view("live", language)
            with gr.Column(elem_id="live-server"):
                gr.Markdown(I18N("live.introduction"))
                with gr.Row():
                    with gr.Column(scale=5, min_width=320):
                        with gr.Column(elem_id="live-stage"):
                            self.camera = gr.Image(
                                label=I18N("live.camera"), show_label=False, sources=["webcam"], streaming=True,
                                height="min(420px, 72vw)", elem_id="camera", visible=not self.services.on_device,
                                webcam_options=gr.WebcamOptions(mirror=True, constraints={"video": LIVE_CAMERA}),
                            )  # fmt: skip
                            self.overlay = gr.HTML(elem_id="live-boxes", js_on_load=DROP_LATE_FRAMES)
                        self.message = gr.Markdown(I18N("live.start"), elem_id="live-message")
                    with gr.Column(scale=4, min_width=320):
                        self.chart = gr.HTML(panel("en"), elem_id="live-panel")

    def connect(self, language):
        private = {"api_visibility": "private", "show_progress": "hidden"}
        stream = self.camera.stream(
            self.read, [self.camera, self.state, language], [self.overlay, self.message, self.chart, self.state],
            preprocess=False, stream_every=LIVE_EVERY, time_limit=self.services.live_seconds, concurrency_id="live",
            concurrency_limit=MAX_STREAMS, **private,
        )  # fmt: skip
        # Gradio's page would send frames after the end. Hiding the camera component switches the camera off.
        after = [self.camera, self.overlay, self.message, self.state]
        # Not queued: a full queue, which refuses a stream, would refuse these too.
        unqueued = private | {"queue": False}
        # Of a stream that fails, Gradio's page runs `failure` alone, and begins anew with the camera's next frame.
        for ended in (
            stream.then(self.stop, [self.state, language], after, **unqueued),
            stream.failure(self.fail, [self.state, language], after, **unqueued),
        ):
            ended.then(lambda: gr.update(visible=True), outputs=self.camera, **unqueued)
        if self.services.on_device:
            # As above, hiding the camera component ends a stream to the server when the browser takes over.
            self.switch.change(None, self.switch, self.camera, js=SHOW_CAMERA, api_visibility="private")

    def read(self, frame, stream, language, request: gr.Request):
        start = time.monotonic()
        frame = decode_frame(frame)
        # The last frame of the stream before may have been answered after its end, and then brought it back.
        if stream is None or stream.ended:
            stream = StreamState(start)
        answer = {self.state: stream, self.overlay: ""}
        if not self._slots.acquire(request.session_hash, start):
            return answer | {self.message: say(language, "live.busy", count=self.services.live_people)}
        if not self.services.served_model.done():
            return answer | {self.message: say(language, "live.loading")}
        try:
            image = self.services.load_image(io.BytesIO(frame), say(language, "live.camera"))
        except UserError as error:
            return answer | {self.message: f"⚠️ {say_problem(language, error)}"}
        image.thumbnail((LIVE_SIDE, LIVE_SIDE))
        recognizer = self.services.recognizer
        found = recognizer.recognize(image, most=MAX_TRACKED)
        faces = stream.add(found, recognizer.calibration, start)
        text = say(language, "live.none")
        if faces:
            text = say(language, "live.faces", count=len(faces), minutes=self.services.live_seconds // 60)
            text += say_left_out(language, found.left_out)
        rates = stream.count(start, time.monotonic())
        return answer | {
            self.overlay: boxes(language, image.size, faces),
            self.message: text,
            self.chart: panel(language, stream.followed(faces), start, rates),
        }

    def stop(self, stream, language, request: gr.Request):
        # When a stream has failed, hiding the camera component stops the frames that are still on their way.
        failed = self._failures.pop(request.session_hash, None)
        if failed is not None and (stream is None or stream.started < failed + LATE_SECONDS):
            return self._end(stream, request, say(language, "app.failed"))
        by_itself = stream and time.monotonic() - stream.started >= self.services.live_seconds - WAITING_SECONDS
        key = "live.stopped_by_itself" if by_itself else "live.stopped"
        return self._end(stream, request, say(language, key, minutes=self.services.live_seconds // 60))

    def fail(self, stream, language, request: gr.Request):
        now = time.monotonic()
        for session, failed in list(self._failures.items()):  # Those after which no stream was stopped.
            if failed < now - self.services.live_seconds:
                self._failures.pop(session, None)
        self._failures[request.session_hash] = now
        return self._end(stream, request, say(language, "app.failed"))

    def _end(self, stream, request, text):
        self._slots.release(request.session_hash)
        if stream:
            stream.ended = True
        return {self.camera: gr.update(visible=False), self.overlay: "", self.message: text, self.state: None}
