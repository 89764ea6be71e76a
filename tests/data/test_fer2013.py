"""Tests of the facts of FER2013."""

from collections import Counter

from fer.data.fer2013 import PICTURES, find_split, is_fer2013
from fer.labels import EMOTIONS


def test_fer2013_is_recognized_by_its_numbers_of_pictures():
    assert [sum(known.values()) for known in PICTURES.values()] == [28_709, 3_589]
    counts = Counter({(split, name): count for split, known in PICTURES.items() for name, count in known.items()})
    assert is_fer2013(counts, EMOTIONS)
    assert is_fer2013(counts, ("happy", "sad"))
    assert not is_fer2013(counts + Counter({("train", "happy"): 1}), EMOTIONS)
    assert not is_fer2013(counts + Counter({("validation", "happy"): 879}), EMOTIONS)
    assert not is_fer2013(counts + Counter({("train", "wink"): 3, ("validation", "wink"): 3}), ("happy", "wink"))
    assert not is_fer2013(counts, ("happy", "wink"))
    assert not is_fer2013(Counter(), EMOTIONS)


def test_a_name_tells_validation_from_test_within_the_folder_test():
    assert find_split("test", "PublicTest_7.jpg") == "validation"
    assert find_split("test", "PrivateTest_7.jpg") == "test"
    assert find_split("train", "PublicTest_7.jpg") == "train"
