"""A customer's way on a phone: scan, card, share; a friend takes it."""

import io

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import func, select

from cards.models import Card
from core.db import db
from sharing.models import Referral, ShareVisit
from stores.models import Scan, StoreCode
from tests.browser.conftest import PHONE, Site
from tests.factories import make_chain, make_offer, make_store, make_store_code, program_of


@pytest.fixture
def code(site: Site) -> StoreCode:
    chain = make_chain()
    make_offer(chain, program_id=program_of(chain).id)
    return make_store_code(make_store(chain, name="南京东路店"))


def count(model: type) -> int:
    db.session.rollback()  # see what the server wrote
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def take_card(page: Page, site: Site, code: StoreCode) -> None:
    page.goto(f"{site.url}/q/{code.token}")
    page.get_by_role("button", name="领取会员卡").tap()
    page.wait_for_url("**/wallet/cards/*")


def test_one_tap_after_the_scan_the_code_of_the_card_can_be_read(site, phone, code):
    take_card(phone, site, code)

    expect(phone.get_by_text("会员卡已领取")).to_be_visible()
    expect(phone.get_by_text("满30减5")).to_be_visible()
    shown = phone.locator("[data-code-image]")
    read = zxingcpp.read_barcode(Image.open(io.BytesIO(shown.screenshot())))
    card = db.session.scalars(select(Card)).one()
    assert read is not None
    assert read.text.startswith(card.number)
    assert len(read.text) == 24


def test_the_scan_is_counted_once_the_page_is_seen(site, phone, code):
    with phone.expect_response("**/scan") as told:
        phone.goto(f"{site.url}/q/{code.token}")

    assert told.value.status == 204
    assert count(Scan) == 1


def test_the_code_renews_itself_when_its_time_is_over(site, phone, code):
    phone.clock.install()
    take_card(phone, site, code)
    phone.clock.run_for(1000)

    with phone.expect_response("**/code") as renewed:
        phone.clock.run_for(31_000)

    assert renewed.value.status == 200
    expect(phone.locator("[data-code-words]")).to_contain_text("秒后更新")


def test_a_shared_link_brings_a_friend_and_credits_the_sharer(site, phone, friends_phone, code):
    take_card(phone, site, code)
    phone.get_by_role("link", name="分享给朋友").tap()
    phone.get_by_role("button", name="复制链接").tap()
    box = phone.locator("#share-link input")
    expect(box).to_be_visible()
    link = box.input_value()

    with friends_phone.expect_response("**/visit"):
        friends_phone.goto(link)
    expect(friends_phone.get_by_role("heading", name="送你一张会员卡")).to_be_visible()
    friends_phone.get_by_role("button", name="领取").tap()
    friends_phone.wait_for_url("**/wallet/cards/*")

    assert (count(Card), count(Referral), count(ShareVisit)) == (2, 1, 1)


def test_card_and_share_work_without_scripts(site: Site, browser: Browser, code: StoreCode):
    context = browser.new_context(java_script_enabled=False, viewport=PHONE, locale="zh-CN")
    page = context.new_page()

    page.goto(f"{site.url}/q/{code.token}")
    page.get_by_role("button", name="领取会员卡").click()
    page.get_by_role("link", name="分享给朋友").click()
    page.get_by_role("button", name="海报").click()

    page.wait_for_url("**/share/*")
    poster = page.get_by_role("img", name="带您专属二维码的海报")
    assert poster.evaluate("image => image.naturalWidth") == 1080
    page.get_by_text("请朋友扫一扫").click()
    shown = page.get_by_role("img", name="链接的二维码").screenshot()
    read = zxingcpp.read_barcode(Image.open(io.BytesIO(shown)))
    assert read is not None
    assert read.text == page.locator(".link-box input").input_value()
    context.close()


def test_no_page_is_wider_than_the_phone(site, phone, code):
    take_card(phone, site, code)
    card = phone.url.rsplit("/", 1)[1]

    for language in ("zh", "en"):
        for path in (
            "",
            f"cards/{card}",
            f"cards/{card}/share",
            f"cards/{card}/coupons",
            f"cards/{card}/friends",
            f"cards/{card}/receipts",
            f"cards/{card}/messages",
            "settings",
            "inbox",
            "privacy",
        ):
            phone.goto(f"{site.url}/wallet/{path}?lang={language}")
            assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], (path, language)
