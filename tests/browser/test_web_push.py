"""Notifications: turned on by a tap, encrypted here, decrypted as browsers do, shown and opened by the service worker.

A browser without its maker's push service cannot subscribe, so the tests subscribe for it, with keys of their own.
"""

import json
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.worker import Worker
from cards.models import Card
from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from push import campaigns, runs
from push.audiences import consents
from push.channels import vapid
from push.models import Campaign, Delivery, PushChannel
from push.timing import scheduling
from push.timing.policies import Policy, set_policy
from stores.models import StoreCode
from tests.browser.conftest import Site
from tests.browser.test_customer import take_card
from tests.factories import make_chain, make_store, make_store_code
from tests.push.push_service import PushService, Subscriber, push_service

SUBSCRIBING = """
(() => {
  const given = %s;
  const made = () => ({
    endpoint: given.endpoint,
    options: {},
    toJSON: () => ({ endpoint: given.endpoint, keys: { p256dh: given.p256dh, auth: given.auth } }),
    unsubscribe: async () => { localStorage.removeItem("subscribed"); return true; },
  });
  PushManager.prototype.subscribe = async (options) => {
    localStorage.setItem("subscribed", options.applicationServerKey);
    return made();
  };
  PushManager.prototype.getSubscription = async () => (localStorage.getItem("subscribed") ? made() : null);
})();
"""
SHOWN = """async () => {
  const registration = await navigator.serviceWorker.getRegistration("/wallet/");
  return (await registration.getNotifications()).map(({ title, body, tag, lang, data, actions }) =>
    ({ title, body, tag, lang, data, actions: actions.map(({ action, title }) => ({ action, title })) }));
}"""
# As soon as there is one: Playwright's wait_for_function takes a promise for a yes.
FIRST_SHOWN = f"""async () => {{
  for (let tries = 0; tries < 200; tries++) {{
    const shown = await ({SHOWN})();
    if (shown.length) return shown;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }}
  return [];
}}"""
TAP = """async (action) => {
  const [notification] = await self.registration.getNotifications();
  self.dispatchEvent(new NotificationEvent("notificationclick", { notification, action }));
}"""


@pytest.fixture
def code(site: Site) -> StoreCode:
    return make_store_code(make_store(make_chain(), name="南京东路店"))


@pytest.fixture
def service() -> Iterator[PushService]:
    with push_service(vapid.public_key(vapid.private_key("s" * 40))) as running:
        yield running


@pytest.fixture
def subscriber(service: PushService, phone: Page) -> Subscriber:
    """The phone's browser, as its maker's push service would know it."""
    made = service.subscribe()
    phone.context.grant_permissions(["notifications"])
    phone.add_init_script(SUBSCRIBING % json.dumps(made.form))
    return made


def turn_on(phone: Page, site: Site, code: StoreCode) -> Card:
    """From the line on the new card to the switch; the card."""
    take_card(phone, site, code)
    card = db.session.scalars(db.select(Card)).one()
    phone.goto(f"{site.url}/wallet/cards/{card.id}/messages")
    with phone.expect_navigation():
        phone.get_by_role("button", name="打开通知").tap()
    expect(phone.get_by_text("这个浏览器已打开通知。").first).to_be_visible()
    db.session.rollback()  # see what the server wrote
    return card


def send_now(site: Site, card: Card) -> Campaign:
    """A campaign over browsers that is handed over at once, at whatever hour the test runs."""
    draft = campaigns.Draft(
        name="周五", audience={}, channels=(PushChannel.WEB_PUSH,),
        title="周五冰淇淋", title_en="Ice cream Friday", body="今天第二份半价。", body_en="Half price today.",
    )  # fmt: skip
    with transaction():
        set_policy(card.chain_id, Policy(0, 0), by=SYSTEM, now=utc_now())
        made = campaigns.create_campaign(card.chain_id, draft, by=SYSTEM, now=utc_now())
        campaigns.schedule_campaign(card.chain_id, made.id, {"kind": "now"}, by=SYSTEM, now=utc_now() - scheduling.UNDO)
    runs.start_due_batch(now=utc_now())
    worker = Thread(target=Worker(site.app).run_once)  # this thread has the loop of the browser's driver
    worker.start()
    worker.join()
    db.session.rollback()
    return made


