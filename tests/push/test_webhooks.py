"""Partner systems hear what became of deliveries, signed, until they take it; nobody else can be called so."""

from datetime import datetime, timedelta

import pytest
import time_machine
from standardwebhooks import Webhook

from core.audit import SYSTEM
from core.db import db, transaction
from core.hot import this_transaction
from push import campaigns
from push.channels.public_addresses import host_of, is_public, may_be_public
from push.partners import calling
from push.partners import endpoints as webhooks
from push.partners.calling import Caller, call_batch
from push.partners.endpoints import Wanted
from push.partners.models import WebhookEndpoint
from push.partners.telling import DELIVERY_KINDS, tell
from tests.concurrency.racing import race
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.pushing import deliveries, make_campaign, make_member, send_all, start
from tests.push.webhooks import call_out, listen, messages, partner

pytestmark = pytest.mark.usefixtures("app")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOBODY = "http://127.0.0.1:9/"  # the discard port: nobody listens


@pytest.fixture
def chain():
    return make_chain()


def a_delivery(chain, *, email="a@example.com"):
    """One that has gone."""
    make_member(make_store_code(make_store(chain)), email=email)
    start(make_campaign(chain, "email"))
    send_all()
    return deliveries()[-1]


def told(chain, count=1):
    """Write messages without going through campaigns."""
    for _ in range(count):
        endpoint = webhooks.list_endpoints(chain.id)[0]
        with transaction():
            webhooks.send_test(chain.id, endpoint.id, now=NOON)


def only_endpoint():
    db.session.commit()
    return db.session.scalars(db.select(WebhookEndpoint).execution_options(populate_existing=True)).one()


# --- telling


def test_each_end_of_a_delivery_is_told_with_what_became_of_it(chain):
    listen(chain, NOBODY)
    code = make_store_code(make_store(chain))
    make_member(code, email="a@example.com")
    make_member(code)
    start(make_campaign(chain, "inbox", "email"))
    send_all()

    kinds = {(message.kind, message.payload["channel"], message.payload["reason"]) for message in messages()}
    assert kinds == {
        ("delivery.delivered", "inbox", None),
        ("delivery.sent", "email", None),
        ("delivery.skipped", "email", "no_address"),
    }
    by_id = {row.id: row for row in deliveries()}
    for message in messages():
        row = by_id[message.payload["delivery_id"]]
        assert (message.payload["state"], message.payload["member_id"]) == (row.state, row.member_id)
    assert len(messages()) == len(by_id)


def test_what_fails_or_is_cancelled_is_told_too(chain):
    listen(chain, NOBODY, "delivery.failed", "delivery.skipped")
    code = make_store_code(make_store(chain))
    make_member(code, email="a@example.com")
    first = make_campaign(chain, "email")
    start(first)
    with transaction():
        campaigns.cancel_campaign(chain.id, first.id, by=SYSTEM, now=NOON)

    assert [(message.kind, message.payload["reason"]) for message in messages()] == [("delivery.skipped", "stale")]


def test_an_endpoint_hears_only_the_kinds_it_wants_and_only_of_its_chain(chain):
    listen(chain, NOBODY, "delivery.failed")
    listen(make_chain(slug="other"), NOBODY)
    a_delivery(chain)

    assert messages() == []


def test_where_nobody_listens_nothing_is_written(chain):
    a_delivery(chain)

    assert messages() == []


def test_what_is_taken_back_is_not_told(chain):
    listen(chain, NOBODY)
    delivery = a_delivery(chain)
    before = len(messages())
    with pytest.raises(RuntimeError), transaction():
        tell(this_transaction(), [delivery.id], now=NOON + MINUTE)
        raise RuntimeError

    assert len(messages()) == before


def test_a_pending_delivery_is_not_told(chain):
    listen(chain, NOBODY)
    make_member(make_store_code(make_store(chain)), email="a@example.com")
    start(make_campaign(chain, "email"))
    ids = [row.id for row in deliveries()]  # read before: reading ends a transaction
    with transaction():
        assert tell(this_transaction(), ids, now=NOON) == 0


# --- calling


def test_a_message_arrives_as_standard_webhooks_says(chain):
    with partner() as them, time_machine.travel(NOON, tick=False):
        made = listen(chain, them.url)
        delivery = a_delivery(chain)
        assert call_out() == 1
        (call,) = them.calls
        said = Webhook(made.secret).verify(call.body, call.headers)

    assert said["type"] == "delivery.sent"
    assert datetime.fromisoformat(said["timestamp"]) == NOON
    assert (said["data"]["delivery_id"], said["data"]["channel"]) == (delivery.id, "email")
    assert "a@example.com" not in call.body.decode()
    (message,) = messages()
    assert (message.state, message.status, message.sent_at) == ("sent", 204, NOON)


