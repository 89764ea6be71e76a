"""Tests with typical files of users: a HEIC photo, a zip of mixed files, a clip whose time stamps restart."""

import csv
import re
import zipfile

import pytest
from conftest import write_clip
from PIL import Image
from pillow_heif import register_heif_opener
from playwright.sync_api import expect

pytestmark = pytest.mark.slow(reason="uploads files in a browser")


@pytest.fixture(scope="module")
def heic(two_faces, tmp_path_factory):
    """Photo with two faces, 900 x 512 pixels, as a phone saves it: HEIC, with a name in capital letters."""
    register_heif_opener()
    path = tmp_path_factory.mktemp("phone") / "IMG_0001.HEIC"
    with Image.open(two_faces) as image:
        image.save(path, "HEIF", quality=90)
    return path


def test_a_heic_photo_is_recognized_and_shown(page, heic):
    page.locator("#photo input[type=file]").set_input_files(heic)
    expect(page.locator("#message")).to_have_text("2 faces, the largest first. Click one, or choose its number.")
    expect(page.get_by_text("Invalid file type")).to_have_count(0)
    expect(page.locator("#photo img")).to_be_hidden()  # Chromium does not decode HEIC, and would show a broken picture.
    annotated = page.get_by_alt_text("The photo with a numbered box around each face")
    expect(annotated).to_have_js_property("complete", True)
    assert annotated.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [900, 512]
    page.locator("#face").get_by_text("2 happy").click()
    expect(page.get_by_role("radio", name="2 happy")).to_be_checked()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download picture").click()
    with Image.open(saved.value.path()) as picture:
        assert (picture.format, picture.size) == ("JPEG", (900, 512))


EARLY = """new MutationObserver((_, observer) => {
    const input = document.querySelector("#photo input[type=file]");
    if (!input) return;
    observer.disconnect();
    const transfer = new DataTransfer();
    transfer.items.add(new File(["x"], "IMG_0001.HEIC"));
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", {bubbles: true}));
    window.type = input.files[0].type;
}).observe(document, {childList: true, subtree: true})"""
"""Script that chooses a file of unknown type as soon as the page has a place for it, and keeps the type it then has."""


def test_a_file_is_accepted_from_the_first_moment(page):
    page.add_init_script(EARLY)
    page.reload()
    page.wait_for_function("window.type !== undefined")
    assert page.evaluate("window.type") == "image/x-unknown"


DROP = """async ([selector, name]) => {
    const photo = await fetch(document.querySelector("img[src*=astronaut]").src);
    const transfer = new DataTransfer();
    transfer.items.add(new File([await photo.blob()], name));
    const options = {dataTransfer: transfer, bubbles: true, cancelable: true};
    document.querySelector(selector).dispatchEvent(new DragEvent("drop", options));
}"""
"""Function that drops the example onto an element, under a name whose type the browser does not know."""


def test_a_photo_without_a_suffix_is_recognized_and_a_text_file_gets_a_message(page):
    expect(page.locator("img[src*=astronaut]")).to_be_visible()
    page.evaluate(DROP, ["#photo button.upload-container", "photo"])
    expect(page.locator("#message")).to_contain_text("One face: happy")
    expect(page.locator("#photo img")).to_be_visible()
    page.get_by_role("button", name="Remove Image").click()
    expect(page.locator("#message")).to_contain_text("Waiting for a photo")
    page.locator("#photo input[type=file]").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"}
    )
    expect(page.locator("#message")).to_contain_text("notes.txt: not a picture that can be read here")


def test_file_dialogs_offer_all_formats(page):
    for tab, place, suffix in (("Photo", "photo", ".heic"), ("Video", "clip", ".ts")):
        page.get_by_role("tab", name=tab, exact=True).click()
        with page.expect_file_chooser():
            page.locator(f"#{place} button.upload-container").click()
        assert suffix in page.locator(f"#{place} input[type=file]").get_attribute("accept").split(", ")


