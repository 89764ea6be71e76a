import json
import math

import numpy as np
import pytest

from fer.documents import to_json
from fer.errors import UserError


def test_a_document_is_what_json_says_it_is():
    document = {"label": "happy", "shares": [0.25, 1], "none": None, "deep": {"ok": True}}
    assert json.loads(to_json(document)) == document
    assert to_json({"ä": 1}, ensure_ascii=False, indent=1) == '{\n "ä": 1\n}'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_a_number_that_is_none_is_refused_with_its_place(number):
    with pytest.raises(UserError, match=rf"^JSON holds finite numbers alone\. Received: rows\[1\]\.share = {number}$"):
        to_json({"rows": [{"share": 0.5}, {"share": number}]})


def test_what_is_no_json_at_all_is_a_mistake_of_the_program():
    with pytest.raises(TypeError):
        to_json({"image": object()})
