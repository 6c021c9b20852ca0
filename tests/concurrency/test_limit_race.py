"""A day's share, a phone's and the budget under parallel claims, and the proof that the race is real."""

from threading import Barrier

import pytest
from sqlalchemy import String, cast, func, select, update

from cards.models import Member
from core.db import db, insert, transaction
from core.hot import one_action
from coupons.claiming import claim
from coupons.models import Coupon, Offer, OfferBudget, OfferDay, OfferPhone, OfferSlot
from tests.concurrency.racing import race
from tests.factories import NOON, make_card, make_chain, make_offer, make_store, make_store_code

RACERS = 16


@pytest.fixture
def shop(app):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    return chain, [make_card(code) for _ in range(RACERS)]


def limited(chain, **columns):
    offer = make_offer(chain, stock=1000, per_member_limit=100)
    with transaction():
        db.session.execute(update(Offer).where(Offer.id == offer.id).values(**columns))
    return offer.id


def claims(app, offer_id, cards, *, each=1):
    def attempt(number):
        for _ in range(each):
            with one_action() as hot:
                claim(hot, offer_id, card_id=cards[number].id, now=NOON)
        return "claimed"

    return race(app, attempt, racers=RACERS)


def given():
    """Coupons, and what the slots say that went out: always the same."""
    coupons = db.session.scalar(select(func.count(Coupon.id)))
    assert db.session.scalar(select(func.sum(OfferSlot.claimed))) == coupons
    return coupons


@pytest.mark.parametrize("limit", [1, 5])
def test_a_day_gives_out_its_share_and_no_more(app, shop, limit):
    chain, cards = shop

    results = claims(app, limited(chain, per_day_limit=limit), cards)

    assert sorted(results) == ["claimed"] * limit + ["offer_day_limit_reached"] * (RACERS - limit)
    assert given() == limit == db.session.scalar(select(OfferDay.claimed))


def test_a_phone_gets_its_share_and_no_more(app, shop):
    chain, cards = shop
    with transaction():
        db.session.execute(update(Member).values(phone="+8613800001111", phone_verified_at=NOON))

    results = claims(app, limited(chain, per_phone_limit=2), cards)

    assert sorted(results) == ["claimed"] * 2 + ["offer_phone_limit_reached"] * (RACERS - 2)
    assert given() == 2 == db.session.scalar(select(OfferPhone.claimed))


def test_a_budget_is_committed_to_the_last_coupon_and_no_further(app, shop):
    chain, cards = shop

    results = claims(app, limited(chain, budget_cents=5 * 500 + 499), cards)

    assert sorted(results) == ["claimed"] * 5 + ["offer_budget_spent"] * (RACERS - 5)
    assert given() * 500 == 2500 == db.session.scalar(select(OfferBudget.committed_cents))


def test_all_limits_at_once_refuse_without_leaving_a_trace(app, shop):
    """Three limits that end one after another: what one refuses, the others have not counted."""
    chain, cards = shop
    with transaction():
        db.session.execute(update(Member).values(phone_verified_at=NOON, phone=cast(Member.id, String)))
    offer_id = limited(chain, per_day_limit=9, per_phone_limit=1, budget_cents=7 * 500)

    claims(app, offer_id, cards, each=2)

    counted = [db.session.scalar(select(func.sum(c))) for c in (OfferDay.claimed, OfferPhone.claimed)]
    assert [given(), *counted] == [7, 7, 7]
    assert db.session.scalar(select(OfferBudget.committed_cents)) == 3500


def test_control_the_race_for_a_day_is_real(app, shop):
    """Look-then-write gives out too many. If this fails, the tests above prove nothing."""
    offer_id = limited(shop[0], per_day_limit=1)
    looked = Barrier(RACERS)

    def look_then_write(number):
        before = db.session.scalar(select(OfferDay.claimed).filter_by(offer_id=offer_id)) or 0
        db.session.rollback()
        looked.wait()
        if before < 1:
            row = {"offer_id": offer_id, "day": NOON.date(), "claimed": 1, "most": RACERS}
            with transaction():
                db.session.execute(
                    insert(OfferDay)
                    .values(row)
                    .on_conflict_do_update(index_elements=["offer_id", "day"], set_={"claimed": OfferDay.claimed + 1})
                )
        return "claimed" if before < 1 else "refused"

    assert race(app, look_then_write, racers=RACERS).count("claimed") > 1
    assert db.session.scalar(select(OfferDay.claimed)) > 1
