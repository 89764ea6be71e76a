import re
from pathlib import Path

import numpy as np
import pytest

from fer.data.photos import PhotoSet
from fer.errors import UserError
from fer.evaluation.fairness import check_groups, compile_pattern, count_without_group, measure_fairness
from fer.evaluation.metrics import wilson_interval
from fer.evaluation.photos import PhotoAnswer, measure_answers
from fer.evaluation.summary import format_fairness
from fer.models.calibration import UNCALIBRATED

LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def answer(label):
    return PhotoAnswer(np.eye(7)[LABELS.index(label)], 0.9)


def photo_set(*names, label="neutral"):
    return PhotoSet("lab", tuple(Path(f"lab/{label}/{name}") for name in names), (label,) * len(names), {})


def test_harmful_answers_to_neutral_faces_are_counted_by_group():
    neutral = photo_set("AF01.jpg", "AF02.jpg", "AM01.jpg", "AM02.jpg", "AM03.jpg", "other.jpg")
    read = [answer("sad"), answer("neutral"), answer("angry"), answer("happy"), None, answer("angry")]
    glad = photo_set("AF03.jpg", label="happy")
    figures = measure_fairness([read, [answer("angry")]], [neutral, glad], LABELS, compile_pattern(r"A([FM])\d\d"))
    assert list(figures) == ["F", "M"]
    assert figures["F"]["n"] == figures["M"]["n"] == 2  # The face that was not found is not counted.
    assert [figures["F"][key]["count"] for key in ("angry", "disgust", "sad", "any")] == [0, 0, 1, 1]
    assert count_without_group([neutral, glad], compile_pattern(r"A([FM])\d\d")) == 1
    assert figures["M"]["angry"] == {"count": 1, "share": 0.5, "interval": wilson_interval(1, 2)}
    assert "sad 50.0%" in "\n".join(format_fairness(figures))


@pytest.mark.parametrize(("pattern", "received"), [("(", "missing"), ("A", "which has 0"), ("(A)(B)", "which has 2")])
def test_a_pattern_without_exactly_one_group_is_refused(pattern, received):
    with pytest.raises(UserError, match="`groups` must be a regular expression with one group") as error:
        compile_pattern(pattern)
    assert received in str(error.value)


def test_groups_go_with_models_that_can_answer_wrongly():
    with pytest.raises(
        UserError, match="`groups` goes with models that can answer angry, .* Received: a model of happy"
    ):
        compile_pattern("A(.)", ("happy", "neutral"))


def test_a_pattern_that_matches_nothing_is_refused():
    for sets in ([photo_set("a.jpg"), photo_set("Z.jpg", label="happy")], []):
        with pytest.raises(UserError, match=re.escape("Received: '(Z)', which matches none")):
            check_groups(compile_pattern("(Z)"), sets)
    check_groups(compile_pattern("(Z)?"), [photo_set("a.jpg")])


def test_groups_without_a_found_face_are_left_out():
    measured = measure_fairness(
        [[None, answer("sad")]], [photo_set("M1.jpg", "F1.jpg")], LABELS, compile_pattern("(.)1")
    )
    assert list(measured) == ["F"]
    assert format_fairness({}) == ["neutral faces read as a harmful expression, by group: no face was found"]


def test_the_photos_of_a_model_are_measured_by_group():
    figures = measure_answers([[answer("sad")]], [photo_set("AF01.jpg")], LABELS, UNCALIBRATED, compile_pattern("A(.)"))
    assert figures["fairness"]["F"]["sad"]["count"] == 1
    assert figures["neutral_without_group"] == 0
    assert "fairness" not in measure_answers([[answer("sad")]], [photo_set("AF01.jpg")], LABELS, UNCALIBRATED)
