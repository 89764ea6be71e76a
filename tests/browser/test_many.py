"""What a person does with many pictures."""

import csv
import json
import zipfile

import pytest
from PIL import Image
from playwright.sync_api import expect


@pytest.fixture
def many(page):
    page.get_by_role("tab", name="Many pictures").click()
    expect(page.locator("#many-message")).to_have_text("Waiting for pictures.")
    return page


def test_a_broken_file_among_pictures_is_a_row_with_its_reason(many, two_faces, tmp_path):
    broken, wall, packed = tmp_path / "broken.jpg", tmp_path / "wall.png", tmp_path / "packed.zip"
    broken.write_bytes(b"hello")
    Image.new("RGB", (320, 240), "white").save(wall)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(two_faces, "trip/two.jpg")
        archive.writestr("notes.txt", "no picture")
    many.locator("#files input[type=file]").set_input_files([broken, wall, packed])
    expect(many.locator("#many-message")).to_have_text(
        "Pictures: 3. Faces: 2. Without a face or broken: 2. Left out: 1 .txt."
    )
    table = many.locator("#many-table")
    for text in ("not a picture that can be read here", "No face found.", "packed.zip/trip/two.jpg"):
        expect(table).to_contain_text(text)
    expect(many.locator("#gallery")).to_contain_text("two.jpg: happy ×2")
    expect(many.locator("#gallery")).to_contain_text("wall.png: no face")
    expect(many.locator("#counts")).to_contain_text("happy\n2", use_inner_text=True)
    with many.expect_download() as saved:
        many.get_by_role("button", name="Download CSV").click()
    rows = list(csv.DictReader(saved.value.path().read_text("utf-8").splitlines()))
    assert [row["label"] for row in rows] == ["", "", "happy", "happy", ""]
    assert rows[4]["message"] == "packed.zip: 1 file left out: 1 .txt."
    assert float(rows[2]["happy"]) > 0.5
    with many.expect_download() as saved:
        many.get_by_role("button", name="Download JSON").click()
    rows = json.loads(saved.value.path().read_text("utf-8"))
    assert [row["file"] for row in rows][:2] == ["broken.jpg", "wall.png"]
    assert rows[2]["confident"] is True


@pytest.mark.slow
def test_too_many_pictures_are_refused_with_the_limit(many, tmp_path):
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for number in range(201):
            archive.writestr(f"{number}.jpg", b"hello")
    many.locator("#files input[type=file]").set_input_files(tmp_path / "packed.zip")
    expect(many.locator("#many-message")).to_contain_text("at most 200 pictures. Received: 201")
    expect(many.get_by_role("button", name="Download CSV")).to_be_disabled()


@pytest.mark.slow
def test_progress_shows_while_pictures_are_read(many, astronaut, tmp_path):
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for number in range(40):
            archive.write(astronaut, f"{number}.jpg")
    many.evaluate(
        """() => {
            const message = document.querySelector("#many-message");
            window.said = [];
            new MutationObserver(() => said.push(message.textContent))
                .observe(message, {subtree: true, childList: true, characterData: true});
        }"""
    )
    many.locator("#files input[type=file]").set_input_files(tmp_path / "packed.zip")
    expect(many.locator("#many-message")).to_have_text("Pictures: 40. Faces: 40. Without a face or broken: 0.")
    assert any("/40 pictures" in text for text in many.evaluate("said"))


@pytest.mark.slow
def test_a_zip_without_pictures_says_so(many, tmp_path):
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("clip.mov", "no picture")
    many.locator("#files input[type=file]").set_input_files(tmp_path / "packed.zip")
    expect(many.locator("#many-message")).to_have_text("There are no pictures in it. Left out: 1 .mov.")
    expect(many.locator("#many-table")).to_contain_text("no pictures in this zip")
