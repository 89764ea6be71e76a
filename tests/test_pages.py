from dataclasses import replace

import numpy as np
import pytest

from fer.batch import MAX_PICTURES, to_rows
from fer.drawing import EMOTION_COLORS
from fer.labels import EMOTIONS
from fer.recognizer import Face
from pages.face_view import SIDE, caption, face_view, heatmap, reading
from pages.many import summary
from pages.photo import face_at
from pages.texts import TEXTS


@pytest.fixture
def face():
    probabilities = dict(zip(EMOTIONS, (0.01, 0.01, 0.02, 0.9, 0.03, 0.02, 0.01), strict=True))
    return Face((0, 0, 90, 90), "happy", probabilities, 0.9, True, np.full((48, 48), 120, np.uint8))


def test_a_face_shows_every_probability_in_its_colour(face):
    html = face_view("en", EMOTIONS, face, np.eye(6, dtype=np.float32))
    for label, value in face.probabilities.items():
        assert label in html
        assert f"width: {100 * value:.1f}%; background: {EMOTION_COLORS[label]}" in html
    assert html.count('alt="') == html.count("<img") == 2


@pytest.mark.parametrize("labels", [EMOTIONS, ("happy", "sad")])
def test_without_a_face_the_view_has_the_models_rows(labels):
    assert face_view("en", labels).count('class="fill"') == len(labels)


def test_a_face_speaks_the_language_of_the_page(face):
    html = face_view("de", EMOTIONS, face, np.eye(6, dtype=np.float32))
    assert "fröhlich 90%" in html
    assert "„fröhlich“" in html
    assert reading("es", face) == "alegría 90%"


def test_an_answer_that_is_not_sure_says_so(face):
    face = replace(face, confident=False)
    assert reading("en", face) == "not sure: happy 90%"
    assert caption("es", 2, face) == "2 ¿alegría? 90%"
    assert "not sure: happy 90%" in face_view("en", EMOTIONS, face)


def test_the_heatmap_is_brightest_where_the_network_looked(face):
    activation = np.full((6, 6), -1, np.float32)
    activation[0, 5] = 3
    pixels = np.asarray(heatmap(face.crop, activation), np.float32).sum(axis=-1)
    row, column = np.unravel_index(pixels.argmax(), pixels.shape)
    assert row < SIDE / 6
    assert column > SIDE * 5 / 6


def test_a_map_that_speaks_against_everything_is_dark(face):
    assert np.asarray(heatmap(face.crop, np.full((6, 6), -1, np.float32))).max() <= 64


def test_a_click_takes_the_smallest_face_under_it(face):
    shown = [((0, 0, 100, 100), face), ((40, 40, 60, 60), face)]
    assert face_at(shown, 50, 50) == 1
    assert face_at(shown, 10, 10) == 0
    assert face_at(shown, 200, 10) is None


def test_pictures_of_one_name_are_counted_each(face):
    rows = to_rows("a.png", [face, face]) + to_rows("a.png", [face]) + to_rows("a.png", [], "a.png: broken.")
    assert summary("en", rows) == "Pictures: 3. Faces: 3. Without a face or broken: 1."


@pytest.mark.parametrize("language", TEXTS)
def test_the_limit_of_a_batch_is_said(language):
    assert str(MAX_PICTURES) in TEXTS[language]["many.files"]
