"""A clerk at work: scan, amount, payment, undo, on a phone and at a desk."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select

from checkout.models import Checkout
from core.db import db
from stores.models import Role
from tests.checkout.shop import Shop
from tests.factories import code_of, make_coupon, make_offer, make_staff


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
