"""Tests of the photo page in a browser."""

import json
import re

import pytest
from conftest import wait_for
from PIL import Image
from playwright.sync_api import expect

from .conftest import refuse_events


def upload(page, path):
    page.locator("#photo input[type=file]").set_input_files(path)


def test_an_uploaded_photo_is_recognized_and_the_results_can_be_downloaded(page, astronaut, share):
    upload(page, astronaut)
    expect(page.locator("#message")).to_have_text(f"One face: happy {share}.")
    expect(page.locator("#panel")).to_contain_text("Where it looked for “happy”")
    expect(page.locator("#table")).to_contain_text(share)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download JSON").click()
    (face,) = json.loads(saved.value.path().read_text("utf-8"))["faces"]
    assert face["label"] == "happy"
    expect(page.locator("#message")).to_have_role("status")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download picture").click()
    with Image.open(saved.value.path()) as picture:
        assert (picture.format, picture.size) == ("JPEG", (512, 512))


def test_an_answer_does_not_stay_if_the_next_one_is_refused(page, astronaut, share):
    upload(page, astronaut)
    expect(page.locator("#message")).to_have_text(f"One face: happy {share}.")
    refuse_events(page)
    page.locator("#cropped").get_by_role("checkbox").check()
    expect(page.locator("#message")).to_have_text("This could not be answered. Please try again.")
    expect(page.locator("#panel")).not_to_contain_text(share)
    expect(page.get_by_role("button", name="Download JSON")).to_be_disabled()


@pytest.mark.slow
def test_the_example_is_recognized(page, share):
    page.locator("img[src*=astronaut]").click()
    expect(page.get_by_role("button", name="Download JSON")).to_be_enabled()
    expect(page.locator("#message")).to_have_text(f"One face: happy {share}.")


@pytest.mark.slow
def test_a_photo_pasted_with_the_keyboard_replaces_another(page, tmp_path):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    Image.new("RGB", (320, 240), "white").save(tmp_path / "wall.png")
    upload(page, tmp_path / "wall.png")
    expect(page.locator("#message")).to_contain_text("No face found. Try a photo with a face that is larger")
    page.evaluate(
        """async () => {
            const example = document.querySelector("img[src*=astronaut]");
            await example.decode();
            const canvas = new OffscreenCanvas(example.naturalWidth, example.naturalHeight);
            canvas.getContext("2d").drawImage(example, 0, 0);
            await navigator.clipboard.write([new ClipboardItem({"image/png": await canvas.convertToBlob()})]);
        }"""
    )
    page.keyboard.press("Control+V")
    expect(page.locator("#message")).to_contain_text("One face: happy")


PASTE = """(colour) => {
    const canvas = new OffscreenCanvas(320, 240);
    const context = canvas.getContext("2d");
    context.fillStyle = colour;
    context.fillRect(0, 0, 320, 240);
    return canvas.convertToBlob().then((blob) => {
        const data = new DataTransfer();
        data.items.add(new File([blob], `${colour}.png`, {type: "image/png"}));
        document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
    });
}"""
"""Function that pastes a picture of one colour, with its name."""


@pytest.mark.slow
def test_an_answer_that_arrives_late_does_not_stand_beside_another_photo(page, gates, astronaut):
    (first, may_end), (second, _) = gates
    expect(page.locator("#message")).to_contain_text("Waiting for a photo")
    upload(page, astronaut)
    wait_for(first.is_set)
    page.evaluate(PASTE, "white")
    expect(page.locator("#photo img")).to_have_attribute("src", re.compile("white"))
    may_end.set()
    wait_for(second.is_set)
    expect(page.get_by_role("button", name="Download JSON")).to_be_disabled()
    for place in ("#message", "#table", "#face"):
        expect(page.locator(place)).not_to_contain_text("%")
    expect(page.locator("#panel .face-view")).to_be_hidden()


@pytest.mark.slow
def test_of_two_pasted_photos_the_last_one_stays_even_if_its_upload_ends_first(page):
    held = []
    expect(page.locator("#message")).to_contain_text("Waiting for a photo")
    page.route("**/upload*", lambda route: held.append(route), times=1)
    with page.expect_request("**/upload*"):
        page.evaluate(PASTE, "white")
    page.evaluate(PASTE, "black")
    expect(page.locator("#message")).to_contain_text("No face found.")
    with page.expect_response("**/upload*"):
        held[0].continue_()
    page.wait_for_timeout(500)
    expect(page.locator("#photo img")).to_have_attribute("src", re.compile("black"))


@pytest.mark.slow
def test_a_pasted_photo_does_not_replace_one_that_was_chosen_while_it_was_uploaded(page, astronaut):
    held = []
    expect(page.locator("#message")).to_contain_text("Waiting for a photo")
    page.route("**/upload*", lambda route: held.append(route), times=1)
    with page.expect_request("**/upload*"):
        page.evaluate(PASTE, "white")
    upload(page, astronaut)
    expect(page.locator("#message")).to_contain_text("One face: happy")
    with page.expect_response("**/upload*"):
        held[0].continue_()
    page.wait_for_timeout(500)
    expect(page.locator("#photo img")).to_have_attribute("src", re.compile("astronaut"))


