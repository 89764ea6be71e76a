"""Tests of the environment variables that switch parts of the app on or off."""

import pytest

from fer.app.device.view import is_offered
from fer.app.server.flags import FLAGS, check_flags, read_flag
from fer.errors import UserError


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize(
    ("value", "expected"),
    [("0", False), ("false", False), ("False", False), ("1", True), ("TRUE", True), ("", None), (None, None)],
)
def test_a_flag_is_0_or_1_and_empty_counts_as_not_set(monkeypatch, name, value, expected):
    monkeypatch.delenv(name, raising=False)
    if value is not None:
        monkeypatch.setenv(name, value)
    assert read_flag(name) is (FLAGS[name] if expected is None else expected)


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", ["no", "off", "yes", "2", "00", " 0", "０"])
def test_another_value_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as error:
        check_flags()
    assert str(error.value) == f"`{name}` must be 0 or false, 1 or true. Received: {value!r}"


def test_false_keeps_the_model_on_the_server(monkeypatch):
    monkeypatch.setenv("FER_ON_DEVICE", "false")
    assert not is_offered()
