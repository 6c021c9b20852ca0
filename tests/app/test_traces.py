"""What pages keep of a browser and its address, and what partners may tell of the person before them."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.clock import Clock
from app.traces import trace_of_browser, trace_told
from cards.models import Card, Wallet
from core.clock import utc_now
from core.db import db, transaction
from core.hot import one_action
from core.tokens import hashed
from coupons import gift_views
from sharing import linking, visiting
from sharing.models import Referral, ShareLink
from sharing.traces import NO_TRACE, Trace
from stores.models import Chain
from tests import pages
from tests.factories import make_card, make_chain, make_coupon, make_offer, make_store, make_store_code, make_wallet

pytestmark = pytest.mark.usefixtures("app")

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) MicroMessenger/8.0.50"
HOME, WORK = "114.80.1.7", "114.80.1.8"


@pytest.fixture
def code():
    return make_store_code(make_store(make_chain()))


@pytest.fixture
def card(code):
    return make_card(code, wallet_id=make_wallet("sharer"), now=utc_now())


@pytest.fixture
def link(card):
    with one_action() as hot:
        return linking.create_link(hot, card.chain_id, card.id, "friend", now=utc_now())


def at(address=HOME, agent=IPHONE, languages="zh-CN"):
    return {
        "environ_overrides": {"REMOTE_ADDR": address},
        "headers": {"User-Agent": agent, "Accept-Language": languages},
    }


def seen_at(address=HOME, agent=IPHONE, languages="zh-CN"):
    return trace_of_browser(address, agent, languages)


def newest(model):
    """The trace that the last row has."""
    db.session.rollback()
    row = db.session.execute(select(model.device, model.network).order_by(model.id.desc()).limit(1)).one()
    return Trace(*row)


# --- the hashes -----------------------------------------------------------------------------------------------------


def test_the_same_browser_at_the_same_address_is_alike():
    assert seen_at() == seen_at()
    assert all(re.fullmatch("[0-9a-f]{32}", part) for part in seen_at())


@pytest.mark.parametrize("other", [{"agent": "another"}, {"languages": "en"}])
def test_another_browser_is_another_device_in_the_same_network(other):
    assert seen_at(**other).device != seen_at().device
    assert seen_at(**other).network == seen_at().network


def test_another_address_is_another_device_and_network():
    assert seen_at(WORK).device != seen_at(HOME).device
    assert seen_at(WORK).network != seen_at(HOME).network


def test_the_addresses_of_one_ipv6_connection_are_one_network():
    one, two, other = (seen_at(f"2409:8a00:1:{net}::{host}") for net, host in (("2", 1), ("2", "ffff"), ("3", 1)))

    assert one == two
    assert one.network != other.network
    assert seen_at(f"::ffff:{HOME}") == seen_at(HOME)


@pytest.mark.parametrize("address", [None, "", "127.0.0.1", "::1", "10.0.0.7", "172.17.0.1", "fe80::1%eth0", "unix:"])
def test_nobody_comes_from_an_address_that_is_not_public(address):
    """Behind a proxy that the settings do not know, everybody would be one device."""
    assert seen_at(address) == NO_TRACE


def test_the_hashes_are_worth_nothing_without_the_secret(app, monkeypatch):
    before = seen_at()
    monkeypatch.setitem(app.config, "SECRET_KEY", "t" * 40)

    assert seen_at().device != before.device
    assert seen_at().network != before.network


def test_a_browser_and_a_told_device_never_meet():
    assert trace_told(IPHONE, HOME) == Trace(trace_told(IPHONE, None).device, seen_at().network)
    assert trace_told(IPHONE, HOME).device != seen_at().device
    assert trace_told(None, None) == NO_TRACE
    assert trace_told("a", "192.168.0.1").network is None


# --- pages ----------------------------------------------------------------------------------------------------------


def test_a_card_taken_on_a_friends_page_keeps_the_trace(client, link):
    assert pages.post(client, f"/s/{link.token}", **at()).status_code == 303

    assert newest(Referral) == seen_at()


def test_a_card_taken_from_a_store_code_keeps_the_trace_with_the_edge(client, code, link):
    client.get(f"/s/{link.token}", **at())
    pages.post(client, f"/s/{link.token}/visit", **at())
    assert pages.post(client, f"/q/{code.token}", **at(WORK)).status_code == 303

    assert newest(Referral) == seen_at(WORK)


def test_a_card_taken_with_an_offer_keeps_the_trace_with_the_edge(client, code, link):
    offer = make_offer(chain_of(code))
    pages.post(client, f"/s/{link.token}/visit", **at())
    answer = pages.post(client, f"/o/{offer.token}", {"request_id": "form", "store_id": code.store_id}, **at(WORK))
    assert answer.status_code == 303, answer.text

    assert newest(Referral) == seen_at(WORK)


def chain_of(code):
    return db.session.get_one(Chain, code.chain_id)


def test_a_link_made_on_a_page_keeps_the_trace(client, code):
    answer = pages.post(client, f"/q/{code.token}", **at())
    card_id = int(answer.location.rsplit("/", 1)[1])
    assert pages.post(client, f"/wallet/cards/{card_id}/share", {"channel": "group"}, **at()).status_code == 303

    assert newest(ShareLink) == seen_at()


def test_a_gift_given_and_taken_keeps_both_traces(app, client, code):
    answer = pages.post(client, f"/q/{code.token}", **at())
    card = db.session.get_one(Card, int(answer.location.rsplit("/", 1)[1]))
    coupon = make_coupon(card, make_offer(chain_of(code)), now=utc_now())
    pages.post(client, f"/wallet/cards/{card.id}/coupons/{coupon.id}/give", **at())
    assert newest(ShareLink) == seen_at()

    token = gift_views.gifts_of_coupons([coupon.id])[coupon.id].token
    assert pages.post(app.test_client(), f"/g/{token}", **at(WORK)).status_code == 303
    assert newest(Referral) == seen_at(WORK)


def test_a_server_that_does_not_know_its_proxy_keeps_no_traces(client, link):
    pages.post(client, f"/s/{link.token}", **at("10.1.2.3"))

    assert newest(Referral) == NO_TRACE


# --- the API --------------------------------------------------------------------------------------------------------

TOLD = {"device": "installation-7", "network_address": WORK}


def ask(client, path, secret, body=None, **headers):
    options = at()
    options["headers"] |= {"Authorization": f"Bearer {secret}", **headers}
    return client.post(f"/api/v1{path}", json=body, **options)


@pytest.mark.parametrize(("told", "kept"), [({}, NO_TRACE), (None, NO_TRACE), (TOLD, True)])
def test_a_partner_tells_who_took_a_friends_card_or_nothing_is_known(client, link, told, kept):
    make_wallet("friend")
    assert ask(client, f"/share-links/{link.token}/cards", "friend", told).status_code == 201

    assert newest(Referral) == (trace_told("installation-7", WORK) if kept is True else kept)


@pytest.mark.parametrize(("told", "kept"), [({}, NO_TRACE), (TOLD, True)])
def test_a_partner_tells_who_made_a_link_or_nothing_is_known(client, card, told, kept):
    body = {"channel": "friend"} | told
    assert ask(client, f"/cards/{card.number}/share-links", "sharer", body).status_code == 201

    assert newest(ShareLink) == (trace_told("installation-7", WORK) if kept is True else kept)


def test_a_partner_tells_who_gave_and_who_took_a_gift(client, code, card):
    coupon = make_coupon(card, make_offer(chain_of(code)), now=utc_now())
    make_wallet("friend")
    gift = ask(client, f"/coupons/{coupon.id}/gifts", "sharer", TOLD)
    assert gift.status_code == 201
    assert newest(ShareLink) == trace_told("installation-7", WORK)

    told = {"device": "installation-8"}
    assert ask(client, f"/coupon-gifts/{gift.json['token']}/accept", "friend", told).status_code == 201
    assert newest(Referral) == trace_told("installation-8", None)


def visit(link, secret):
    wallet = db.session.get_one(Wallet, make_wallet(secret))
    assert wallet.key_hash == hashed(secret)
    with one_action() as hot:
        visiting.count_visit(hot, link.token, visitor=wallet.key_hash, now=utc_now() - timedelta(minutes=1))


WAYS = {"express": {}, "flask": {"Idempotency-Key": "by-flask-1"}}


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize(
    ("body", "kept"),
    [(None, NO_TRACE), ({}, NO_TRACE), (TOLD, True)],
    ids=["no body", "an empty one", "a device"],
)
def test_a_store_codes_card_keeps_what_is_told_by_both_ways(client, code, link, way, body, kept):
    visit(link, "friend")
    assert ask(client, f"/store-codes/{code.token}/cards", "friend", body, **WAYS[way]).status_code == 201

    assert newest(Referral) == (trace_told("installation-7", WORK) if kept is True else kept)


@pytest.mark.parametrize(
    "wrong", [{"network_address": "next door"}, {"device": ""}, {"device": "d" * 201}, {"device": 7}, {"phone": "1"}]
)
def test_what_is_no_device_and_no_address_is_refused(client, code, link, wrong):
    make_wallet("friend")
    for path in (f"/store-codes/{code.token}/cards", f"/share-links/{link.token}/cards"):
        answer = ask(client, path, "friend", wrong)
        assert (answer.status_code, list(answer.json["errors"])) == (422, list(wrong))


# --- forgetting -----------------------------------------------------------------------------------------------------


def test_the_night_forgets_traces_of_ninety_days_ago(app, client, link):
    pages.post(client, f"/s/{link.token}", **at())
    clock = Clock(app)
    clock.night(utc_now() + timedelta(days=89))
    assert newest(Referral) == seen_at()

    clock.night(utc_now() + timedelta(days=91))
    assert newest(Referral) == NO_TRACE
    with transaction():
        assert db.session.scalar(select(Referral.id).where(Referral.network.is_not(None))) is None
