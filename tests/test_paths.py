import pytest

from fer.paths import last_part


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
