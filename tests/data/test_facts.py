from dataclasses import replace

import numpy as np
import pytest

from fer.data.faces import Faces
from fer.data.facts import describe_data


def make_faces(*labels, **facts):
    """Return faces of the classes wink and yawn."""
    images = np.zeros((len(labels), 8, 8, 1), np.uint8)
    return Faces(images, np.array(labels), ("wink", "yawn"), tuple(map(str, labels)), **facts)


def test_fer2013_needs_no_facts():
    faces = make_faces(0, 1)
    assert describe_data("mine", train=faces, validation=faces)["name"] == "mine"
    known = replace(faces, is_fer2013=True)
    assert describe_data("mine", train=known, validation=known) is None


def test_the_pictures_of_each_class_and_split_are_counted():
    train, validation = make_faces(0, 1, 1), make_faces(0, 0, held_out=True)
    facts = describe_data("data/mine.zip", train=train, validation=validation)
    counts = {"train": {"wink": 1, "yawn": 2}, "validation": {"wink": 2, "yawn": 0}}
    assert facts == {"name": "mine.zip", "held_out": True, **counts}


@pytest.mark.parametrize("path", [".", "../mine", "other/..", "../mine/."])
def test_a_data_set_has_the_name_of_its_folder(path, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    assert describe_data(path, validation=make_faces(0, 1))["name"] == "mine"
