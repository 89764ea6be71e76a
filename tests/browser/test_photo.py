"""What a person does with a photo."""

from playwright.sync_api import expect


def test_an_uploaded_photo_is_answered(page, astronaut):
    page.locator("#photo input[type=file]").set_input_files(astronaut)
    expect(page.locator("#message")).to_contain_text("One face: happy")
