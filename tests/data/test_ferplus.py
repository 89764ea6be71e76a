"""Tests of the votes of FER+."""

import numpy as np
import pytest
from distributed_forms import KAGGLE_HEADER, pixels, rows, write_csv

from fer.data.faces import Faces, load_faces
from fer.data.ferplus import load_categories, load_votes
from fer.data.items import DataError


def named(*names):
    """Return `Faces` with some names, and pictures of no content."""
    return Faces(np.zeros((len(names), 1, 1, 1), "uint8"), np.zeros(len(names), int), ("happy", "sad"), names)


def test_votes_become_shares_in_the_order_of_the_pictures(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text(
        "file,happiness,sadness,NF\ntrain/sad/b.jpg,1,9,0\ntrain/happy/a.jpg,6,0,2\ntrain/sad/c.jpg,0,0,0\n"
    )
    votes = load_votes(path, named("train/happy/a.jpg", "train/sad/b.jpg", "train/sad/c.jpg", "train/sad/d.jpg"))
    np.testing.assert_allclose(votes[:2], [[0.75, 0, 0.25], [0.1, 0.9, 0]])
    assert np.isnan(votes[2:]).all()


def test_the_file_of_ferplus_follows_the_rows_of_fer2013_csv(tmp_path):
    path = tmp_path / "fer2013new.csv"
    path.write_text("Usage,Image name,happiness,sadness\nTraining,fer0000000.png,9,1\nTraining,,0,10\n")
    np.testing.assert_allclose(load_votes(path, named("row 000003", "row 000002")), [[0, 1], [0.9, 0.1]])
    assert load_categories(path) == ["happiness", "sadness"]
    with pytest.raises(DataError, match=r"It belongs to fer2013\.csv, whose rows it follows\.$"):
        load_votes(path, named("train/happy/a.jpg"))


def test_the_file_of_ferplus_is_refused_for_a_table_with_other_rows(tmp_path):
    table = [row | {"pixels": pixels(place)} for place, row in enumerate(rows(per_class=10))]
    votes = tmp_path / "fer2013new.csv"
    lines = [f"{row['usage']},fer{place:07d}.png,{row['emotion']},1" for place, row in enumerate(table)]
    votes.write_text("\n".join(["Usage,Image name,happiness,sadness", *lines]))

    def load(kept, split="train"):
        header = KAGGLE_HEADER if "usage" in kept[0] else KAGGLE_HEADER[:2]
        return load_votes(votes, load_faces(write_csv(tmp_path / "fer2013.csv", kept, header), split))

    assert load(table).shape == load([row for row in table if row["usage"] != "PrivateTest"]).shape
    unsplit = [{name: value for name, value in row.items() if name != "usage"} for row in table]
    assert len(load(unsplit)) > len(load(table))
    broken = [*table[:-1], table[-1] | {"emotion": "none"}]
    write_csv(tmp_path / "broken.csv", broken)
    assert load_votes(votes, load_faces(tmp_path / "broken.csv", "train", skip_bad=True)).shape == load(table).shape
    for others in (table[1:], [*table[:20], *table[21:]], table[::-1], table[:-1], unsplit[1:]):
        for split in ("train", "validation"):
            with pytest.raises(DataError, match=r"its rows must be those of the complete fer2013\.csv"):
                load(others, split)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,happiness\na,1\n", "first column must be file"),
        ("Usage,happiness\na,1\n", "first column must be file"),
        (
            "file,happiness,happiness\na,1,2\n",
            "column happiness must occur once. Received: file, h",
        ),
        ("file,happiness,sadness\na,9,0\nb,1,0\na,0,9\n", r"each picture must have one row\. Received: a twice$"),
        (
            "Usage,Image name,happiness\nTraining,,0\nTraining,,0\nTraining,fer1.png,9\nTraining,fer1.png,9\n",
            r"each picture must have one row\. Received: fer1\.png twice$",
        ),
        ("file,happiness\na,many\n", "votes must be numbers"),
        ("file,happiness,sadness\na,1\n", "each row must have 3 columns"),
        ("file,happiness\na,nan\n", r"votes must be counts, 0 or more. Received: \[nan\] for a"),
        ("file,happiness\na,inf\n", r"votes must be counts, 0 or more. Received: \[inf\] for a"),
        ("file,happiness,sadness\na,9,-1\n", r"votes must be counts, 0 or more. Received: \[9.0, -1.0\] for a"),
        ("file,happiness\na,0\n", "no votes for any picture. Expected names like a"),
        ("file,happiness\nb,1\n", "no votes for any picture. Expected names like a"),
    ],
)
def test_invalid_votes_are_refused(tmp_path, text, message):
    path = tmp_path / "votes.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_votes(path, named("a"))
    with pytest.raises(DataError, match="no such file"):
        load_votes(tmp_path / "missing.csv", named("a"))
    for content in (b"\x89PNG\r\n", "file,größe\na,1\n".encode("latin-1"), b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match="votes must be a CSV in UTF-8, with a header"):
            load_votes(path, named("a"))
