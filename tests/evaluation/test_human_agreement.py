import json

import numpy as np
import pytest

from fer.data.faces import Faces
from fer.documents import to_json
from fer.errors import UserError
from fer.evaluation.human_agreement import compare_with_votes
from fer.evaluation.summary import _format_agreement

CATEGORIES = ["neutral", "happiness", "sadness", "contempt"]


def test_without_votes_the_agreement_is_none():
    faces = Faces(np.zeros((2, 8, 8, 1), np.uint8), np.array([0, 1]), ("happy", "sad"), ())
    measured = compare_with_votes(np.array([0, 1]), faces, np.full((2, 4), np.nan), CATEGORIES)
    assert measured == {
        "n": 0,
        "top_share": None,
        "agreed": {"n": 0, "accuracy": None},
        "disputed": {"n": 0, "accuracy": None},
        "majority": {"n": 0, "accuracy": None, "left_out": 0},
    }
    assert json.loads(to_json(measured)) == measured
    assert "none" in _format_agreement(measured)[0]


def test_the_network_is_compared_with_the_majority_of_votes():
    votes = np.array(
        [
            [0.0, 0.8, 0.2, 0.0],  # clearly happy: right label, right majority
            [0.9, 0.1, 0.0, 0.0],  # clearly neutral, but the label is sad
            [0.4, 0.4, 0.2, 0.0],  # a tie is no majority
            [0.3, 0.1, 0.0, 0.6],  # contempt is no class
            [0.2, 0.1, 0.7, 0.0],  # sad, unclear
            [np.nan] * 4,
        ]
    )
    faces = Faces(np.zeros((6, 8, 8, 1), np.uint8), np.array([0, 2, 1, 1, 2, 0]), ("happy", "neutral", "sad"), ())
    measured = compare_with_votes(np.array([0, 1, 1, 0, 2, 2]), faces, votes, CATEGORIES)
    assert measured["n"] == 5
    assert measured["top_share"] == pytest.approx((0.8 + 0.9 + 0.4 + 0.6 + 0.7) / 5)
    assert measured["agreed"] == {"n": 2, "accuracy": 0.5}
    assert measured["disputed"] == {"n": 3, "accuracy": pytest.approx(2 / 3)}
    assert measured["majority"] == {"n": 3, "accuracy": 1.0, "left_out": 2}
    for names in (["neutral", "happy", "sad", "contempt"], ["Neutral", "joy", "sadness", "NF"]):
        assert compare_with_votes(np.array([0, 1, 1, 0, 2, 2]), faces, votes, names) == measured
    with pytest.raises(UserError, match=r"must be one of the classes happy, neutral, sad\. Received: a, b, c, d$"):
        compare_with_votes(np.array([0, 1, 1, 0, 2, 2]), faces, votes, ["a", "b", "c", "d"])
