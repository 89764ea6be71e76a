"""Tests of the facts of FER2013."""

from fer.data.fer2013 import PICTURES, find_split, is_fer2013
from fer.labels import EMOTIONS


def test_fer2013_is_recognized_by_its_numbers_of_pictures():
    assert sum(PICTURES.values()) == 28_709
    assert is_fer2013(PICTURES)
    assert is_fer2013({name: PICTURES[name] for name in ("happy", "sad")})
    assert not is_fer2013(PICTURES | {"happy": 7214})
    assert not is_fer2013(PICTURES | {"wink": 3})
    assert not is_fer2013(dict.fromkeys(EMOTIONS, 0))


def test_a_name_tells_validation_from_test_within_the_folder_test():
    assert find_split("test", "PublicTest_7.jpg") == "validation"
    assert find_split("test", "PrivateTest_7.jpg") == "test"
    assert find_split("train", "PublicTest_7.jpg") == "train"
