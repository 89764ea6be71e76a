import asyncio
from collections import Counter
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from conftest import record_clip, texts, write_clip
from PIL import Image

from fer.app.components.face_panel import SIDE, caption, face_view, heatmap, say_expression
from fer.app.components.timeline import MAX_FACES, timeline
from fer.app.demo import build_demo
from fer.app.pages.batch import _BatchPage, summary
from fer.app.pages.photo import _PhotoPage, face_at
from fer.app.pages.video import _VideoPage
from fer.app.server.limits import BATCH_QUEUE, MAX_PICTURES
from fer.app.texts import TEXTS, say
from fer.images import clip_writing
from fer.images.loading import load_image
from fer.labels import EMOTIONS
from fer.outputs import OutputError
from fer.recognition.recognizer import Face
from fer.recognition.records import photo_rows


@pytest.fixture
def face():
    probabilities = dict(zip(EMOTIONS, (0.01, 0.01, 0.02, 0.9, 0.03, 0.02, 0.01), strict=True))
    return Face((0, 0, 90, 90), "happy", probabilities, 0.9, True, np.full((48, 48), 120, np.uint8))


def test_the_face_view_shows_every_probability(face):
    said = texts(face_view("en", EMOTIONS, face, np.eye(6, dtype=np.float32)))
    for label, value in face.probabilities.items():
        assert said[said.index(label) + 1] == f"{value:.0%}"


@pytest.mark.parametrize("labels", [EMOTIONS, ("happy", "sad")])
def test_without_a_face_the_view_has_a_row_for_each_label(labels):
    said = texts(face_view("en", labels))
    assert [text for text in said if text in EMOTIONS] == list(labels)
    assert said.count("–") == len(labels)


def test_the_face_view_is_in_the_language_of_the_page(face):
    html = face_view("de", EMOTIONS, face, np.eye(6, dtype=np.float32))
    assert "fröhlich 90%" in html
    assert "„fröhlich“" in html
    assert say_expression("es", face) == "alegría 90%"


def test_an_answer_that_is_not_confident_is_marked_as_such(face):
    face = replace(face, confident=False)
    assert say_expression("en", face) == "not sure: happy 90%"
    assert caption("es", 2, face) == "2 ¿alegría? 90%"
    assert "not sure: happy 90%" in face_view("en", EMOTIONS, face)


def test_the_heatmap_is_brightest_where_the_activation_is_highest(face):
    activation = np.full((6, 6), -1, np.float32)
    activation[0, 5] = 3
    pixels = np.asarray(heatmap(face.crop, activation), np.float32).sum(axis=-1)
    row, column = np.unravel_index(pixels.argmax(), pixels.shape)
    assert row < SIDE / 6
    assert column > SIDE * 5 / 6


def test_a_negative_activation_map_is_dark(face):
    assert np.asarray(heatmap(face.crop, np.full((6, 6), -1, np.float32))).max() <= 64


def test_a_click_selects_the_smallest_face_under_it(face):
    shown = [((0, 0, 100, 100), face), ((40, 40, 60, 60), face)]
    assert face_at(shown, 50, 50) == 1
    assert face_at(shown, 10, 10) == 0
    assert face_at(shown, 200, 10) is None


def test_pictures_with_the_same_name_are_counted_separately(face):
    rows = photo_rows("a.png", [face, face]) + photo_rows("a.png", [face]) + photo_rows("a.png", [], "a.png: broken.")
    assert summary("en", rows) == "Pictures: 3. Faces: 3. Pictures without a face or unreadable: 1."


def test_files_that_a_batch_left_out_are_summed_up_in_the_language_of_the_page(face):
    left_out = Counter({".mov": 2, "": 1})
    rows = photo_rows("a.png", [face])
    assert summary("en", rows, left_out).endswith(". Files left out: 2 .mov, 1 without a suffix.")
    assert (
        summary("de", [], left_out)
        == "Die Dateien enthalten keine Bilder. Ausgelassene Dateien: 2 .mov, 1 ohne Endung."
    )
    assert summary("en", []) == "The files contain no pictures."


@pytest.mark.parametrize("language", TEXTS)
def test_the_page_states_the_limit_of_a_batch(language):
    assert str(MAX_PICTURES) in TEXTS[language]["batch.files"]


def row(seconds, number, happy, confident=True):
    label = "happy" if happy > 0.5 else "sad"
    probabilities = {"happy": happy, "sad": 1 - happy} if number else None
    return dict(
        seconds=seconds, face=number, box=[0, 0, 9, 9], label=label, probabilities=probabilities, confident=confident
    )


