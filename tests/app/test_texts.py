import string

import pytest
from conftest import texts

from fer.app.components.face_panel import bars
from fer.app.components.tables import headers
from fer.app.texts import TEXTS, say, say_class
from fer.labels import class_colors


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_the_page_is_in_three_languages():
    assert set(TEXTS) >= {"de", "en", "es"}


@pytest.mark.parametrize("language", sorted(set(TEXTS) - {"en"}))
def test_each_language_has_the_keys_and_placeholders_of_english(language):
    assert TEXTS[language].keys() == TEXTS["en"].keys()
    for key, text in TEXTS["en"].items():
        assert placeholders(TEXTS[language][key]) == placeholders(text), key


def test_each_language_states_the_exception_to_the_prohibition():
    for language, words in {"en": "except for medical", "de": "außer aus medizinischen", "es": "salvo por"}.items():
        assert words in TEXTS[language]["app.limits"]


def test_a_text_falls_back_to_english():
    assert say("de", "emotion.happy") == "fröhlich"
    assert say("xx", "emotion.happy") == say("en", "emotion.happy") == "happy"


def test_own_classes_keep_their_name_and_have_a_colour():
    assert [say_class("de", label) for label in ("happy", "contempt", "wink")] == ["fröhlich", "verächtlich", "wink"]
    assert headers("en", ("happy", "wink"), ["file"], ["sure"]) == ["file", "happy", "wink", "sure"]
    html = bars("en", [("happy", 0.5, "50%"), ("wink", 0.25, "25%")], "wink")
    assert "wink" in texts(html)
    assert class_colors(("happy", "wink"))["wink"] in html
