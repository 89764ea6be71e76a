"""Page that recognizes the faces in a camera's stream: boxes over the picture, and a chart of the followed face.

The browser answers (`fer.app.device`), unless it cannot or the user chooses the server.
"""

import io
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

import gradio as gr

from fer.app.components.face_panel import say_left_out
from fer.app.components.live_view import CHART_SECONDS, boxes, panel
from fer.app.components.upload import decode_frame
from fer.app.device.view import build_device_view
from fer.app.javascript import read_script
from fer.app.problems import say_problem
from fer.app.server.limits import (
    GONE_SECONDS,
    KEEP_SECONDS,
    LIVE_EVERY,
    LIVE_PEOPLE,
    LIVE_SECONDS,
    LIVE_SIDE,
    MAX_STREAMS,
)
from fer.app.texts import I18N, say
from fer.detection.tracking import MAX_TRACKED, FaceTracker, TrackedFace
from fer.errors import UserError
from fer.images.loading import load_image
from fer.models.calibration import Calibration

if TYPE_CHECKING:
    from fer.recognition.recognizer import Face

CAMERA = {"width": {"ideal": LIVE_SIDE}, "height": {"ideal": LIVE_SIDE * 3 // 4}, "facingMode": "user"}
"""Constraints for the browser: the camera that faces the user, and small frames, which are sent quickly."""
RATE_SECONDS = 3
"""Seconds over which frames per second are counted."""
CHART_STEP = 0.25
"""Least number of seconds between two points of the chart; more points would not be visible."""
CLEARLY_LARGER = 1.5
"""Ratio of areas from which another face is followed instead of the present one. It keeps the chart from switching
between two people of nearly equal size."""
DROP_LATE_FRAMES = read_script("pages/drop_late_frames.js")
"""JavaScript that discards a frame while an earlier one is still being sent."""
SHOW_CAMERA = "(onDevice) => ({__type__: 'update', visible: !onDevice})"
"""JavaScript that shows the server's camera component while the switch is off."""


def build_live_page(
    serving: Future,
    language: gr.Textbox,
    load_image: Callable = load_image,
    seconds: int = LIVE_SECONDS,
    people: int = LIVE_PEOPLE,
    on_device: bool = True,
) -> None:
    """Add the page's components and events; call this within `gr.Blocks`.

    Args:
        serving: future of a `fer.app.demo.Serving`; the page is served before it is done.
        language: component of `fer.app.texts.language_of_the_page`.
        load_image: function with the signature of `fer.images.loading.load_image`.
        seconds: seconds after which a stream ends by itself.
        people: largest number of streams that the server answers at once.
        on_device: whether browsers may load the model.
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
        concurrency_limit=MAX_STREAMS,
    )  # fmt: skip
    # Gradio's page would continue to send frames after the end. Hiding the camera component switches the camera off.
    private = {"api_visibility": "private", "show_progress": "hidden"}
    stream.then(stop, [state, language], [camera, overlay, message, state], **private).then(
        lambda: gr.update(visible=True), outputs=camera, **private
    )
    if on_device:
        # As above, hiding the camera component ends a stream to the server when the browser takes over.
        switch.change(None, switch, camera, js=SHOW_CAMERA, api_visibility="private")


class StreamSlots:
    """Limit of the streams that are answered at once. A slot becomes free when its session ends or sends no frames.

    Gradio's own limit would keep the slot of a closed page until the time limit, and tell the waiting users nothing.

    Args:
        count: number of slots.
    """

    def __init__(self, count: int):
        self._count = count
        self._last = {}
        self._lock = threading.Lock()

    def acquire(self, session: str, seconds: float) -> bool:
        """Return whether a session has a slot or gets one.

        Args:
            session: name of the session.
            seconds: present time.
        """
        with self._lock:
            self._last = {who: when for who, when in self._last.items() if seconds - when < GONE_SECONDS}
            if session not in self._last and len(self._last) >= self._count:
                return False
            self._last[session] = seconds
            return True

    def release(self, session: str) -> None:
        """Free the slot of a session, if it has one."""
        with self._lock:
            self._last.pop(session, None)


class StreamState:
    """State of a stream: its faces, the one that is followed, and how quickly its frames are answered.

    Args:
        seconds: time of its start.
    """

    def __init__(self, seconds: float):
        self.started = seconds
        self._tracker = None
        self._chosen = None
        self._points = {}
        self._answers = deque()

    def add(self, faces: "Sequence[Face]", calibration: Calibration, seconds: float) -> list[TrackedFace]:
        """Track the faces of the next frame.

        Args:
            faces: faces in the frame.
            calibration: calibration of the model.
            seconds: time of the frame.

        Returns:
            The faces as `fer.detection.tracking.FaceTracker.update` returns them.
        """
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
        """Follow the same face as before while it is in sight and nearly as large as the largest; else the largest."""
        same = [face for face in faces if self._chosen and face.number == self._chosen.number]
        if same and _area(faces[0]) < CLEARLY_LARGER * _area(same[0]):
            self._chosen = same[0]
        elif faces:
            self._chosen = faces[0]

    def followed(self, faces: Sequence[TrackedFace]) -> tuple[TrackedFace | None, bool, Sequence]:
        """Return the followed face as it was last seen, whether it is among `faces`, and its points in the chart.

        Before the first face these are None, False and no points.
        """
        if self._chosen is None:
            return None, False, ()
        return self._chosen, self._chosen in faces, self._points.get(self._chosen.number, ())

    def rates(self, start: float, end: float) -> tuple[float, float] | None:
        """Count an answer.

        Args:
            start: time in seconds at which the frame arrived.
            end: time in seconds at which its answer was complete.

        Returns:
            Frames answered per second, and mean seconds from a frame to its answer, both over the last `RATE_SECONDS`;
            None for the first answer.
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
