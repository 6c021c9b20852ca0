"""A link in a message, followed on a phone: it leads on by itself and is counted; without scripts it leads on."""

from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from core.clock import utc_now
from core.db import db
from push.wording.models import Click
from tests.factories import make_chain, make_staff, make_store, make_store_code
from tests.push.pushing import make_campaign, send_all, start


@pytest.fixture
def told(site, phone):
    """A member whose inbox has a message with an address in it."""
    chain = make_chain()
    code = make_store_code(make_store(chain))
    phone.goto(f"{site.url}/q/{code.token}")
    phone.locator("form[method=post] button").last.click()
    phone.wait_for_url("**/wallet/cards/**")
    address = f"{site.url}/wallet/settings?spring=1"
    campaign = make_campaign(SimpleNamespace(id=chain.id), body=f"看这里 {address} 。")
    start(campaign, now=utc_now())
    send_all(now=utc_now())
    return SimpleNamespace(chain=chain, address=address, campaign=campaign)


def clicks():
    db.session.commit()
    return db.session.scalars(db.select(Click).execution_options(populate_existing=True)).all()


def test_a_tap_in_the_inbox_leads_on_and_is_counted(site, phone, desktop, told):
    phone.goto(f"{site.url}/wallet/inbox")
    with phone.expect_response(lambda answer: "/l/" in answer.url and answer.request.method == "POST"):
        phone.locator(".message__body a").click()
        phone.wait_for_url(told.address)

    (click,) = clicks()
    assert click.count == 1
    site.sign_in(desktop, make_staff(told.chain))
    desktop.goto(f"{site.url}/dashboard/campaigns/{told.campaign.id}")
    desktop.get_by_role("link", name="效果").click()
    expect(desktop.locator(".tile", has_text="点击").locator(".tile__value")).to_have_text("1")


def test_going_back_does_not_end_in_the_page_between(site, phone, told):
    phone.goto(f"{site.url}/wallet/inbox")
    phone.locator(".message__body a").click()
    phone.wait_for_url(told.address)

    phone.go_back()

    expect(phone).to_have_url(f"{site.url}/wallet/inbox")


def test_without_scripts_it_leads_on_and_counts_nothing(site, phone, told):
    phone.goto(f"{site.url}/wallet/inbox")
    href = phone.locator(".message__body a").get_attribute("href")
    context = phone.context.browser.new_context(java_script_enabled=False)
    page = context.new_page()

    page.goto(f"{site.url}{href}")
    page.wait_for_url("**/wallet/**")  # which sends a phone that it does not know to its beginning

    assert clicks() == []
    context.close()
