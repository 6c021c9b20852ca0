"""Head office in a real browser: today, and a file taken away."""

import csv
from datetime import timedelta

from core.clock import utc_now
from tests.factories import make_card, make_chain, make_staff, make_store, make_store_code


def test_the_board_moves_by_itself_and_a_file_comes_down(site, desktop, tmp_path):
    chain = make_chain()
    code = make_store_code(make_store(chain, "S001", name="南京东路店"))
    make_card(code, now=utc_now() - timedelta(seconds=90))
    site.sign_in(desktop, make_staff(chain))

    desktop.goto(f"{site.url}/dashboard/")
    desktop.locator("#board").get_by_text("南京东路店").wait_for()
    make_card(code, now=utc_now())
    desktop.get_by_text("2 张新卡").wait_for()

    desktop.get_by_role("link", name="报表").first.click()
    with desktop.expect_download() as download:
        desktop.locator("a[href*='/reports/cards.csv']").click()
    path = tmp_path / "cards.csv"
    download.value.save_as(path)

    rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    assert [(row["store_code"], row["channel"]) for row in rows] == [("S001", "scan"), ("S001", "scan")]


def test_a_phone_shows_the_day_without_scrolling_sideways(site, phone):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    for seconds in (1, 30, 60):
        make_card(code, now=utc_now() - timedelta(seconds=seconds))
    site.sign_in(phone, make_staff(chain))

    for path in ("/dashboard/", "/dashboard/members", "/dashboard/reports", "/dashboard/reports/cards"):
        phone.goto(site.url + path)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_the_six_words_stay_beside_a_long_page(site, desktop):
    chain = make_chain()
    make_card(make_store_code(make_store(chain)), now=utc_now())
    site.sign_in(desktop, make_staff(chain))

    desktop.goto(f"{site.url}/dashboard/reports")
    desktop.evaluate("window.scrollTo(0, 300)")

    assert desktop.evaluate("window.scrollY") > 0
    assert desktop.locator("aside.side").bounding_box()["y"] == 0
