import shutil
from dataclasses import replace

import numpy as np

from fer.data import fer2013
from fer.data.faces import Faces, load_faces
from fer.data.facts import describe_data, find_layout, is_cut_again, is_same_data
from fer.models.config import ModelConfig


def make_faces(*labels, **facts):
    """Return faces of the classes wink and yawn."""
    images = np.zeros((len(labels), 8, 8, 1), np.uint8)
    return Faces(images, np.array(labels), ("wink", "yawn"), tuple(map(str, labels)), **facts)


def test_fer2013_needs_no_facts():
    faces = make_faces(0, 1)
    assert describe_data("mine", train=faces, validation=faces)["name"] == "mine"
    known = replace(faces, is_fer2013=True)
    assert describe_data("mine", train=known, validation=known) is None


def test_fer2013_with_another_validation_split_is_another_data_set(monkeypatch, draw_dataset, tmp_path):
    """Nor is it FER2013's validation split if `test/` was renamed, or a tenth of the training pictures is held out."""
    data = draw_dataset(tmp_path / "data", ("happy", "sad"), 10)
    counts = {"happy": 10, "sad": 10}
    monkeypatch.setattr(fer2013, "PICTURES", {"train": counts, "validation": counts})
    assert load_faces(data, "validation", classes=counts).is_fer2013
    (data / "test").rename(data / "validation")
    assert not load_faces(data, "validation", classes=counts).is_fer2013
    shutil.rmtree(data / "validation")
    held_out = load_faces(data, "validation", classes=counts)
    assert (held_out.held_out, held_out.is_fer2013) == (True, False)
    assert describe_data(data, validation=held_out)["held_out"]


def test_the_pictures_of_each_class_and_split_are_counted():
    train, validation = make_faces(0, 1, 1), make_faces(0, 0, held_out=True)
    facts = describe_data("data/mine.zip", train=train, validation=validation)
    counts = {"train": {"wink": 1, "yawn": 2}, "validation": {"wink": 2, "yawn": 0}}
    assert facts == {"name": "mine.zip", "held_out": True, **counts}


def test_a_data_set_has_the_name_of_its_folder(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    assert describe_data(".", validation=make_faces(0, 1))["name"] == "mine"


def test_a_data_set_is_known_by_its_pictures_and_without_a_digest_by_its_name():
    before, mine = {"name": "data"}, {"name": "data", "validation_sha256": "1"}
    assert is_same_data(None, None, "1")
    assert not is_same_data(None, mine, "1")
    assert not is_same_data(mine, None, "1")
    assert is_same_data(before, {"name": "data"}, "1")
    assert not is_same_data(before, {"name": "faces"}, "1")
    assert is_same_data(mine, {"name": "moved"}, "1")
    assert not is_same_data(mine, {"name": "data"}, "2")


def test_the_layout_of_the_training_is_used_for_its_own_data():
    training = {"data": {"name": "ck", "layout": "ckplus"}}
    assert find_layout(None, "sets/ck", training) == "ckplus"
    assert find_layout("raf-db", "sets/ck", training) == "raf-db"
    assert find_layout(None, "sets/other", training) is None
    for facts in ({}, {"data": None}, {"data": {"name": "ck"}}):  # The last is that of an earlier version.
        assert find_layout(None, "ck", facts) is None


def test_a_model_is_told_when_other_pictures_are_held_out_than_at_its_training():
    """A data set that has grown since is cut anew, and the model was measured on training pictures without a word."""
    held_out = make_faces(0, 1, held_out=True)
    data = {"name": "mine", "held_out": True, "validation_sha256": "1"}
    config = ModelConfig("se_resnet", held_out.classes, 8, training={"data": data})
    assert not is_cut_again(config, held_out, "1")
    assert is_cut_again(config, held_out, "2")
    assert not is_cut_again(config, replace(held_out, held_out=False), "2")
    assert not is_cut_again(replace(config, training={"data": data | {"held_out": False}}), held_out, "2")
    assert not is_cut_again(replace(config, training={}), held_out, "2")


def test_a_data_set_has_the_same_layout_unpacked():
    training = {"data": {"name": "ck.zip", "layout": "ckplus"}}
    assert find_layout(None, "here/ck", training) == "ckplus"
    assert find_layout(None, "here/other", training) is None
