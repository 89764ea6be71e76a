import string

import pytest

from fer.app.texts import TEXTS, say


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_there_are_three_languages():
    assert len(TEXTS) >= 3


@pytest.mark.parametrize("language", sorted(set(TEXTS) - {"en"}))
def test_a_language_says_all_that_english_does_with_the_same_values(language):
    assert TEXTS[language].keys() == TEXTS["en"].keys()
    for key, text in TEXTS["en"].items():
        assert placeholders(TEXTS[language][key]) == placeholders(text), key


def test_a_text_is_said_in_the_language_of_the_page_or_else_in_english():
    assert say("de", "emotion.happy") == "fröhlich"
    assert say("xx", "emotion.happy") == say("en", "emotion.happy") == "happy"
