"""The page that reads a camera's stream: boxes over the picture, and the followed face's last seconds.

The browser reads it (`fer.app.device`), unless it cannot or the person chooses the server.
"""

import io
import threading
import time
from collections import deque

import gradio as gr

from fer.app.components.face_panel import say_left_out
from fer.app.components.live_view import CHART_SECONDS, boxes, panel
from fer.app.components.upload import decode_frame
from fer.app.device.view import build_device_view
from fer.app.javascript import read_script
from fer.app.problems import say_problem
from fer.app.server.limits import KEEP_SECONDS, LIVE_EVERY, LIVE_PEOPLE, LIVE_SECONDS, LIVE_SIDE
from fer.app.texts import I18N, say
from fer.detection.tracking import MAX_TRACKED, FaceTracker
from fer.errors import UserError
from fer.images.loading import load_image

CAMERA = {"width": {"ideal": LIVE_SIDE}, "height": {"ideal": LIVE_SIDE * 3 // 4}, "facingMode": "user"}
"""Constraints for the browser: the camera that faces the person, who is used to a mirror, and small frames, which are
sent quickly."""
RATE_SECONDS = 3
"""Seconds over which frames per second are counted."""
CHART_STEP = 0.25
"""Seconds between two points of the chart: more would not be seen."""
CLEARLY_LARGER = 1.5
"""Ratio of another face's area to that of the followed face from which on the other is followed: two people side by
side are not swapped with every move."""
DROP_LATE_FRAMES = read_script("pages/drop_late_frames.js")
SHOW_CAMERA = "(onDevice) => ({__type__: 'update', visible: !onDevice})"
GONE_SECONDS = 3
"""Seconds without a frame after which a stream has ended without a word, as when a page is closed."""


def build_live_page(serving, language, load_image=load_image, seconds=LIVE_SECONDS, people=LIVE_PEOPLE, on_device=True):
    """Lay the page out; call within `gr.Blocks`.

    Args:
        serving: a future with an attribute `recognizer`; the page is up before it is done.
        language: of `fer.app.texts.language_of_the_page`.
        load_image: function like `fer.images.loading.load_image`.
        seconds: after which a stream ends by itself.
        people: number of streams that are read at once on the server.
        on_device: whether browsers may have the model.
    """
    slots = StreamSlots(people)

    def read(frame, stream, language, request: gr.Request):
        start = time.monotonic()
        frame, stream = decode_frame(frame), stream or StreamState(start)
        answer = {state: stream, overlay: ""}
        if not slots.acquire(request.session_hash, start):
            return answer | {message: say(language, "live.busy", count=people)}
        if not serving.done():
            return answer | {message: say(language, "live.loading")}
        try:
            image = load_image(io.BytesIO(frame), say(language, "live.camera"))
        except UserError as error:
            return answer | {message: f"⚠️ {say_problem(language, error)}"}
        image.thumbnail((LIVE_SIDE, LIVE_SIDE))
        recognizer = serving.result().recognizer
        found = recognizer.recognize(image, most=MAX_TRACKED)
        faces = stream.add(found, recognizer.calibration, start)
        text = say(language, "live.none")
        if faces:
            text = say(language, "live.faces", count=len(faces), minutes=seconds // 60)
            text += say_left_out(language, found.left_out)
        rates = stream.rates(start, time.monotonic())
        return answer | {
            overlay: boxes(language, image.size, faces),
            message: text,
            chart: panel(language, *stream.followed(faces), start, rates),
        }

    def stop(stream, language, request: gr.Request):
        slots.release(request.session_hash)
        by_itself = stream and time.monotonic() - stream.started >= seconds
        key = "live.stopped_by_itself" if by_itself else "live.stopped"
        text = say(language, key, minutes=seconds // 60)
        return {camera: gr.update(visible=False), overlay: "", message: text, state: None}

    state = gr.State(None, time_to_live=KEEP_SECONDS)
    with gr.Column(elem_id="live-page", elem_classes="switched"):
        if on_device:
            switch = gr.Checkbox(True, label=I18N("device.live"), elem_id="live-switch", elem_classes="switch")
            build_device_view("live", language)
        with gr.Column(elem_id="live-server"):
            gr.Markdown(I18N("live.introduction"))
            with gr.Row():
                with gr.Column(scale=5, min_width=320):
                    with gr.Column(elem_id="live-stage"):
                        camera = gr.Image(
                            label=I18N("live.camera"), show_label=False, sources=["webcam"], streaming=True,
                            height="min(420px, 72vw)", elem_id="camera", visible=not on_device,
                            webcam_options=gr.WebcamOptions(mirror=True, constraints={"video": CAMERA}),
                        )  # fmt: skip
                        overlay = gr.HTML(elem_id="live-boxes", js_on_load=DROP_LATE_FRAMES)
                    message = gr.Markdown(I18N("live.start"), elem_id="live-message")
                with gr.Column(scale=4, min_width=320):
                    chart = gr.HTML(panel("en"), elem_id="live-panel")

    stream = camera.stream(
        read, [camera, state, language], [overlay, message, chart, state], preprocess=False, stream_every=LIVE_EVERY,
        time_limit=seconds, api_visibility="private", show_progress="hidden", concurrency_id="live",
        concurrency_limit=None,
    )  # fmt: skip
    # Gradio's page would send on after the end. A camera that is taken away is off, and cannot.
    private = {"api_visibility": "private", "show_progress": "hidden"}
    stream.then(stop, [state, language], [camera, overlay, message, state], **private).then(
        lambda: gr.update(visible=True), outputs=camera, **private
    )
    if on_device:
        # As above: a stream to the server ends where the browser is to read.
        switch.change(None, switch, camera, js=SHOW_CAMERA, api_visibility="private")


class StreamSlots:
    """The streams that are read: at most so many at once. A slot is free when its session ends or falls silent.

    Gradio's own limit would hold the slot of a closed page until the time limit, and leave the others without a word.
    """

    def __init__(self, count):
        self._count = count
        self._last = {}
        self._lock = threading.Lock()

    def acquire(self, session, seconds):
        """Return whether a session has a slot, or gets one.

        Args:
            session: name of the session.
            seconds: time now.
        """
        with self._lock:
            self._last = {who: when for who, when in self._last.items() if seconds - when < GONE_SECONDS}
            if session not in self._last and len(self._last) >= self._count:
                return False
            self._last[session] = seconds
            return True

    def release(self, session):
        """Free a session's slot, if it has one."""
        with self._lock:
            self._last.pop(session, None)


class StreamState:
    """A stream from its start to its end: its faces, the one that is followed, and how quickly frames are answered."""

    def __init__(self, seconds):
        self.started = seconds
        self._tracker = None
        self._chosen = None
        self._points = {}
        self._answers = deque()

    def add(self, faces, calibration, seconds):
        """Follow the faces of the next frame; return them as `fer.detection.tracking.FaceTracker.update` does."""
        self._tracker = self._tracker or FaceTracker(calibration)
        tracked = self._tracker.update(faces, seconds)
        for face in tracked:
            points = self._points.setdefault(face.number, [])
            if not points or seconds - points[-1][0] >= CHART_STEP:
                points.append((seconds, face.probabilities))
        for number, points in list(self._points.items()):
            self._points[number] = [point for point in points if seconds - point[0] <= CHART_SECONDS]
            if not self._points[number]:
                del self._points[number]
        self._choose(tracked)
        return tracked

    def _choose(self, faces):
        """Follow the largest face, which is the first, or the one before while it is in sight and nearly as large."""
        same = [face for face in faces if self._chosen and face.number == self._chosen.number]
        if same and _area(faces[0]) < CLEARLY_LARGER * _area(same[0]):
            self._chosen = same[0]
        elif faces:
            self._chosen = faces[0]

    def followed(self, faces):
        """Return the followed face as last seen, whether it is among `faces`, and its points; None, False and no points
        where no face was seen yet."""
        if self._chosen is None:
            return None, False, ()
        return self._chosen, self._chosen in faces, self._points.get(self._chosen.number, ())

    def rates(self, start, end):
        """Count an answer, whose start and end are given in seconds.

        Returns:
            Frames answered a second, and the mean seconds from a frame to its answer, both of late; None at first.
        """
        self._answers.append((end, end - start))
        while end - self._answers[0][0] > RATE_SECONDS:
            self._answers.popleft()
        if len(self._answers) < 2:
            return None
        frames = (len(self._answers) - 1) / (end - self._answers[0][0])
        return frames, sum(took for _, took in self._answers) / len(self._answers)


def _area(face):
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)