def test_for_a_day_after_a_new_secret_the_last_one_signs_too(chain):
    with partner() as them, time_machine.travel(NOON, tick=False) as clock:
        made = listen(chain, them.url)
        with transaction():
            new = webhooks.rotate_secret(chain.id, made.id, by=SYSTEM, now=NOON)
        told(chain)
        call_out()
        for secret in (made.secret, new):
            assert Webhook(secret).verify(them.calls[0].body, them.calls[0].headers)["type"] == "endpoint.test"
        clock.move_to(NOON + DAY + MINUTE)
        told(chain)
        call_out(now=NOON + DAY + MINUTE)
        assert len(them.calls[1].headers["webhook-signature"].split()) == 1
        assert Webhook(new).verify(them.calls[1].body, them.calls[1].headers)


def test_what_was_not_taken_comes_again_under_the_same_id_and_later_each_time(chain):
    with partner() as them:
        listen(chain, them.url)
        told(chain)
        them.answer = lambda _call: 500
        waits, now = [], NOON
        for _ in range(4):
            call_out(now=now)
            (message,) = messages()
            waits.append(message.due_at - now)
            now = max(message.due_at, only_endpoint().resting_until)
        them.answer = lambda _call: 200
        call_out(now=now)

    assert waits == sorted(waits)
    assert waits[0] < MINUTE < waits[1] < HOUR < waits[3]
    assert {call.headers["webhook-id"] for call in them.calls} == {message.message_id}
    assert len({call.body for call in them.calls}) == 1
    (message,) = messages()
    assert (message.state, message.attempts, message.status) == ("sent", 5, 200)
    assert (only_endpoint().failures, only_endpoint().failing_since) == (0, None)


def test_a_partner_says_how_long_to_wait(chain):
    with partner() as them:
        listen(chain, them.url)
        told(chain)
        them.answer = lambda _call: (429, {"Retry-After": "1800"})
        call_out()

    (message,) = messages()
    assert message.due_at >= NOON + 30 * MINUTE
    assert only_endpoint().resting_until == NOON + 30 * MINUTE


def test_after_three_days_of_tries_a_message_has_failed_and_can_be_sent_again(chain):
    made = listen(chain, NOBODY)
    told(chain)
    now = NOON
    while (message := messages()[0]).state == "pending":
        now = max(message.due_at, only_endpoint().resting_until or now, now)
        call_out(now=now)

    assert message.state == "failed"
    assert message.error == "could not be reached"
    assert timedelta(days=3) < now - NOON < timedelta(days=4)
    with transaction():
        assert webhooks.send_again(chain.id, made.id, now=now) == 0  # a test is not worth it


def test_what_an_endpoint_failed_to_take_can_be_sent_again(chain):
    made = listen(chain, NOBODY)
    a_delivery(chain)
    with transaction():
        webhooks.disable(chain.id, made.id, now=NOON)
    assert [message.state for message in messages()] == ["failed"]
    with transaction(), pytest.raises(webhooks.WebhookDisabled):
        webhooks.send_again(chain.id, made.id, now=NOON)
    with transaction():
        assert webhooks.enable(chain.id, made.id, by=SYSTEM, now=NOON) == 1

    assert [(message.state, message.attempts) for message in messages()] == [("pending", 0)]


def test_a_failing_endpoint_is_tried_with_one_message_at_a_time(chain):
    with partner() as them:
        listen(chain, them.url)
        told(chain, 5)
        them.answer = lambda _call: 503
        call_out()
        first = len(them.calls)
        call_out(now=NOON + timedelta(seconds=4))
        assert len(them.calls) == first  # it rests
        call_out(now=NOON + 10 * MINUTE)
        assert len(them.calls) == first + 1
        them.answer = lambda _call: 200
        call_out(now=NOON + 2 * HOUR)

    assert first == 5
    assert {message.state for message in messages()} == {"sent"}


def test_an_endpoint_that_takes_nothing_for_five_days_is_disabled(chain):
    with partner() as them:
        listen(chain, them.url)
        them.answer = lambda _call: 500
        told(chain)
        call_out()
        told(chain)
        call_out(now=NOON + 5 * DAY - MINUTE)
        assert only_endpoint().disabled_at is None
        call_out(now=NOON + 5 * DAY + HOUR)

    assert only_endpoint().disabled_because == "failing"
    assert {message.state for message in messages()} == {"failed"}


def test_an_endpoint_that_says_it_is_gone_is_disabled_at_once(chain):
    with partner() as them:
        listen(chain, them.url)
        told(chain)
        them.answer = lambda _call: 410
        call_out()

    assert only_endpoint().disabled_because == "gone"


def test_a_redirect_is_not_followed(chain):
    with partner() as them, partner() as elsewhere:
        listen(chain, them.url)
        told(chain)
        them.answer = lambda _call: (307, {"Location": elsewhere.url})
        call_out()

    assert (len(them.calls), elsewhere.calls) == (1, [])
    assert messages()[0].status == 307


