import json
import math

import numpy as np
import pytest

from fer.documents import to_json
from fer.errors import UserError


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