def test_a_timeline_is_described_by_times_and_shares():
    rows = [row(0.0, 1, 0.9), row(0.2, 1, 0.4), row(0.4, None, 0), row(0.6, 1, 0.8, confident=False)]
    html = timeline("en", record_clip(rows, 1.0))
    assert 'aria-label="Expressions of face 1 over 1.0 s. happy 33%, sad 33%, not sure 33%"' in html
    assert "Face 1, 0.0 to 0.6 s" in html


def test_a_timeline_lists_the_time_in_sight_and_longer_expressions():
    rows = [row(0.5 * step, 1, 0.9 if step < 4 else 0.2) for step in range(6)]
    assert (
        texts(timeline("en", record_clip(rows, 3.0)))[2]
        == "In sight for 3.0 s. Expressions that lasted over a second: happy 0.0–2.0 s."
    )
    assert texts(timeline("en", record_clip(rows[:2], 1.0)))[2] == "In sight for 1.0 s."


def test_a_timeline_is_in_the_language_of_the_page():
    assert texts(timeline("de", record_clip([row(0.0, 1, 0.9)], 1.0)))[:2] == [
        "Gesicht 1, 0.0 bis 0.0 s",
        "fröhlich 100%",
    ]


def test_a_timeline_shows_the_faces_with_the_most_frames_and_counts_the_others():
    rows = [row(0.2 * step, number, 0.9) for number in range(1, 9) for step in range(1 if number < 3 else 2)]
    said = texts(timeline("en", record_clip(rows, 2.0)))
    faces = [text.split(",")[0] for text in said if text.startswith("Face ")]
    assert faces == [f"Face {number}" for number in range(3, 3 + MAX_FACES)]
    assert "the downloads: 2" in said[-1]


@pytest.fixture
def lay_out(recognizer):
    """Function that lays out a page, of which it takes the class and the arguments of `lay_out`, and returns it."""

    def lay_out(page, *arguments):
        with gr.Blocks():
            served_model = Future()
            served_model.set_result(None)
            services = {"recognizer": recognizer, "load_image": load_image, "on_device": False}
            made = page(SimpleNamespace(**services, served_model=served_model))
            made.lay_out(*arguments)
        return made

    return lay_out


def test_answers_stay_after_their_uploads_are_deleted(lay_out, tmp_path):
    gone = {"path": str(tmp_path / "gone.jpg"), "orig_name": "gone.jpg"}
    photo, batch, video = lay_out(_PhotoPage, None), lay_out(_BatchPage), lay_out(_VideoPage)
    assert photo.show(gone, False, 0, "de") == {photo.message: say("de", "app.gone")}
    assert batch.show([gone], "de") == {batch.message: say("de", "app.gone")}
    assert video.translate(True, "de") == gr.skip()
    assert not video.answered.stateful  # The server forgets a session's state.


def test_a_clip_has_its_answers_even_if_its_video_cannot_be_written(lay_out, astronaut, tmp_path, monkeypatch):
    @contextmanager
    def no_room(path, every):
        yield lambda seconds, image: None
        raise OutputError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr(clip_writing, "write_video", no_room)
    path = write_clip(tmp_path / "a.mp4", [Image.open(astronaut)] * 5, rate=10)
    page = lay_out(_VideoPage)
    *_, answer = page.show({"path": str(path), "orig_name": "a.mp4"}, 0.2, "de")
    assert answer[page.message].startswith("Gesichter: 1. ")
    assert answer[page.message].endswith(say("de", "video.unwritten"))
    assert len(answer[page.saved]["record"]["rows"]) == 3
    assert answer[page.video] is None


def test_no_page_waits_for_its_language_behind_batches():
    events = build_demo(Future()).fns.values()
    (language,) = next(event.targets for event in events if event.api_name == "about_model")
    changes = [event for event in events if language in event.targets]
    assert {"translate", "translate_1"} <= {event.api_name for event in changes}
    assert BATCH_QUEUE["concurrency_id"] not in {event.concurrency_id for event in changes}


def test_a_page_of_many_pictures_is_translated_while_it_has_no_files(lay_out):
    page = lay_out(_BatchPage)
    message, counts, table = asyncio.run(page.translate(None, "de"))
    assert message == say("de", "batch.waiting")
    assert "wütend" in texts(counts)
    assert "wütend" in table["headers"]
    assert asyncio.run(page.translate([{"path": "a.jpg"}], "de")) == gr.skip()
