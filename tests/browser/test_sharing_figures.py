"""The figures of sharing: drawn from their tables, and each explained by keyboard, mouse and touch."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from core.clock import utc_now
from tests.browser.conftest import Site
from tests.factories import NOON, make_staff
from tests.sharing import stories

OPEN_KEYS = ("Enter", "Space")


@pytest.fixture
def address(site: Site, desktop: Page) -> str:
    """The page of a random story, opened by head office in English."""
    story = stories.tell(8)
    site.sign_in(desktop, make_staff(story.chain))
    first, last = story.day(NOON - timedelta(days=40)), story.day(NOON)
    return f"{site.url}/dashboard/sharing?lang=en&from={first}&to={last}"


@pytest.mark.parametrize("key", OPEN_KEYS)
def test_a_definition_opens_by_keyboard_and_closes_with_escape(desktop: Page, address: str, key: str) -> None:
    desktop.goto(address)
    about = desktop.get_by_label("What “K-factor” means").first
    words = desktop.get_by_text("Above 1 the card spreads by itself.").first

    expect(words).to_be_hidden()
    about.focus()
    about.press(key)
    expect(words).to_be_visible()
    about.press("Escape")
    expect(words).to_be_hidden()


def test_a_definition_opens_by_touch_and_stays_on_the_screen(site: Site, phone: Page) -> None:
    story = stories.tell(8)
    site.sign_in(phone, make_staff(story.chain))
    phone.goto(f"{site.url}/dashboard/sharing?lang=en&from={story.day(NOON - timedelta(days=40))}&to={story.day(NOON)}")

    for name in ("Reach", "Conversion", "From store to generation"):
        phone.get_by_label(f"What “{name}” means").first.tap()
        shown = phone.locator("details.means[open] .means__text").last
        expect(shown).to_be_visible()
        box = shown.bounding_box()
        assert box is not None
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_every_chart_is_drawn_and_has_its_numbers(desktop: Page, address: str) -> None:
    desktop.goto(address)

    for kind in ("stack", "bar", "interval", "flow"):
        chart = desktop.locator(f"[data-chart={kind}]").first
        chart.scroll_into_view_if_needed()
        expect(chart.locator("canvas").first).to_be_visible()
        assert chart.get_attribute("aria-label")
        figure = chart.locator("xpath=ancestor::figure")
        figure.get_by_text("The numbers as a table").click()
        expect(figure.get_by_role("table")).to_be_visible()


def test_a_period_is_chosen_by_its_days(desktop: Page, address: str) -> None:
    desktop.goto(address)
    today = utc_now().date()

    desktop.get_by_label("From", exact=True).fill((today - timedelta(days=3)).isoformat())
    desktop.get_by_label("To", exact=True).fill(today.isoformat())
    desktop.get_by_role("button", name="Show").click()

    expect(desktop.get_by_text("Nobody joined in this period.")).to_be_visible()
