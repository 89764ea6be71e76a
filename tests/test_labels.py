import pytest

from fer.labels import CSV_EMOTIONS, EMOTIONS, check_classes


def test_emotions_are_in_the_order_of_kaggles_folders():
    assert EMOTIONS == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def test_csv_codes_are_those_of_the_dataset():
    assert CSV_EMOTIONS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def test_classes_come_back_in_the_one_order():
    assert check_classes(["sad", "happy", "angry"]) == ("angry", "happy", "sad")


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["happy", "contempt"], r"must be one of angry, .*Received: contempt$"),
        (["Happy", "sad"], r"Received: Happy$"),
        ([3, "sad"], r"Received: 3$"),
        (["sad", "sad"], r"two different classes are needed\. Received: sad sad$"),
        (["sad"], r"two different classes are needed\. Received: sad$"),
        ([], r"two different classes are needed\. Received: none$"),
    ],
)
def test_classes_that_are_none_are_refused(classes, message):
    with pytest.raises(ValueError, match=message):
        check_classes(classes)
