"""Tests of the page for many pictures in a browser."""

import csv
import json
import zipfile

import pytest
from conftest import wait_for
from PIL import Image
from playwright.sync_api import expect

from .conftest import refuse_events


@pytest.fixture
def batch_page(page):
    """The page for many pictures, ready for files: when its language is known, files are not read again in it."""
    expect(page.locator("#model")).to_contain_text("Model: ")
    page.get_by_role("tab", name="Many pictures").click()
    expect(page.locator("#batch-message")).to_have_text("Waiting for pictures.")
    return page


def test_a_broken_file_has_a_row_with_its_reason_and_the_other_pictures_are_read(batch_page, two_faces, tmp_path):
    broken, wall, packed = tmp_path / "broken.jpg", tmp_path / "wall.png", tmp_path / "packed.zip"
    broken.write_bytes(b"hello")
    Image.new("RGB", (320, 240), "white").save(wall)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(two_faces, "trip/two.jpg")
        archive.writestr("notes.txt", "no picture")
    batch_page.locator("#files input[type=file]").set_input_files([broken, wall, packed])
    expect(batch_page.locator("#batch-message")).to_have_text(
        "Pictures: 3. Faces: 2. Pictures without a face or unreadable: 2. Files left out: 1 .txt."
    )
    table = batch_page.locator("#batch-table")
    for text in ("not a picture that can be read here", "No face found.", "packed.zip/trip/two.jpg"):
        expect(table).to_contain_text(text)
    expect(batch_page.locator("#gallery")).to_contain_text("two.jpg: happy ×2")
    expect(batch_page.locator("#gallery")).to_contain_text("wall.png: no face")
    expect(batch_page.locator("#counts")).to_contain_text("happy\n2", use_inner_text=True)
    with batch_page.expect_download() as saved:
        batch_page.get_by_role("button", name="Download CSV").click()
    rows = list(csv.DictReader(saved.value.path().read_text("utf-8").splitlines()))
    assert [row["label"] for row in rows] == ["", "", "happy", "happy", ""]
    assert rows[4]["message"] == "packed.zip: 1 file left out: 1 .txt."
    assert float(rows[2]["happy"]) > 0.5
    with batch_page.expect_download() as saved:
        batch_page.get_by_role("button", name="Download JSON").click()
    rows = json.loads(saved.value.path().read_text("utf-8"))
    assert [row["file"] for row in rows][:2] == ["broken.jpg", "wall.png"]
    assert rows[2]["confident"] is True


def test_answers_do_not_stay_beside_other_files_if_these_are_refused(batch_page, astronaut):
    batch_page.locator("#files input[type=file]").set_input_files(astronaut)
    expect(batch_page.locator("#counts")).to_contain_text("happy\n1", use_inner_text=True)
    refuse_events(batch_page)
    batch_page.locator("#files").get_by_role("button", name="Clear").click()
    expect(batch_page.locator("#batch-message")).to_have_text("This could not be answered. Please try again.")
    for place in ("#gallery", "#batch-table"):
        expect(batch_page.locator(place)).not_to_contain_text("astronaut")
    for name in ("Download CSV", "Download JSON"):
        expect(batch_page.get_by_role("button", name=name)).to_be_disabled()


@pytest.mark.slow
def test_an_answer_that_arrives_late_does_not_stand_beside_other_files(batch_page, gates, astronaut, two_faces):
    (first, may_end), (second, _) = gates
    batch_page.locator("#files input[type=file]").set_input_files(astronaut)
    wait_for(first.is_set)
    batch_page.locator("#files").get_by_role("button", name="Clear").click()
    batch_page.locator("#files input[type=file]").set_input_files(two_faces)
    expect(batch_page.locator("#files")).to_contain_text("two")
    may_end.set()
    wait_for(second.is_set)
    for name in ("Download CSV", "Download JSON"):
        expect(batch_page.get_by_role("button", name=name)).to_be_disabled()
    for place in ("#gallery", "#batch-table"):
        expect(batch_page.locator(place)).not_to_contain_text("astronaut")


@pytest.mark.slow
def test_too_many_pictures_are_refused_with_the_limit(batch_page, tmp_path):
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for number in range(201):
            archive.writestr(f"{number}.jpg", b"hello")
    batch_page.locator("#files input[type=file]").set_input_files(tmp_path / "packed.zip")
    expect(batch_page.locator("#batch-message")).to_contain_text("at most 200 pictures. Received: 201")
    expect(batch_page.get_by_role("button", name="Download CSV")).to_be_disabled()


@pytest.mark.slow
def test_progress_shows_while_pictures_are_read(batch_page, gates, astronaut, tmp_path):
    (_, first_may_end), (_, second_may_end) = gates
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for number in range(2):
            archive.write(astronaut, f"{number}.jpg")
    first_may_end.set()
    batch_page.locator("#files input[type=file]").set_input_files(tmp_path / "packed.zip")
    expect(batch_page.locator("#batch-message")).to_contain_text("/2 pictures")
    second_may_end.set()
    expect(batch_page.locator("#batch-message")).to_have_text(
        "Pictures: 2. Faces: 2. Pictures without a face or unreadable: 0."
    )


@pytest.mark.slow
def test_a_zip_without_pictures_gets_a_message(batch_page, tmp_path):
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("clip.mov", "no picture")
    batch_page.locator("#files input[type=file]").set_input_files(tmp_path / "packed.zip")
    expect(batch_page.locator("#batch-message")).to_have_text("The files contain no pictures. Files left out: 1 .mov.")
    expect(batch_page.locator("#batch-table")).to_contain_text("no pictures in this zip")
