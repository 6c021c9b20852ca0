"""A clerk at work: scan, amount, payment, undo, on a phone and at a desk."""

import io
import re
from datetime import UTC, datetime

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import func, select

from checkout.models import Checkout, Refund
from core.audit import SYSTEM
from core.db import db, transaction
from coupons.models import Offer
from stores import pins
from stores.models import Role
from tests.checkout.shop import Shop
from tests.factories import code_of, make_chain, make_coupon, make_offer, make_staff, make_store, make_store_code


@pytest.fixture
def shop(site):
    shop = Shop()
    now = datetime.now(UTC)
    make_coupon(shop.card, make_offer(shop.chain), now=now)
    make_coupon(shop.card, make_offer(shop.chain, min_cents=9000, name="满90减5"), now=now)
    return shop


@pytest.fixture
def clerk(shop):
    return make_staff(shop.chain, Role.CLERK, (shop.store,), name="王")


def at_till(site, page, clerk):
    site.sign_in(page, clerk)
    page.goto(f"{site.url}/till/")


def shown_code(shop):
    return code_of(shop.card, now=datetime.now(UTC))


def checkouts(state):
    db.session.rollback()
    return db.session.scalar(select(func.count(Checkout.id)).filter_by(state=state))


def test_a_clerk_scans_takes_the_payment_and_undoes_it(site, phone, shop, clerk):
    at_till(site, phone, clerk)

    phone.fill("#sale-code", "62001234")
    expect(phone.locator("#sale-code")).to_have_value("6200 1234")
    expect(phone.locator("#sale-member")).to_contain_text("还差 16 位")
    phone.fill("#sale-code", shown_code(shop))
    expect(phone.locator("#sale-member")).to_contain_text("银卡")
    for key in "58":
        phone.click(f"[data-key='{key}']")
    pay = phone.locator("[data-pay]")
    expect(pay).to_have_text(re.compile(r"收款\s+¥50\.10"))
    expect(phone.locator("#sale-bill")).to_contain_text("还差 32元 可用")

    pay.dblclick()
    expect(phone.locator(".done")).to_contain_text("¥50.10")
    expect(phone.locator(".done")).to_be_hidden()
    expect(phone.locator("#sale-amount")).to_have_value("")
    expect(phone.locator("#till-count")).to_contain_text("1")
    assert checkouts("settled") == 1

    phone.click("#sale-last summary")
    phone.click("#sale-last .confirm__panel button")
    expect(phone.locator("#sale-last")).to_contain_text("已撤销。请退还 ¥50.10")
    expect(phone.locator("#till-count")).to_contain_text("0")
    assert (checkouts("settled"), checkouts("voided")) == (0, 1)


def test_a_scanner_may_type_into_the_amount(site, desktop, shop, clerk):
    at_till(site, desktop, clerk)
    desktop.locator("#sale-amount").press_sequentially("58")
    desktop.wait_for_timeout(200)  # people are slower than scanners

    desktop.keyboard.type(f"{shown_code(shop)}\n")

    expect(desktop.locator("#sale-member")).to_contain_text("银卡")
    expect(desktop.locator("#sale-amount")).to_have_value("58")
    expect(desktop.locator("[data-pay]")).to_contain_text("¥50.10")


def test_a_wrong_code_shows_a_red_band_and_the_amount_stays(site, desktop, shop, clerk):
    at_till(site, desktop, clerk)
    desktop.locator("#sale-amount").press_sequentially("58")

    desktop.fill("#sale-code", shown_code(shop)[:16] + "00000000")

    expect(desktop.locator(".band--bad")).to_contain_text("会员码已过期")
    expect(desktop.locator("#sale-amount")).to_have_value("58")

    desktop.fill("#sale-code", shown_code(shop))
    expect(desktop.locator("[data-pay]")).to_contain_text("¥50.10")
    expect(desktop.locator(".band--bad")).to_have_count(0)


def test_without_a_connection_nothing_is_lost_or_booked_twice(site, desktop, shop, clerk):
    at_till(site, desktop, clerk)
    desktop.fill("#sale-code", shown_code(shop))
    desktop.locator("#sale-amount").press_sequentially("58")
    pay = desktop.locator("[data-pay]")
    expect(pay).to_contain_text("¥50.10")

    desktop.route("**/till/settle", lambda route: (route.fetch(), route.abort()))  # booked, but the answer is lost
    pay.click()
    expect(desktop.locator("#sale-offline")).to_be_visible()
    expect(desktop.locator("#sale-amount")).to_have_value("58")
    desktop.unroute("**/till/settle")
    pay.click()

    expect(desktop.locator(".done")).to_contain_text("¥50.10")
    assert checkouts("settled") == 1


def tap(till, digits):
    for key in digits:
        till.click(f"[data-key='{key}']")


def read_code(page):
    """The code that the card on a phone shows, as a scanner reads it."""
    read = zxingcpp.read_barcode(Image.open(io.BytesIO(page.locator("[data-code-image]").screenshot())))
    assert read is not None
    return read.text


