import csv

import pytest

from fer.labels import (
    ALIASES,
    COLORS,
    CSV_EMOTIONS,
    EMOTION_COLORS,
    EMOTIONS,
    KNOWN,
    MOST_CLASSES,
    check_classes,
    class_colors,
    known_class,
    match_class,
)
from fer.recognition.records import clip_csv, photos_csv


def test_emotions_are_in_the_order_of_kaggles_folders():
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def test_csv_codes_are_those_of_fer2013():
    assert CSV_EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def test_known_classes_are_put_into_the_fixed_order_and_own_classes_stay_as_given():
    assert check_classes(["sad", "happy", "angry"]) == ("angry", "happy", "sad")
    assert check_classes(["yawn", "contempt", "Wink", "happy"]) == ("happy", "contempt", "yawn", "Wink")
    assert check_classes(["1", "2"]) == ("1", "2")
    for classes in (("b", "a"), EMOTIONS, KNOWN, ("happy", "über mich", "A.b+c-d_e")):
        assert check_classes(check_classes(classes)) == check_classes(classes)
        assert set(check_classes(classes)) == set(classes)


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_class_has_aliases(name):
    for other in [name, *ALIASES[name].split()]:
        assert known_class(other) == known_class(f" {other.upper()}") == name
        assert check_classes([other.title(), "yawn"]) == (name, "yawn")
        assert match_class(other.title(), (name, "yawn")) == name
        assert match_class(other, ("yawn", "wink")) is None


def test_a_folder_name_matches_its_class_in_any_case_and_unicode_form():
    assert match_class("WINK", ("happy", "Wink")) == "Wink"
    assert match_class("Café", ("Cafe\u0301", "wink")) == "Cafe\u0301"
    assert known_class("wink") is None


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([3, "sad"], r"must be 1 to 50 letters, .*Received: 3$"),
        (["", "sad"], r"Received: ''$"),
        ([" a", "sad"], r"Received: ' a'$"),
        (["a" * 51, "sad"], r"Received: 'a{51}'$"),
        (["<b>", "sad"], r"Received: '<b>'$"),
        (["a|b", "sad"], r"Received: 'a\|b'$"),
        (["a\n", "sad"], r"Received: 'a\\n'$"),
        (["Label", "sad"], r"must not be named like a column or value of results\. Received: Label$"),
        (["Not sure", "sad"], r"must not be named like a column or value of results\. Received: Not sure$"),
        (["sad", "sad"], r"must be given once\. Received: sad and sad, which are one$"),
        (["neutral", "joy", "happy"], r"Received: joy and happy, which are one$"),
        (["wink", "Wink"], r"Received: wink and Wink, which are one$"),
        (["sad"], r"two different classes are needed\. Received: sad$"),
        ([], r"two different classes are needed\. Received: none$"),
        ([f"c{number}" for number in range(MOST_CLASSES + 1)], r"At most 50 classes .*Received: 51$"),
    ],
)
def test_invalid_classes_are_refused(classes, message):
    with pytest.raises(ValueError, match=message):
        check_classes(classes)


@pytest.mark.parametrize("write", [photos_csv, clip_csv])
def test_a_class_is_not_named_like_another_column_of_a_csv(write):
    (header,) = csv.reader([write([], ("wink", "yawn")).strip()])
    others = {*header} - {"wink", "yawn"}
    assert len(others) == len(header) - 2
    for name in others:
        with pytest.raises(ValueError, match="must not be named like a column"):
            check_classes([name.title(), "wink"])
    assert check_classes(["score", "wink"]) == ("score", "wink")  # No table has this column.


def test_each_class_has_its_own_colour_and_emotions_keep_theirs():
    assert class_colors(EMOTIONS) == EMOTION_COLORS
    for classes in (KNOWN, ("happy", "wink", "yawn"), [f"c{number}" for number in range(len(COLORS))]):
        colors = class_colors(classes)
        assert list(colors) == list(classes)
        assert len(set(colors.values())) == len(classes)
    many = class_colors((*EMOTIONS, *(f"c{number}" for number in range(43))))
    assert len(many) == 50
    assert not {many[name] for name in many if name not in EMOTIONS} & set(EMOTION_COLORS.values())
