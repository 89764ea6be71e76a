"""Page that recognizes the faces in a camera's stream: boxes over the picture, and a chart of the followed face.

The browser answers (`fer.app.device`), unless it cannot or the user chooses the server.
"""

import io
import time

import gradio as gr

from fer.app.components.face_panel import say_left_out
from fer.app.components.live_stream import CAMERA, StreamState
from fer.app.components.live_view import boxes, panel
from fer.app.components.upload import decode_frame
from fer.app.device.view import build_device_view
from fer.app.javascript import read_script
from fer.app.problems import say_problem
from fer.app.server.limits import KEEP_SECONDS, LIVE_EVERY, LIVE_SIDE, MAX_STREAMS
from fer.app.server.services import Services
from fer.app.server.stream_slots import StreamSlots
from fer.app.texts import I18N, say
from fer.detection.tracking import MAX_TRACKED
from fer.errors import UserError

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
    slots = StreamSlots(services.live_people)

    def read(frame, stream, language, request: gr.Request):
        start = time.monotonic()
        frame, stream = decode_frame(frame), stream or StreamState(start)
        answer = {state: stream, overlay: ""}
        if not slots.acquire(request.session_hash, start):
            return answer | {message: say(language, "live.busy", count=services.live_people)}
        if not services.serving.done():
            return answer | {message: say(language, "live.loading")}
        try:
            image = services.load_image(io.BytesIO(frame), say(language, "live.camera"))
        except UserError as error:
            return answer | {message: f"⚠️ {say_problem(language, error)}"}
        image.thumbnail((LIVE_SIDE, LIVE_SIDE))
        recognizer = services.recognizer
        found = recognizer.recognize(image, most=MAX_TRACKED)
        faces = stream.add(found, recognizer.calibration, start)
        text = say(language, "live.none")
        if faces:
            text = say(language, "live.faces", count=len(faces), minutes=services.live_seconds // 60)
            text += say_left_out(language, found.left_out)
        rates = stream.rates(start, time.monotonic())
        return answer | {
            overlay: boxes(language, image.size, faces),
            message: text,
            chart: panel(language, *stream.followed(faces), start, rates),
        }

    def stop(stream, language, request: gr.Request):
        slots.release(request.session_hash)
        by_itself = stream and time.monotonic() - stream.started >= services.live_seconds
        key = "live.stopped_by_itself" if by_itself else "live.stopped"
        text = say(language, key, minutes=services.live_seconds // 60)
        return {camera: gr.update(visible=False), overlay: "", message: text, state: None}

    state = gr.State(None, time_to_live=KEEP_SECONDS)
    with gr.Column(elem_id="live-page", elem_classes="switched"):
        if services.on_device:
            switch = gr.Checkbox(True, label=I18N("device.live"), elem_id="live-switch", elem_classes="switch")
            build_device_view("live", language)
        with gr.Column(elem_id="live-server"):
            gr.Markdown(I18N("live.introduction"))
            with gr.Row():
                with gr.Column(scale=5, min_width=320):
                    with gr.Column(elem_id="live-stage"):
                        camera = gr.Image(
                            label=I18N("live.camera"), show_label=False, sources=["webcam"], streaming=True,
                            height="min(420px, 72vw)", elem_id="camera", visible=not services.on_device,
                            webcam_options=gr.WebcamOptions(mirror=True, constraints={"video": CAMERA}),
                        )  # fmt: skip
                        overlay = gr.HTML(elem_id="live-boxes", js_on_load=DROP_LATE_FRAMES)
                    message = gr.Markdown(I18N("live.start"), elem_id="live-message")
                with gr.Column(scale=4, min_width=320):
                    chart = gr.HTML(panel("en"), elem_id="live-panel")

    stream = camera.stream(
        read, [camera, state, language], [overlay, message, chart, state], preprocess=False, stream_every=LIVE_EVERY,
        time_limit=services.live_seconds, api_visibility="private", show_progress="hidden", concurrency_id="live",
        concurrency_limit=MAX_STREAMS,
    )  # fmt: skip
    # Gradio's page would continue to send frames after the end. Hiding the camera component switches the camera off.
    private = {"api_visibility": "private", "show_progress": "hidden"}
    stream.then(stop, [state, language], [camera, overlay, message, state], **private).then(
        lambda: gr.update(visible=True), outputs=camera, **private
    )
    if services.on_device:
        # As above, hiding the camera component ends a stream to the server when the browser takes over.
        switch.change(None, switch, camera, js=SHOW_CAMERA, api_visibility="private")