def test_an_offer_goes_from_head_office_to_a_phone_to_the_till_and_back(site, desktop, phone, friends_phone):
    chain = make_chain()
    store = make_store(chain, name="南京东路店")
    code = make_store_code(store)
    hq, clerk = make_staff(chain), make_staff(chain, Role.CLERK, (store,), name="王")

    site.sign_in(desktop, hq)
    desktop.goto(f"{site.url}/dashboard/offers/new")
    desktop.fill("#f-name", "满30减5")
    desktop.fill("#f-value", "5")
    desktop.fill("#f-minimum", "30")
    desktop.get_by_role("button", name="存为草稿").click()
    desktop.wait_for_url(re.compile(r"/dashboard/offers/\d+$"))
    desktop.locator("details.confirm > summary", has_text="发布").click()
    desktop.locator("details.confirm[open] button[type=submit]").click()
    expect(desktop.locator("main")).to_contain_text("进行中")
    offer = db.session.scalars(select(Offer)).one()

    phone.goto(f"{site.url}/q/{code.token}")
    phone.get_by_role("button", name="领取会员卡").tap()
    phone.wait_for_url("**/wallet/cards/*")
    card_page = phone.url.partition("?")[0]
    phone.goto(f"{site.url}/o/{offer.token}")
    phone.locator("form.action button[type=submit]").tap()
    phone.wait_for_url("**/wallet/cards/**")
    phone.goto(card_page)
    expect(phone.locator("main")).to_contain_text("满30减5")

    at_till(site, friends_phone, clerk)
    friends_phone.fill("#sale-code", read_code(phone))
    expect(friends_phone.locator("#sale-member")).to_contain_text("银卡")
    tap(friends_phone, "58")
    expect(friends_phone.locator("#sale-bill")).to_contain_text("满30减5")
    expect(friends_phone.locator("[data-pay]")).to_contain_text("¥50.10")
    friends_phone.locator("[data-pay]").tap()
    expect(friends_phone.locator(".done")).to_contain_text("¥50.10")
    phone.goto(f"{card_page}/coupons")
    expect(phone.locator("main")).to_contain_text("用过与过期的")

    expect(friends_phone.locator(".done")).to_be_hidden()
    friends_phone.locator("#sale-last summary").tap()
    friends_phone.locator("#sale-last .confirm__panel button").tap()
    expect(friends_phone.locator("#sale-last")).to_contain_text("券可再次使用")
    phone.goto(f"{card_page}/coupons")
    expect(phone.locator("main")).not_to_contain_text("用过与过期的")
    assert (checkouts("settled"), checkouts("voided")) == (0, 1)


def test_a_manager_allows_a_refund_by_his_pin_at_the_clerks_till(site, phone, shop, clerk):
    manager = make_staff(shop.chain, Role.STORE_MANAGER, (shop.store,), name="陈店长")
    with transaction():
        pins.set_pin(shop.chain.id, manager.id, "482913", by=SYSTEM, now=datetime.now(UTC))
    at_till(site, phone, clerk)
    phone.fill("#sale-code", shown_code(shop))
    tap(phone, "58")
    expect(phone.locator("[data-pay]")).to_contain_text("¥50.10")
    phone.locator("[data-pay]").tap()
    phone.locator(".done").get_by_role("link", name="小票").tap()
    expect(phone.locator(".receipt")).to_contain_text("满30减5")

    phone.locator("#refund > summary").tap()
    phone.fill("#refund [name=amount]", "20")
    phone.fill("#refund [name=reason]", "商品退回")
    phone.fill("#refund [name=pin]", "482914")
    phone.locator("#refund button[type=submit]").tap()
    expect(phone.locator("#refund .band--bad")).to_contain_text("PIN 不对")
    expect(phone.locator("#refund [name=amount]")).to_have_value("20")

    phone.fill("#refund [name=pin]", "482913")
    phone.locator("#refund button[type=submit]").tap()
    expect(phone.locator(".notice")).to_contain_text("请退还 ¥20.00")
    expect(phone.locator(".receipt")).to_contain_text("¥30.10")
    db.session.rollback()
    assert db.session.execute(select(Refund.amount_cents, Refund.approved_by)).one() == (2000, f"staff:{manager.id}")


def test_several_coupons_are_changed_by_a_tap_while_the_keypad_makes_room(site, phone, shop, clerk):
    now = datetime.now(UTC)
    for name, cents in (("叠加一", 100), ("叠加二", 200)):
        make_coupon(shop.card, make_offer(shop.chain, name=name, value_cents=cents, stacking="stackable"), now=now)
    at_till(site, phone, clerk)
    phone.fill("#sale-code", shown_code(shop))
    tap(phone, "58")
    expect(phone.locator("[data-pay]")).to_contain_text("¥50.10")

    phone.locator(".bill__coupon", has_text="叠加二").tap()
    expect(phone.locator("[data-pay]")).to_contain_text("¥53.10")
    expect(phone.locator(".keypad")).to_be_hidden()
    phone.locator(".bill__coupon", has_text="叠加一").tap()
    expect(phone.locator("[data-pay]")).to_contain_text("¥52.10")
    phone.get_by_role("button", name="用最省的组合").tap()
    expect(phone.locator("[data-pay]")).to_contain_text("¥50.10")
    phone.locator(".amount").tap()
    expect(phone.locator(".keypad")).to_be_visible()


def test_a_clerk_gives_a_coupon_in_mid_sale_and_the_amount_is_still_there(site, phone, shop, clerk):
    make_offer(shop.chain, name="赔礼立减9", value_cents=900, min_cents=0, staff_gift_limit=2)
    at_till(site, phone, clerk)
    phone.fill("#sale-code", shown_code(shop))
    tap(phone, "58")
    expect(phone.locator("[data-pay]")).to_contain_text("¥50.10")

    phone.get_by_role("button", name="送券", exact=True).tap()
    phone.fill("[name=reason]", "等太久")
    phone.get_by_role("button", name="送出这张券").tap()
    expect(phone.locator(".band--good")).to_contain_text("赔礼立减9")
    phone.get_by_role("button", name="回到收银").tap()

    expect(phone.locator("#sale-amount")).to_have_value("58")
    expect(phone.locator("[data-pay]")).to_contain_text("¥46.10")
