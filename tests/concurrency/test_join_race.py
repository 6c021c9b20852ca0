"""However many taps arrive at once: one card, one gift, one edge, one event. And the proof that the race is real."""

from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from cards.models import Card, Member
from core.db import db, transaction
from core.events import Event
from core.hot import one_action, reading, this_transaction
from coupons import welcome
from coupons.models import Coupon, OfferSlot, WelcomeDue
from sharing import joining, linking
from sharing.models import Referral
from tests.concurrency.racing import race
from tests.factories import (
    NOON,
    make_card,
    make_chain,
    make_offer,
    make_store,
    make_store_code,
    make_wallet,
    program_of,
)

TAPS = 64
SECRET = "one phone's secret"


@pytest.fixture
def chain(app):
    chain = make_chain()
    make_offer(chain, program_id=program_of(chain).id, stock=1000)
    return chain


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


@pytest.fixture
def link(code):
    card = make_card(code)
    with transaction():
        return linking.create_link(this_transaction(), card.chain_id, card.id, "group", now=NOON)


def take_by_code(token, wallet_id):
    with one_action() as hot:
        return joining.join_by_code(hot, token, wallet_id=wallet_id, visitor="v", language="zh", now=NOON)


def take_by_link(token, wallet_id):
    with one_action() as hot:
        return joining.join_by_link(hot, token, wallet_id=wallet_id, visitor="v", language="zh", now=NOON)


def count(model, *conditions):
    return db.session.scalar(select(func.count()).select_from(model).where(*conditions))


def events(kind):
    return count(Event, Event.kind == kind)


def test_64_taps_of_one_wallet_give_one_card_and_one_gift(app, code):
    wallet_id = make_wallet()

    joined = race(app, lambda _: take_by_code(code.token, wallet_id), racers=TAPS)

    assert len({each.card_id for each in joined}) == 1
    assert [each.is_new for each in joined].count(True) == 1
    assert (count(Card), count(Member), count(Coupon)) == (1, 1, 1)
    assert (events("card.issued"), events("coupon.claimed")) == (1, 1)
    assert db.session.scalar(select(func.sum(OfferSlot.claimed))) == 1


def test_64_taps_over_http_give_one_card_and_one_gift(app, code):
    make_wallet(SECRET)

    def tap(_):
        answer = app.test_client().post(
            f"/api/v1/store-codes/{code.token}/cards", headers={"Authorization": f"Bearer {SECRET}"}
        )
        return answer.status_code, answer.json["number"]

    answers = race(app, tap, racers=TAPS)

    assert sorted(status for status, _ in answers) == [200] * (TAPS - 1) + [201]
    assert len({number for _, number in answers}) == 1
    assert (count(Card), count(Coupon), events("card.issued")) == (1, 1, 1)


def test_64_wallets_by_one_link_make_64_edges(app, link):
    wallets = [make_wallet() for _ in range(TAPS)]

    joined = race(app, lambda number: take_by_link(link.token, wallets[number]), racers=TAPS)

    assert all(each.is_new and each.referral_id for each in joined)
    edges = db.session.scalars(select(Referral)).all()
    assert {edge.member_id for edge in edges} == {each.member_id for each in joined}
    assert len(edges) == TAPS
    assert {(edge.share_link_id, edge.depth) for edge in edges} == {(link.id, 1)}
    assert events("member.referred") == TAPS


def test_64_taps_of_one_wallet_on_one_link_make_one_edge(app, link):
    wallet_id = make_wallet()

    joined = race(app, lambda _: take_by_link(link.token, wallet_id), racers=TAPS)

    assert [each.is_new for each in joined].count(True) == 1
    assert [each.referral_id for each in joined].count(None) == TAPS - 1
    assert (count(Referral), events("member.referred")) == (1, 1)


def test_taps_on_two_friends_links_at_once_credit_one_of_them_for_good(app, code, link):
    other = make_card(code)
    with transaction():
        second = linking.create_link(this_transaction(), other.chain_id, other.id, "group", now=NOON)
    wallet_id = make_wallet()

    joined = race(app, lambda number: take_by_link((link, second)[number % 2].token, wallet_id), racers=TAPS)

    first = next(each for each in joined if each.is_new)
    edge = db.session.scalars(select(Referral)).one()
    card = db.session.get_one(Card, first.card_id)
    assert (edge.member_id, edge.share_link_id) == (first.member_id, card.share_link_id)
    assert count(Card, Card.wallet_id == wallet_id) == events("member.referred") == 1


def test_taps_on_a_code_and_on_a_link_at_once_give_one_card(app, code, link):
    wallet_id = make_wallet()

    def tap(number):
        return (take_by_code if number % 2 else take_by_link)((code if number % 2 else link).token, wallet_id)

    joined = race(app, tap, racers=TAPS)

    assert len({each.card_id for each in joined}) == 1
    assert count(Card, Card.wallet_id == wallet_id) == 1
    assert count(Referral) <= 1


def test_control_the_race_is_real(app, code):
    """Look-then-write finds no card many times over. If this fails, the tests above prove nothing."""
    racers = 16
    wallet_id = make_wallet()
    looked = Barrier(racers)

    def look_then_write(number):
        with reading() as hot:
            held = joining.find_held(hot, code.token, wallet_id=wallet_id)
        looked.wait()
        if held is not None:
            return "held"
        try:
            with transaction():
                values = {"wallet_id": wallet_id, "store_id": code.store_id, "language": "zh", "joined_at": NOON}
                db.session.execute(insert(Member).values(chain_id=code.chain_id, name="", **values))
        except IntegrityError:
            return "would have been a second member"
        return "issued"

    results = race(app, look_then_write, racers=racers)

    assert results.count("issued") == 1
    assert results.count("would have been a second member") > 0


@pytest.mark.parametrize(
    "limits", [{"stock": 5}, {"stock": 100, "per_day_limit": 5}, {"budget_cents": 5 * 500}], ids=str
)
def test_a_limited_welcome_gift_goes_to_as_many_as_it_may_and_to_nobody_later(app, limits):
    """The clock comes by while the cards are taken: whoever gives, each card has one gift at most."""
    chain = make_chain()
    make_offer(chain, program_id=program_of(chain).id, **{"stock": None} | limits)
    code = make_store_code(make_store(chain))
    wallets, soon = [make_wallet() for _ in range(24)], NOON + timedelta(minutes=2)

    def attempt(number):
        if number % 8 == 7:
            welcome.give_missing_batch(chain.id, now=soon)
            return None
        return take_by_code(code.token, wallets[number]).coupon_id

    race(app, attempt, racers=24)
    late = welcome.give_missing_batch(chain.id, now=soon)

    gifts = db.session.scalars(select(Coupon.card_id)).all()
    assert late == 0
    assert len(gifts) == len(set(gifts)) == 5
    assert db.session.scalar(select(func.count(Card.id))) == 21
    assert db.session.scalar(select(func.count(WelcomeDue.card_id))) == 0
