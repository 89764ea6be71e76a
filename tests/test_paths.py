import pytest

from fer.paths import last_part, name_of


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/alice/fer2013.zip", "fer2013.zip"),
        ("runs/first/", "first"),
        ("C:\\Users\\alice\\fer2013.zip", "fer2013.zip"),
        ("imagenet", "imagenet"),
        (".", "."),
    ],
)
def test_last_part_is_the_name_of_a_file_or_folder(path, name):
    assert last_part(path) == name


@pytest.mark.parametrize("path", [".", "../mine", "other/..", "../mine/.", "runs/mine"])
def test_a_folder_has_a_name_however_it_is_given(path, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    assert name_of(path) == "mine"