def deliver(phone: Page, site: Site, told: Any) -> list[dict[str, Any]]:
    """Give the browser what its push service would, decrypted; what it shows then, which a system may soon put away."""
    phone.evaluate("async () => { await navigator.serviceWorker.ready }")  # before that it would hear of nothing
    developer = phone.context.new_cdp_session(phone)
    known: list[dict[str, Any]] = []
    developer.on("ServiceWorker.workerRegistrationUpdated", lambda event: known.extend(event["registrations"]))
    developer.send("ServiceWorker.enable")
    phone.wait_for_timeout(200)
    registration = next(each for each in known if each["scopeURL"] == f"{site.url}/wallet/")
    developer.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": site.url, "registrationId": registration["registrationId"], "data": json.dumps(told)},
    )
    shown: list[dict[str, Any]] = phone.evaluate(FIRST_SHOWN)
    return shown


def test_a_message_is_encrypted_for_the_browser_shown_there_and_opens_the_wallet(
    site, phone, code, service, subscriber
):
    card = turn_on(phone, site, code)
    assert consents.current_consents(card.member_id)["web_push"]
    assert phone.evaluate("localStorage.getItem('subscribed')") == service.public_key

    campaign = send_now(site, card)
    delivery = db.session.scalars(db.select(Delivery).filter_by(campaign_id=campaign.id)).one()
    assert (delivery.state, delivery.error) == ("sent", None)
    told = service.messages_of(subscriber)[0]  # decrypted with the browser's own key
    deliver(phone, site, told)
    shown = deliver(phone, site, told)

    assert [(one["title"], one["body"], one["tag"]) for one in shown] == [
        ("雪山冰品 · 周五冰淇淋", "今天第二份半价。", told["key"])
    ], "handed over twice, it is one notification"
    assert shown[0]["actions"] in ([], [{"action": "stop", "title": "不再接收"}])

    phone.context.service_workers[0].evaluate(TAP, "")
    phone.wait_for_url(f"{site.url}/wallet/inbox")
    assert phone.evaluate(SHOWN) == []


def test_a_tap_on_the_notification_stops_them(site, phone, code, service, subscriber):
    card = turn_on(phone, site, code)
    send_now(site, card)
    deliver(phone, site, service.messages_of(subscriber)[0])

    phone.context.service_workers[0].evaluate(TAP, "stop")

    phone.wait_for_url("**/u/*")
    expect(phone.get_by_role("heading", name="不会再收到了")).to_be_visible()
    db.session.rollback()
    assert not consents.current_consents(card.member_id)["web_push"]


def test_a_push_that_cannot_be_read_still_shows_where_the_wallet_is(site, phone, code, subscriber):
    turn_on(phone, site, code)

    (shown,) = deliver(phone, site, "not what we send")

    assert shown["data"] == {"url": "/wallet/inbox", "stop": None}


def test_notifications_are_turned_off_where_they_were_turned_on(site, phone, code, subscriber):
    turn_on(phone, site, code)

    with phone.expect_navigation():
        phone.get_by_role("button", name="在这个浏览器里关闭").tap()

    expect(phone.get_by_role("button", name="打开通知")).to_be_visible()
    assert phone.evaluate("localStorage.getItem('subscribed')") is None


def test_a_new_card_has_a_quiet_line_that_leads_there(site, phone, code):
    take_card(phone, site, code)
    phone.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'default' })")
    phone.reload()

    phone.get_by_role("link", name="打开通知").tap()

    expect(phone.get_by_role("heading", name="接收消息")).to_be_visible()


def test_an_iphone_is_told_the_way_over_the_home_screen(site, browser, code):
    agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Safari/604.1"
    context = browser.new_context(user_agent=agent, locale="zh-CN", viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.add_init_script("delete window.PushManager;")
    page.goto(f"{site.url}/q/{code.token}")
    page.get_by_role("button", name="领取会员卡").click()
    page.get_by_role("link", name="打开通知").click()

    expect(page.get_by_text("选择“添加到主屏幕”。")).to_be_visible()
    expect(page.get_by_role("button", name="打开通知")).to_be_hidden()
    context.close()