@pytest.mark.slow
def test_a_pasted_photo_that_cannot_be_uploaded_gets_a_message(page):
    expect(page.locator("#message")).to_contain_text("Waiting for a photo")
    page.route("**/upload*", lambda route: route.abort())
    page.evaluate(PASTE, "white")
    expect(page.locator("#message")).to_contain_text("This could not be answered. Please try again.")


@pytest.mark.slow
def test_a_photo_of_the_camera_is_recognized(page):
    page.get_by_role("button", name="Capture from camera").click()
    page.get_by_text("Click to Access Webcam").click()
    page.wait_for_function("document.querySelector('#photo video')?.readyState >= 2")  # It shows a frame.
    page.get_by_role("button", name="capture photo").click()
    expect(page.locator("#message")).to_contain_text("One face: happy")


@pytest.mark.slow
def test_the_smallest_face_can_be_set_with_the_keyboard(page, two_faces):
    upload(page, two_faces)
    expect(page.locator("#message")).to_contain_text("2 faces")
    slider, number = page.locator("#smallest input[type=range]"), page.locator("#smallest input[type=number]")
    slider.press("End")
    expect(page.locator("#message")).to_contain_text("No face found. Lower “Smallest face to look for”")
    slider.press("Home")
    expect(page.locator("#message")).to_contain_text("2 faces")
    number.fill("50")
    number.press("Tab")
    expect(page.locator("#message")).to_contain_text("No face found. Lower “Smallest face to look for”")


@pytest.mark.slow
def test_a_click_selects_a_face(page, two_faces):
    upload(page, two_faces)
    expect(page.locator("#message")).to_contain_text("2 faces, the largest first")
    expect(page.get_by_role("button", name="Download JSON")).to_be_enabled()
    first = page.get_by_role("radio", name="1 happy")
    second = page.get_by_role("radio", name="2 happy")
    expect(first).to_be_checked()
    seen = page.get_by_alt_text("The face as the network sees it: grey and small")
    before = seen.get_attribute("src")
    picture = page.get_by_alt_text("The photo with a numbered box around each face")
    expect(picture).to_have_js_property("complete", True)
    box = picture.bounding_box()
    scale = box["width"] / 900
    inset = (box["height"] - 512 * scale) / 2
    picture.click(position={"x": 699 * scale, "y": 229 * scale + inset})
    expect(second).to_be_checked()
    expect(seen).not_to_have_attribute("src", before)


@pytest.mark.slow
def test_the_arrow_keys_select_a_face(page, two_faces):
    upload(page, two_faces)
    expect(page.get_by_role("button", name="Download JSON")).to_be_enabled()
    seen = page.get_by_alt_text("The face as the network sees it: grey and small")
    first = page.get_by_role("radio", name="1 happy")
    expect(first).to_be_checked()
    before = seen.get_attribute("src")
    first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="2 happy")).to_be_checked()
    expect(page.get_by_role("radio", name="2 happy")).to_be_focused()
    expect(seen).not_to_have_attribute("src", before)
    page.keyboard.press("Alt+ArrowUp")  # A shortcut, which is left to the browser.
    expect(page.get_by_role("radio", name="2 happy")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(first).to_be_checked()
    expect(seen).to_have_attribute("src", before)


@pytest.mark.slow
def test_small_faces_are_left_out_if_requested(page, two_faces):
    upload(page, two_faces)
    expect(page.locator("#message")).to_contain_text("2 faces")
    smallest = page.get_by_role("slider")
    smallest.fill("10")
    smallest.dispatch_event("pointerup")
    expect(page.locator("#message")).to_contain_text("One face")
    smallest.fill("50")
    smallest.dispatch_event("pointerup")
    expect(page.locator("#message")).to_contain_text("Lower “Smallest face to look for”")


@pytest.mark.slow
def test_a_face_crop_is_classified_without_detection_if_declared(page, astronaut, tmp_path):
    crop = tmp_path / "crop.png"
    with Image.open(astronaut) as image:
        image.crop((180, 70, 270, 170)).resize((48, 48)).save(crop)
    page.get_by_label("The picture is already a single face").check()
    upload(page, crop)
    expect(page.locator("#message")).to_contain_text("One face: happy")


@pytest.mark.slow
def test_a_broken_file_gets_a_message_with_its_reason(page, tmp_path):
    broken = tmp_path / "photo.jpg"
    broken.write_bytes(b"hello")
    upload(page, broken)
    expect(page.locator("#message")).to_contain_text("photo.jpg: not a picture that can be read here")
    expect(page.locator("#panel")).to_contain_text("No face")
    expect(page.get_by_role("button", name="Download JSON")).to_be_disabled()


@pytest.mark.slow
def test_a_photo_is_not_visible_in_another_window(page, open_page, astronaut):
    other = open_page()
    upload(page, astronaut)
    expect(page.locator("#message")).to_contain_text("One face: happy")
    expect(other.locator("#message")).to_contain_text("Waiting for a photo")
    expect(other.locator("#panel")).to_contain_text("No face")
