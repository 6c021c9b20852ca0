"""Head office takes its list in, and a code is read off the screen."""

import io
from pathlib import Path

import zxingcpp
from PIL import Image
from playwright.sync_api import expect

from tests.factories import make_chain, make_staff

DIRTY = Path(__file__).parent.parent / "stores" / "data" / "dirty-stores.csv"


def test_a_list_is_looked_at_then_imported_and_a_code_is_scanned_from_the_tablet_page(site, desktop):
    site.sign_in(desktop, make_staff(make_chain()))
    desktop.goto(f"{site.url}/dashboard/stores/import?lang=en")

    desktop.set_input_files("input[type=file]", DIRTY)
    desktop.click("#check-button")
    do_it = desktop.get_by_role("button", name="Import 6 stores")
    expect(do_it).to_be_visible()
    do_it.click()
    expect(desktop.get_by_text("6 stores added")).to_be_visible()

    desktop.get_by_role("link", name="雪山冰品南京东路店").click()
    address = desktop.locator("[data-copy]").get_attribute("data-copy")
    desktop.get_by_role("link", name="On a tablet").click()
    expect(desktop.locator(".screen__code img")).to_be_visible()
    desktop.wait_for_load_state("networkidle")

    seen = zxingcpp.read_barcode(Image.open(io.BytesIO(desktop.screenshot())))
    assert seen is not None
    assert seen.text == address
