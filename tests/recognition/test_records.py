"""Tests of the rows of the CSV, and of the comparison of dataclasses that hold arrays."""

import ast
import csv
import io

import numpy as np
import pytest
from test_architecture import MODULES

from fer.data.faces import Faces
from fer.detection.alignment import FaceFrame
from fer.detection.blazeface import DetectedFace
from fer.recognition import records
from fer.recognition.recognizer import Face


def arrays_compared_in(tree):
    """Yield the names of the dataclasses in a syntax tree whose `==` compares arrays."""
    for node in ast.walk(tree):
        options = [ast.unparse(decorator) for decorator in getattr(node, "decorator_list", ())]
        if isinstance(node, ast.ClassDef) and any(text.startswith("dataclass") for text in options):
            fields = [ast.unparse(field) for field in node.body if isinstance(field, ast.AnnAssign)]
            arrays = [text for text in fields if "ndarray" in text and "Callable" not in text]
            if "eq=False" not in "".join(options) and any("compare=False" not in text for text in arrays):
                yield node.name


def test_no_other_dataclass_compares_arrays():
    """`==` of arrays returns an array, whose truth value raises an error."""
    trees = {module: ast.parse(file.read_text()) for module, file in MODULES.items()}
    assert {f"{module}.{name}" for module, tree in trees.items() for name in arrays_compared_in(tree)} == set()


def test_dataclasses_with_arrays_can_be_compared_and_searched():
    points = np.zeros((6, 2), np.float32)
    one, other = (DetectedFace((0, 0, 9, 9), points + shift, 0.9) for shift in (0, 1))
    assert one == other
    assert one in [other]
    assert DetectedFace((0, 0, 9, 8), points, 0.9) != one
    frame = FaceFrame(points[0], 1.0, 0.0, points[0], points[0], points)
    faces = Faces(np.zeros((1, 8, 8, 1), np.uint8), np.zeros(1, np.int64), ("happy", "sad"), ("a",))
    for record in (frame, faces):
        assert record == record
        assert record not in [type(record)(**vars(record))]


def test_a_csv_has_a_row_per_face_and_no_formulas():
    face = Face((0, 0, 9, 9), "sad", {"happy": 0.25, "sad": 0.75}, 0.9, True, np.zeros((48, 48), np.uint8))
    rows = records.photo_rows("=a.png", [face, face]) + records.photo_rows("b.png", [], "b.png: broken.")
    assert [row["face"] for row in rows] == [1, 2, None]
    table = list(csv.DictReader(io.StringIO(records.photos_csv(rows, ("happy", "sad")))))
    assert table[0]["file"] == "'=a.png"
    assert (table[1]["happy"], table[1]["sad"], table[1]["confident"]) == ("0.25", "0.75", "True")
    assert [table[1][side] for side in ("left", "top", "right", "bottom")] == ["0", "0", "9", "9"]
    assert table[1]["detection_score"] == "0.9"
    assert (table[2]["label"], table[2]["message"], table[2]["left"]) == ("", "b.png: broken.", "")


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("a\r=1+1.png", "a =1+1.png"),
        ("\t=1+1.png", "' =1+1.png"),
        (" @a.png", "' @a.png"),
        ("\x1b\n-a.png", "'  -a.png"),
        ("a\x7fb.png", "a b.png"),
        (" a.png", " a.png"),
    ],
)
def test_a_control_character_in_a_name_begins_no_row_and_no_formula(name, cell):
    content = records.photos_csv(records.photo_rows(name, [], f"{name}: broken."), ("happy",))
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert [(row["file"], row["message"]) for row in rows] == [(cell, f"{cell}: broken.")]
    assert len(content.splitlines()) == 2
