"""A coupon is given on one phone and taken on another; both see how it stands."""

import re

from playwright.sync_api import Page, expect
from sqlalchemy import select

from core.db import db, transaction
from coupons.models import Coupon
from sharing.models import Referral
from tests.browser.conftest import Site
from tests.factories import make_chain, make_offer, make_store, make_store_code


def test_a_coupon_goes_from_one_phone_to_another(site: Site, phone: Page, friends_phone: Page):
    chain = make_chain()
    offer = make_offer(chain)
    code = make_store_code(make_store(chain))

    phone.goto(f"{site.url}/q/{code.token}")
    phone.click(".action button")
    phone.wait_for_url("**/wallet/cards/*")
    phone.goto(f"{site.url}/o/{offer.token}")
    phone.click(".action button")
    phone.wait_for_url("**/wallet/cards/*")
    phone.click(".coupon-list a.coupon")
    phone.click("text=送给朋友")
    phone.fill("[name=message]", "请你吃冰")
    phone.click("text=生成链接")
    expect(phone.locator("#waiting")).to_be_visible()
    link = phone.locator("#gift-link input")
    expect(link).to_have_value(re.compile(re.escape(f"{site.url}/g/") + r"\w{13}"))
    phone.click("button[value=copy]")
    expect(phone.locator("button[value=copy]")).to_contain_text("已复制")

    friends_phone.goto(link.input_value())
    expect(friends_phone.locator("h1")).to_contain_text("送你一张券")
    expect(friends_phone.locator("body")).to_contain_text("请你吃冰")
    friends_phone.click(".action button")
    friends_phone.wait_for_url("**/wallet/cards/*/coupons/*")
    expect(friends_phone.locator("body")).to_contain_text("满30元减5元")
    expect(friends_phone.locator("a.button--primary")).to_contain_text("出示会员码")

    phone.reload()
    expect(phone.locator(".coupon__when")).to_contain_text("领走")
    expect(phone.locator("#waiting")).to_have_count(0)
    with transaction():
        coupons = db.session.scalars(select(Coupon).order_by(Coupon.id)).all()
        edge = db.session.scalars(select(Referral)).one()
    assert [(coupon.state, coupon.source) for coupon in coupons] == [("void", "claim_page"), ("claimed", "friend")]
    assert edge.channel == "friend"


def test_a_coupon_is_called_back_before_anybody_came(site: Site, phone: Page, friends_phone: Page):
    chain = make_chain()
    make_offer(chain)
    code = make_store_code(make_store(chain))

    phone.goto(f"{site.url}/q/{code.token}")
    phone.click(".action button")
    phone.wait_for_url("**/wallet/cards/*")
    phone.click(".coupon-list a.coupon")
    phone.click(".action button")
    phone.wait_for_url("**/wallet/cards/*")
    phone.click(".coupon-list a.coupon")
    phone.click("text=送给朋友")
    phone.click("text=生成链接")
    url = phone.locator("#gift-link input").input_value()
    phone.click('button:text-is("收回")')
    expect(phone.locator(".notice--good")).to_contain_text("收回来了")

    friends_phone.goto(url)
    expect(friends_phone.locator("body")).to_contain_text("这份礼物现在领不了")
