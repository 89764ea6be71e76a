import json
import math

import numpy as np
import pytest

from fer.documents import read_text, split_marked, to_json
from fer.errors import UserError
from fer.outputs import write_text


def test_to_json_writes_what_json_reads_back():
    document = {"label": "happy", "shares": [0.25, 1], "none": None, "deep": {"ok": True}}
    assert json.loads(to_json(document)) == document
    assert to_json({"ä": 1}, ensure_ascii=False, indent=1) == '{\n "ä": 1\n}'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_a_number_that_is_not_finite_is_refused_with_its_place(number):
    received = rf"rows\[1\]\.share = {number}"
    with pytest.raises(UserError, match=rf"^JSON must contain only finite numbers\. Received: {received}$"):
        to_json({"rows": [{"share": 0.5}, {"share": number}]})


def test_other_objects_raise_a_type_error():
    with pytest.raises(TypeError):
        to_json({"image": object()})


def test_only_the_part_between_markers_is_replaced_in_the_line_ends_of_the_document(tmp_path):
    path = tmp_path / "document.md"
    for before, after, line in (
        ("\ufeff# Ä\r\n\r\n", "\r\nthe\nend\r\n", "\r\n"),
        ("# Ä\n", "\nthe\r\nend\n", "\n"),
        ("", "", "\n"),
    ):
        path.write_bytes(f"{before}<!-- a -->{line}old{line}<!-- b -->{after}".encode())
        parts = split_marked(read_text(path), "<!-- a -->", "<!-- b -->")
        write_text(path, parts.replace("\nnew\n"))
        assert path.read_bytes() == f"{before}<!-- a -->{line}new{line}<!-- b -->{after}".encode()
    for text in ("", "<!-- a -->", "<!-- b --><!-- a -->", "<!-- a --><!-- b --><!-- b -->"):
        assert split_marked(text, "<!-- a -->", "<!-- b -->") is None


def test_a_text_that_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / "document.md"
    path.write_bytes("Über".encode("latin-1"))
    with pytest.raises(UserError, match=f"{path}: must be a text in UTF-8. Received: invalid .* at byte 0"):
        read_text(path)