def test_a_silent_endpoint_holds_up_nobody_for_long(chain):
    other = make_chain(slug="other")
    with partner() as silent, partner() as them:
        listen(chain, silent.url)
        listen(other, them.url)
        told(chain, 3)
        told(other, 3)
        silent.answer = lambda _call: 4.0
        caller = Caller(is_private=True, timeout=1.5)
        call_batch(caller, now=NOON)
        caller.close()

    assert len(them.calls) == 3
    by_chain = {message.chain_id: message for message in messages()}
    assert (by_chain[chain.id].state, by_chain[chain.id].error) == ("pending", "no answer in time")
    assert by_chain[other.id].state == "sent"


def test_two_workers_call_once(app, chain):
    with partner() as them:
        listen(chain, them.url)
        told(chain, 20)
        race(app, lambda _: call_out(), racers=3)

    assert len(them.calls) == len({call.headers["webhook-id"] for call in them.calls}) == 20


def test_what_a_dead_worker_had_taken_is_taken_again_when_its_lease_ends(chain):
    with partner() as them:
        listen(chain, them.url)
        told(chain)
        with transaction():
            assert len(calling._take(only_endpoint(), now=NOON, lease=2 * MINUTE)) == 1
        assert call_out(now=NOON + MINUTE) == 0
        assert call_out(now=NOON + 3 * MINUTE) == 1

    assert messages()[0].state == "sent"


def test_what_was_told_two_weeks_ago_is_forgotten(chain):
    with partner() as them:
        listen(chain, them.url)
        told(chain, 2)
        call_out()
    with transaction():
        assert webhooks.forget_batch(chain.id, now=NOON + 13 * DAY) == 0
        assert webhooks.forget_batch(chain.id, now=NOON + 15 * DAY) == 2

    assert messages() == []


# --- whom we call


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "nonsense"],
)  # fmt: skip
def test_addresses_of_our_own_network_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/", "https://", "https://u:p@example.com/", "https://example.com/#x", "https://exa mple.com/",
     "https://example.com:0/", "https://[::1", "javascript:alert(1)", "https://例子.cn/", "https://a.example/\n"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url):
    assert host_of(url) is None


@pytest.mark.parametrize(
    "host", ["localhost", "x.localhost", "db.internal", "127.1", "2130706433", "0x7f000001", "nas"]
)
def test_names_that_never_lead_outside_are_refused(host):
    assert not may_be_public(host)


@pytest.mark.parametrize("url", ["http://crm.example/", "https://127.0.0.1/", "https://localhost/", "nonsense"])
def test_an_endpoint_is_an_https_address_on_the_internet(chain, url):
    with pytest.raises(webhooks.WebhookAddressInvalid):
        listen(chain, url, is_private=False)


def test_a_name_that_leads_into_our_network_is_not_called(chain, monkeypatch):
    with partner() as them:
        made = listen(chain, "https://crm.example/", is_private=False)
        told(chain)
        for url in (them.url, them.url.replace("127.0.0.1", "localhost")):
            with transaction():
                db.session.get_one(WebhookEndpoint, made.id).url = url
            call_out(is_private=False, now=NOON + (DAY if "localhost" in url else timedelta()))
            assert messages()[0].error == "the address is not public"

    assert them.calls == []


# --- endpoints


def test_a_chain_has_ten_endpoints_at_most(chain):
    for _ in range(10):
        listen(chain, NOBODY)

    with pytest.raises(webhooks.WebhooksFull):
        listen(chain, NOBODY)


def test_only_kinds_that_there_are(chain):
    with pytest.raises(webhooks.WebhookKindsInvalid):
        listen(chain, NOBODY, "delivery.eaten")


def test_all_kinds_are_kept_as_all(chain):
    listen(chain, NOBODY, *DELIVERY_KINDS)

    assert only_endpoint().kinds == []


def test_another_address_begins_anew(chain):
    made = listen(chain, NOBODY)
    told(chain)
    call_out()
    assert only_endpoint().failures == 1
    with transaction():
        webhooks.edit_endpoint(
            chain.id, made.id, Wanted("CRM", "https://crm.example/"), is_private=False, by=SYSTEM, now=NOON
        )

    endpoint = only_endpoint()
    assert (endpoint.failures, endpoint.resting_until, endpoint.url) == (0, None, "https://crm.example/")


def test_an_endpoint_in_use_is_not_removed_and_a_removed_one_is_told_nothing(chain):
    made = listen(chain, NOBODY)
    told(chain)
    with pytest.raises(webhooks.WebhookInUse), transaction():
        webhooks.remove(chain.id, made.id, by=SYSTEM, now=NOON)
    with transaction():
        webhooks.disable(chain.id, made.id, now=NOON)
        webhooks.remove(chain.id, made.id, by=SYSTEM, now=NOON)

    assert (list(webhooks.list_endpoints(chain.id)), messages()) == ([], [])


def test_anothers_endpoint_is_not_there(chain):
    made, other = listen(make_chain(slug="other"), NOBODY), chain
    for what in (webhooks.rotate_secret, webhooks.enable, webhooks.remove):
        with pytest.raises(webhooks.WebhookUnknown), transaction():
            what(other.id, made.id, by=SYSTEM, now=NOON)
    with pytest.raises(webhooks.WebhookUnknown), transaction():
        webhooks.disable(other.id, made.id, now=NOON)
