"""Web Push, spoken with a push service that checks everything, and read by browsers that decrypt it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from http_ece import ECEException

from cards.models import Member
from core.clock import utc_now
from core.db import db, transaction
from push.audiences import consents
from push.audiences.unsubscribing import Way, read_token
from push.channels import Browser, Handed, Message, PermanentError, RetryError, UnansweredError, browsers, vapid
from push.channels.browsers import BrowserInvalid
from push.channels.models import WebPushSubscription
from push.channels.web_push import FAILURES, LARGEST, WebPushChannel, payload, topic
from push.delivering.looping import close_here, run_here
from push.models import PushChannel
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.push_service import PushService, push_service
from tests.push.pushing import deliveries, make_campaign, make_member, outcomes, send, start

KEY = vapid.private_key("s" * 40)
SERVICES = ("push.example", "127.0.0.1")
MESSAGE = Message(
    key="kq-1-7",
    chain="雪山冰品",
    to="",
    language="zh",
    title="周五冰淇淋",
    body="今天第二份半价。",
    coupon="满30减5",
    url="https://cards.example/wallet/inbox",
    unsubscribe_url="https://cards.example/u/token",
)


@pytest.fixture
def service() -> Iterator[PushService]:
    with push_service(vapid.public_key(KEY)) as running:
        yield running


@pytest.fixture
def channel() -> Iterator[WebPushChannel]:
    made = WebPushChannel(KEY, "mailto:kaquan@example.com")
    yield made
    run_here(made.close())
    close_here()


def hand(channel: WebPushChannel, *waked: Browser, **more: Any) -> Handed:
    return run_here(channel.send(replace(MESSAGE, browsers=waked, **more)))


# --- the protocol ---------------------------------------------------------------------------------------------------


def test_a_browser_decrypts_what_it_is_told(service, channel):
    phone = service.subscribe()

    assert hand(channel, phone.browser) == Handed()

    assert service.messages_of(phone) == [
        {
            "title": "雪山冰品 · 周五冰淇淋",
            "body": "今天第二份半价。\n附上优惠券：满30减5",
            "url": "https://cards.example/wallet/inbox",
            "key": "kq-1-7",
            "lang": "zh-CN",
            "stop": {"label": "不再接收", "url": "https://cards.example/u/token"},
        }
    ]


def test_another_browser_cannot_read_it(service, channel):
    phone, other = service.subscribe(), service.subscribe()
    hand(channel, phone.browser)

    with pytest.raises((ECEException, InvalidTag)):
        other.read(service.bodies_of(phone)[0])


def test_a_message_tried_again_waits_once_at_the_push_service(service, channel):
    phone = service.subscribe()

    hand(channel, phone.browser)
    hand(channel, phone.browser)
    hand(channel, phone.browser, key="kq-1-8")

    assert [message["key"] for message in service.messages_of(phone)] == ["kq-1-7", "kq-1-8"]
    assert len(topic("kq-1-7")) == 32


def test_it_is_kept_no_longer_than_it_is_fresh(service, channel):
    phone = service.subscribe()

    for fresh_until in (utc_now() + timedelta(hours=2), utc_now() - timedelta(hours=1), None):
        hand(channel, phone.browser, fresh_until=fresh_until)

    kept = [int(headers["TTL"]) for _path, headers in service.calls]
    assert 7100 < kept[0] <= 7200
    assert kept[1:] == [0, 7 * 24 * 3600]


def test_every_browser_of_the_member_is_told(service, channel):
    phone, desk = service.subscribe(), service.subscribe()

    hand(channel, phone.browser, desk.browser)

    assert [len(service.bodies_of(each)) for each in (phone, desk)] == [1, 1]


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, PermanentError), (413, PermanentError), (401, RetryError), (403, RetryError), (429, RetryError),
     (500, RetryError), (503, RetryError), (302, RetryError)],
)  # fmt: skip
def test_the_answer_decides_whether_to_try_again(service, channel, status, error):
    service.answer = lambda _path: (status, {"Location": f"{service.url}/elsewhere"})

    with pytest.raises(error, match=str(status)) as refused:
        hand(channel, service.subscribe().browser)

    assert refused.value.gone == ()
    assert len(service.calls) == 1


def test_it_waits_as_long_as_the_push_service_asks(service, channel):
    service.answer = lambda _path: (429, {"Retry-After": "120"})

    with pytest.raises(RetryError) as refused:
        hand(channel, service.subscribe().browser)

    assert refused.value.after == timedelta(minutes=2)
    assert not refused.value.is_provider, "another push service goes on"


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_is_gone_is_told_of(service, channel, status):
    gone, there = service.subscribe(), service.subscribe()
    service.answer = lambda path: (status if path.endswith("/1") else 201, {})

    assert hand(channel, gone.browser, there.browser) == Handed(gone=(gone.endpoint,))
    with pytest.raises(PermanentError) as refused:
        hand(channel, gone.browser)
    assert refused.value.gone == (gone.endpoint,)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, b'{"reason":"VapidPkHashMismatch"}'),
        (403, b"the VAPID credentials do not correspond to the credentials used to create the subscriptions"),
    ],
)
def test_a_subscription_for_an_earlier_key_is_gone(service, channel, status, words):
    phone = service.subscribe()
    service.answer, service.words = lambda _path: (status, {}), words

    with pytest.raises(PermanentError) as refused:
        hand(channel, phone.browser)

    assert refused.value.gone == (phone.endpoint,)


def test_a_key_that_is_not_the_subscriptions_is_refused_by_the_service(service):
    stranger = WebPushChannel(vapid.private_key("t" * 40), "mailto:kaquan@example.com")

    with pytest.raises(RetryError, match="403"):
        hand(stranger, service.subscribe().browser)

    run_here(stranger.close())
    close_here()


def test_a_broken_connection_may_have_told_it_and_a_second_time_it_is_one_message(service, channel):
    phone = service.subscribe()
    service.answer = lambda _path: None

    with pytest.raises(UnansweredError):
        hand(channel, phone.browser)
    service.answer = lambda _path: (201, {})
    hand(channel, phone.browser)

    assert len(service.bodies_of(phone)) == 1


def test_a_push_service_that_cannot_be_reached_rests_and_holds_up_no_other(service, channel):
    phone, lost = service.subscribe(), service.subscribe()
    away = replace(lost.browser, endpoint="http://localhost:9/wake/1")

    for _ in range(FAILURES):
        with pytest.raises(RetryError, match="Connector"):
            hand(channel, away)
    with pytest.raises(RetryError, match="away"):
        hand(channel, away)

    hand(channel, phone.browser)
    assert len(service.bodies_of(phone)) == 1


def test_a_long_text_is_cut_so_that_every_push_service_takes_it(service, channel):
    phone = service.subscribe()

    hand(channel, phone.browser, body="今天第二份半价。" * 1000)

    assert len(payload(replace(MESSAGE, body="今天第二份半价。" * 1000))) <= LARGEST
    told = service.messages_of(phone)[0]
    assert told["body"].startswith("今天第二份半价。今天")
    assert told["body"].endswith("…")


def test_the_key_of_an_installation_stays_and_another_one_can_be_given():
    assert vapid.public_key(vapid.private_key("s" * 40)) == vapid.public_key(KEY)
    assert vapid.public_key(vapid.private_key("t" * 40)) != vapid.public_key(KEY)
    # Private and public key of RFC 8291, appendix A.
    given = vapid.private_key("s" * 40, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
    assert vapid.public_key(given) == (
        "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
    )
    for wrong in ("short", "A" * 43, "!" * 43):
        with pytest.raises(vapid.KeyInvalid):
            vapid.private_key("s" * 40, wrong)


# --- browsers of wallets --------------------------------------------------------------------------------------------


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def member(chain):
    return make_member(make_store_code(make_store(chain)), agrees_to=("web_push",))


def wallet_of(card) -> int:
    return db.session.get_one(Member, card.member_id).wallet_id


def subscribe(card, *found: Browser) -> None:
    with transaction():
        for number, browser in enumerate(found):
            browsers.subscribe(wallet_of(card), browser, now=NOON + timedelta(seconds=number))


def test_a_subscription_is_kept_as_it_is_checked(service):
    phone = service.subscribe()
    padded = phone.browser.p256dh + "=", phone.browser.auth + "=="

    assert browsers.check_browser(phone.endpoint, *padded, services=SERVICES) == phone.browser


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example/1",
        "https://push.example:8443/1",
        "https://push.example@evil.example/1",
        "https://evilpush.example/1",
        "https://10.0.0.1\\.push.example/1",
        "https://10.0.0.1%2f.push.example/1",
        "https://10.0.0.1/1",
        "https://localhost/1",
        "https://push.example/\r\nX: y",
        "https://push.example/雪",
        "https://[push.example/1",
        "https://push.example/" + "x" * 1000,
        "",
    ],
)
def test_only_addresses_of_known_push_services_are_taken(service, endpoint):
    kept = service.subscribe().browser

    with pytest.raises(BrowserInvalid):
        browsers.check_browser(endpoint, kept.p256dh, kept.auth, services=SERVICES)


def test_a_host_below_a_push_service_is_one_of_it(service):
    kept = service.subscribe().browser

    for endpoint in ("https://push.example/1", "https://eu.push.example/1", "http://127.0.0.1:8080/1"):
        assert browsers.check_browser(endpoint, kept.p256dh, kept.auth, services=SERVICES).endpoint == endpoint


@pytest.mark.parametrize(
    ("p256dh", "auth"),
    [("", None), (None, ""), ("A" * 87, None), (None, "AAAA"), ("雪", None), (None, "!" * 22), ("B" + "A" * 86, None)],
)
def test_keys_that_are_none_are_refused(service, p256dh, auth):
    kept = service.subscribe().browser

    with pytest.raises(BrowserInvalid):
        browsers.check_browser(kept.endpoint, p256dh or kept.p256dh if p256dh != "" else "",
                               auth or kept.auth if auth != "" else "", services=SERVICES)  # fmt: skip


def test_a_browser_is_one_wallets_at_a_time(service, chain, member):
    phone, other = service.subscribe(), make_member(make_store_code(make_store(chain)))
    subscribe(member, phone.browser, phone.browser)
    subscribe(other, phone.browser)

    assert browsers.endpoints_of(wallet_of(member)) == []
    assert browsers.endpoints_of(wallet_of(other)) == [phone.endpoint]
    with transaction():
        browsers.unsubscribe(wallet_of(member), phone.endpoint)
    assert browsers.endpoints_of(wallet_of(other)) == [phone.endpoint], "it is not his any more"
    with transaction():
        browsers.unsubscribe(wallet_of(other), phone.endpoint)
    assert browsers.endpoints_of(wallet_of(other)) == []


def test_of_many_browsers_the_newest_are_kept(service, member):
    made = [service.subscribe().browser for _ in range(browsers.MOST_BROWSERS + 2)]
    subscribe(member, *made)

    assert browsers.browsers_of([member.member_id]) == {member.member_id: tuple(made[2:])}


def test_a_browser_that_is_gone_is_forgotten_after_a_month(service, member):
    gone, there = service.subscribe(), service.subscribe()
    subscribe(member, gone.browser, there.browser)
    with transaction():
        browsers.note_gone([gone.endpoint], now=NOON)
        browsers.note_gone([gone.endpoint], now=NOON + timedelta(days=9))

    for days, kept in ((30, 2), (31, 1)):
        with transaction():
            browsers.forget_gone(now=NOON + timedelta(days=days))
        assert len(db.session.scalars(db.select(WebPushSubscription)).all()) == kept
    assert browsers.endpoints_of(wallet_of(member)) == [there.endpoint]


def test_a_browser_moves_to_a_new_address_only_by_its_old_secret(service, member):
    old, new = service.subscribe(), service.subscribe()
    subscribe(member, old.browser)

    with transaction():
        assert not browsers.renew(old.endpoint, new.browser.auth, new.browser, now=NOON)
        assert not browsers.renew("https://push.example/1", old.browser.auth, new.browser, now=NOON)
    assert browsers.endpoints_of(wallet_of(member)) == [old.endpoint]
    with transaction():
        assert browsers.renew(old.endpoint, old.browser.auth, new.browser, now=NOON)
    assert browsers.endpoints_of(wallet_of(member)) == [new.endpoint]


# --- campaigns ------------------------------------------------------------------------------------------------------


def test_a_campaign_reaches_the_browsers_of_those_who_agreed(service, channel, chain, member):
    phone, code = service.subscribe(), make_store_code(make_store(chain))
    subscribe(member, phone.browser)
    without = make_member(code, agrees_to=("web_push",))
    silent, gone = make_member(code), service.subscribe()
    subscribe(silent, gone.browser)

    with transaction():  # so that links lead straight there
        consents.say_measurement(member.member_id, is_granted=False, source="test", now=NOON)

    campaign = make_campaign(chain, "web_push", title="{name}您好")
    start(campaign)
    send("web_push", channel)

    assert outcomes(campaign) == {
        ("web_push", "sent", None): 1,
        ("web_push", "skipped", "no_address"): 1,
        ("web_push", "skipped", "opted_out"): 1,
    }
    told = service.messages_of(phone)[0]
    assert (told["title"], told["url"]) == (f"{chain.name} · 您好", "https://cards.example/wallet/inbox")
    assert {row.member_id for row in deliveries(campaign)} == {each.member_id for each in (member, without, silent)}


def test_a_browser_that_is_gone_is_never_tried_again(service, channel, chain, member):
    phone = service.subscribe()
    subscribe(member, phone.browser)
    service.answer = lambda _path: (410, {})

    campaign = make_campaign(chain, "web_push", "inbox", channel_mode="first")
    start(campaign)
    send("web_push", channel)

    assert outcomes(campaign) == {("web_push", "failed", None): 1, ("inbox", "pending", None): 1}
    assert db.session.scalars(db.select(WebPushSubscription)).one().gone_at == NOON
    assert browsers.endpoints_of(wallet_of(member)) == []
    second = make_campaign(chain, "web_push")
    start(second)
    assert outcomes(second) == {("web_push", "skipped", "no_address"): 1}


def test_the_way_out_names_the_purpose(service, channel, chain, member):
    phone = service.subscribe()
    subscribe(member, phone.browser)
    with transaction():
        consents.withdraw(member.member_id, PushChannel.WEB_PUSH, "test", NOON)

    campaign = make_campaign(chain, "web_push", purpose="service")
    start(campaign)
    send("web_push", channel)

    token = service.messages_of(phone)[0]["stop"]["url"].removeprefix("https://cards.example/u/")
    assert read_token(token, "s" * 40) == Way(member.member_id, "web_push", "service")
