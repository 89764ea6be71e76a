"""Tests of the page “About” in a browser."""

import pytest
from playwright.sync_api import expect

from fer.models.model_folder import BUNDLED, load_metrics


@pytest.mark.parametrize(
    ("locale", "tab"),
    [pytest.param("en-US", "About", marks=pytest.mark.slow), ("de-DE", "Über")],
)
def test_the_page_shows_accuracy_and_limits_in_the_language_of_the_browser(open_page, locale, tab):
    accuracy = f"{load_metrics(BUNDLED, 'a test')['accuracy']:.0%}"
    page = open_page(locale=locale)
    page.get_by_role("tab", name=tab, exact=True).click()
    expect(page.locator("#about")).to_contain_text(accuracy)
    expect(page.locator("#about")).to_contain_text("bundled")
    expect(page.locator("#about table")).to_have_count(2)
    expect(page.locator("#about-limits")).to_contain_text("FER2013")
    expect(page.locator("#model")).to_contain_text("bundled. ")
    expect(page.locator("#model")).to_contain_text("FER2013")


def test_the_snippets_have_the_address_of_the_page(page, app_url):
    page.get_by_role("tab", name="About").click()
    for name in ("Python", "JavaScript", "curl", "MCP"):
        page.get_by_role("tab", name=name, exact=True).click()
        expect(page.locator(f"#call-{name}")).to_contain_text(app_url)
    expect(page.locator("#about-tools")).to_contain_text("predict_batch")