def test_a_zip_of_mixed_files_has_a_row_per_picture_and_other_files_are_counted(page, heic, astronaut, tmp_path):
    content = astronaut.read_bytes()
    with Image.open(astronaut) as image:
        image.save(tmp_path / "web.avif", "AVIF", quality=80)
    with zipfile.ZipFile(tmp_path / "phone.zip", "w") as archive:
        archive.write(heic, "DCIM/IMG_0001.HEIC")
        archive.write(tmp_path / "web.avif", "saved/web.avif")
        archive.writestr("DCIM/IMG_0002.JPG", content)
        archive.writestr("DCIM/cut.jpeg", content[: len(content) - 2000])
        archive.writestr("DCIM/IMG_0003", content)
        archive.writestr("DCIM/broken.png", content[:64])
        archive.writestr("DCIM/clip.MOV", b"a clip")
        archive.writestr("notes.txt", "no picture")
        archive.writestr("__MACOSX/DCIM/._IMG_0002.JPG", b"of the Finder")
    page.get_by_role("tab", name="Many pictures").click()
    expect(page.locator("#batch-message")).to_have_text("Waiting for pictures.")
    page.locator("#files input[type=file]").set_input_files(tmp_path / "phone.zip")
    expect(page.locator("#batch-message")).to_have_text(
        "Pictures: 6. Faces: 6. Pictures without a face or unreadable: 1. Files left out: 1 .mov, 1 .txt."
    )
    table = page.locator("#batch-table")
    for text in ("phone.zip/DCIM/IMG_0001.HEIC", "The file lacks its last bytes", "the picture is damaged"):
        expect(table).to_contain_text(text)
    for text in ("IMG_0001.HEIC: happy ×2", "web.avif: happy", "IMG_0003: happy"):
        expect(page.locator("#gallery")).to_contain_text(text)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download CSV").click()
    rows = list(csv.DictReader(saved.value.path().read_text("utf-8").splitlines()))
    found = {(row["file"].removeprefix("phone.zip/"), row["face"]): row for row in rows}
    assert found["DCIM/cut.jpeg", "1"]["message"].startswith("The file lacks its last bytes")
    assert found["DCIM/broken.png", ""]["message"].endswith(").")
    assert [row["label"] for row in found.values()].count("happy") == 6


def test_a_clip_whose_time_stamps_restart_is_read_to_its_end(page, astronaut, tmp_path):
    with Image.open(astronaut) as image:
        face = Image.new("RGB", (320, 240), "gray")
        face.paste(image.crop((140, 40, 310, 210)), (70, 30))
    parts = [write_clip(tmp_path / f"{number}.ts", [picture] * 30) for number, picture in enumerate((face, face))]
    clip = tmp_path / "joined.ts"
    clip.write_bytes(b"".join(part.read_bytes() for part in parts))
    page.get_by_role("tab", name="Video").click()
    page.locator("#clip input[type=file]").set_input_files(clip)
    expect(page.locator("#video-message")).to_contain_text("Ready")
    expect(page.locator("#clip video")).to_be_hidden()  # Chromium plays no MPEG-TS.
    expect(page.get_by_text("Video not playable")).to_have_count(0)
    page.get_by_role("button", name="Read the clip").click()
    expect(page.locator("#video-message")).to_contain_text("Faces: 1. Frames read: 12, one every 0.2 s.")
    chart = page.locator("#timeline [role=img]")
    expect(chart).to_have_attribute("aria-label", re.compile(r"Expressions of face 1 over 2\.4 s\. happy 100%"))
    video = page.locator("#video video")
    expect(video).to_be_visible()
    page.wait_for_function("video => video.readyState > 0", arg=video.element_handle())  # Only then it has a duration.
    assert video.evaluate("video => video.duration") == pytest.approx(2.4, abs=0.2)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download CSV").last.click()
    rows = list(csv.DictReader(saved.value.path().read_text("utf-8").splitlines()))
    assert [float(row["seconds"]) for row in rows] == pytest.approx([number / 5 for number in range(12)], abs=0.05)
