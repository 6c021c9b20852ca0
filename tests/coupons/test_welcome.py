"""A welcome gift that was due when the process ended: it comes later, once, and within the limits of its offer."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app.clock import Clock
from cards.models import CardState
from core.db import db, transaction
from core.hot import one_action
from coupons import claiming, welcome
from coupons.models import Coupon, CouponSource, Offer, OfferDay, OfferSlot, OfferState, WelcomeDue
from tests.factories import (
    NOON,
    in_days,
    make_card,
    make_chain,
    make_offer,
    make_store,
    make_store_code,
    program_of,
    save,
)

SOON = NOON + timedelta(minutes=2)
LIMITED = {"per_day_limit": 2}


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


def gift_of(chain, **columns):
    offer = make_offer(chain, stock=10, program_id=program_of(chain).id, per_member_limit=2)
    with transaction():
        db.session.execute(update(Offer).where(Offer.id == offer.id).values(**(LIMITED | columns)))
    return offer


def card_before_a_crash(code, offer, at=NOON):
    """A card whose process ended before the gift followed: as PostgreSQL's first statement leaves it."""
    with transaction():
        db.session.execute(update(Offer).where(Offer.id == offer.id).values(state=OfferState.PAUSED))
    card = make_card(code)
    with transaction():
        db.session.execute(update(Offer).where(Offer.id == offer.id).values(state=OfferState.RUNNING))
    save(WelcomeDue(card_id=card.id, chain_id=card.chain_id, offer_id=offer.id, due_at=at))
    return card


def sources_of(card):
    db.session.rollback()
    return db.session.scalars(select(Coupon.source).filter_by(card_id=card.id)).all()


def count(model):
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model))


def test_a_card_whose_process_ended_gets_its_gift_from_the_clock(app, chain, code):
    card = card_before_a_crash(code, gift_of(chain))

    Clock(app).minute(SOON)

    assert sources_of(card) == [CouponSource.WELCOME]
    assert db.session.scalar(select(OfferDay.claimed)) == 1
    assert count(WelcomeDue) == 0


def test_killed_between_the_card_and_the_gift_it_still_comes_once(app, chain, code, monkeypatch):
    """Where the two are one transaction, nothing can come between: the card has its gift at once."""
    gift_of(chain)
    with monkeypatch.context() as killed:
        killed.setattr(welcome, "give_due", lambda *_, **__: None)
        card = make_card(code)

    welcome.give_missing_batch(chain.id, now=SOON)
    welcome.give_missing_batch(chain.id, now=SOON + timedelta(minutes=1))

    assert sources_of(card) == [CouponSource.WELCOME]


def test_a_card_that_has_its_gift_gets_no_second(chain, code):
    gift_of(chain)
    card = make_card(code)

    assert count(WelcomeDue) == 0
    assert welcome.give_missing_batch(chain.id, now=SOON) == 0
    assert sources_of(card) == [CouponSource.WELCOME]


def test_a_card_that_a_limit_refused_gets_nothing_later(chain, code):
    gift_of(chain, per_day_limit=1)
    cards = [make_card(code) for _ in range(3)]

    welcome.give_missing_batch(chain.id, now=SOON)
    welcome.give_missing_batch(chain.id, now=in_days(0.9))

    assert [sources_of(card) for card in cards] == [[CouponSource.WELCOME], [], []]


def test_late_gifts_keep_to_the_limit_too(chain, code):
    offer = gift_of(chain, per_day_limit=2)
    cards = [card_before_a_crash(code, offer) for _ in range(3)]

    assert welcome.give_missing_batch(chain.id, now=SOON) == 2
    assert welcome.give_missing_batch(chain.id, now=in_days(0.9)) == 0
    assert sum(len(sources_of(card)) for card in cards) == 2
    assert db.session.scalar(select(func.sum(OfferSlot.claimed))) == 2


def test_whoever_issued_the_card_is_left_a_minute_for_its_gift(chain, code):
    card = card_before_a_crash(code, gift_of(chain))

    assert welcome.give_missing_batch(chain.id, now=NOON + timedelta(seconds=30)) == 0
    assert sources_of(card) == []


def test_whoever_comes_second_for_a_gift_finds_it_given(chain, code):
    card = card_before_a_crash(code, gift_of(chain))
    welcome.give_missing_batch(chain.id, now=SOON)

    with one_action() as hot:
        assert welcome.give_due(hot, card_id=card.id, store_id=None, now=SOON) is None

    assert len(sources_of(card)) == 1


def test_a_member_who_claimed_it_meanwhile_gets_no_second(chain, code):
    offer = gift_of(chain)
    card = card_before_a_crash(code, offer)
    with one_action() as hot:
        claiming.claim(hot, offer.id, wallet_id=card.wallet_id, now=NOON)

    assert welcome.give_missing_batch(chain.id, now=SOON) == 0
    assert sources_of(card) == [CouponSource.CLAIM_PAGE]


def test_a_paused_offer_keeps_its_gifts_waiting_for_a_day(chain, code):
    offer = gift_of(chain)
    early, late = card_before_a_crash(code, offer), card_before_a_crash(code, offer, at=in_days(0.8))
    with transaction():
        db.session.execute(update(Offer).values(state=OfferState.PAUSED))
    welcome.give_missing_batch(chain.id, now=SOON)
    assert count(WelcomeDue) == 2
    welcome.give_missing_batch(chain.id, now=in_days(1.1))
    with transaction():
        db.session.execute(update(Offer).values(state=OfferState.RUNNING))

    welcome.give_missing_batch(chain.id, now=in_days(1.2))

    assert (sources_of(early), sources_of(late)) == ([], [CouponSource.WELCOME])


def test_a_frozen_card_gets_none(chain, code):
    card = card_before_a_crash(code, gift_of(chain))
    with transaction():
        db.session.merge(card).state = CardState.FROZEN

    assert welcome.give_missing_batch(chain.id, now=SOON) == 0
    assert count(WelcomeDue) == 0


def test_a_gift_that_is_gone_is_not_due(chain, code):
    make_offer(chain, stock=1, program_id=program_of(chain).id)

    cards = [make_card(code) for _ in range(3)]

    assert [len(sources_of(card)) for card in cards] == [1, 0, 0]
    assert count(WelcomeDue) == 0
