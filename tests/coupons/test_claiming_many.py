"""Claiming for many cards at once gives what claiming one by one would, and leaves the rest to it."""

import pytest
from sqlalchemy import func, select

from cards.models import CardState
from core.audit import SYSTEM
from core.db import db, transaction
from core.events import Event
from core.hot import this_transaction
from coupons import offers
from coupons.claiming_many import claim_many
from coupons.models import Coupon, CouponSource, OfferSlot
from tests.factories import NOON, make_card, make_chain, make_coupon, make_offer, make_store, make_store_code

pytestmark = pytest.mark.usefixtures("app")

MEMBERS = 12


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def cards(chain):
    code = make_store_code(make_store(chain))
    return [make_card(code) for _ in range(MEMBERS)]


def give(offer, cards):
    with transaction():
        ids = [card.id for card in cards]
        return claim_many(this_transaction(), offer.id, ids, source=CouponSource.CAMPAIGN, now=NOON)


def coupons_of(offer):
    db.session.rollback()
    return db.session.scalars(select(Coupon).filter_by(offer_id=offer.id).order_by(Coupon.card_id)).all()


def taken_from(offer):
    return db.session.scalar(select(func.sum(OfferSlot.claimed)).filter_by(offer_id=offer.id))


def test_each_card_gets_the_coupon_that_a_claim_of_its_own_would_give(chain, cards):
    offer = make_offer(chain, stock=100, valid_delay_days=1)
    alone = make_coupon(cards[0], offer)
    given = give(offer, cards[1:])

    coupons = coupons_of(offer)
    assert given == {coupon.card_id: coupon.id for coupon in coupons if coupon.id != alone.id}
    same = ("chain_id", "offer_id", "ordinal", "state", "store_id", "claimed_at", "valid_from", "valid_until")
    assert {tuple(getattr(coupon, name) for name in same) for coupon in coupons} == {
        tuple(getattr(alone, name) for name in same)
    }
    assert {coupon.source for coupon in coupons if coupon.id != alone.id} == {"campaign"}
    assert {coupon.member_id for coupon in coupons} == {card.member_id for card in cards}
    assert len({coupon.code for coupon in coupons}) == taken_from(offer) == MEMBERS


@pytest.mark.parametrize("stock", [1, 7, MEMBERS, 40])
def test_no_more_are_given_than_there_are_whatever_slots_they_lie_in(chain, cards, stock):
    offer = make_offer(chain, stock=stock)

    first, second = give(offer, cards[:5]), give(offer, cards[5:])

    assert len(first) + len(second) == len(coupons_of(offer)) == taken_from(offer) == min(stock, MEMBERS)
    slots = db.session.execute(select(OfferSlot.slot, OfferSlot.claimed, OfferSlot.stock).filter_by(offer_id=offer.id))
    counted = dict(
        db.session.execute(select(Coupon.slot, func.count()).filter_by(offer_id=offer.id).group_by(Coupon.slot)).all()
    )
    for slot, claimed, most in slots:
        assert counted.get(slot, 0) == claimed <= most


def test_an_unlimited_offer_goes_round_and_a_member_up_to_his_limit(chain, cards):
    offer = make_offer(chain, per_member_limit=2)

    assert [len(give(offer, cards)) for _ in range(3)] == [MEMBERS, MEMBERS, 0]
    assert {coupon.ordinal for coupon in coupons_of(offer)} == {1, 2}


def test_frozen_cards_strangers_and_who_has_his_share_are_left_out(chain, cards):
    offer = make_offer(chain)
    elsewhere = make_store_code(make_store(make_chain(slug="other")))
    frozen, has_one, stranger, good = cards[0], cards[1], make_card(elsewhere), cards[2]
    make_coupon(has_one, offer)
    with transaction():
        db.session.merge(frozen).state = CardState.FROZEN

    assert set(give(offer, [frozen, has_one, stranger, good])) == {good.id}


def test_an_offer_that_does_not_run_gives_none(chain, cards):
    offer = make_offer(chain)
    with transaction():
        offers.pause(chain.id, offer.id, by=SYSTEM, now=NOON)

    assert give(offer, cards) == {}
    assert coupons_of(offer) == []


def test_other_limits_hold_as_well(chain, cards):
    """On PostgreSQL such an offer is left to one claim at a time."""
    offer = make_offer(chain, stock=100, per_day_limit=3)

    assert len(give(offer, cards)) == (0 if db.engine.dialect.name == "postgresql" else 3)
    assert len(coupons_of(offer)) <= 3


def test_partners_hear_of_every_coupon(chain, cards):
    given = give(make_offer(chain, stock=100), cards)

    told = db.session.scalars(select(Event.payload).filter_by(kind="coupon.claimed")).all()
    assert {event["card_id"]: event["coupon_id"] for event in told} == given


def test_nothing_is_asked_for_nobody(chain):
    assert give(make_offer(chain), []) == {}
