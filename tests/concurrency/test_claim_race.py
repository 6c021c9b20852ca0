"""Stock and limits under parallel claims, and the proof that the race is real."""

from threading import Barrier

import pytest
from sqlalchemy import func, select

from core.db import db, transaction
from core.hot import one_action
from coupons.claiming import claim
from coupons.models import Coupon, OfferSlot
from tests.concurrency.racing import race
from tests.factories import NOON, make_card, make_chain, make_offer, make_store, make_store_code

RACERS = 16


@pytest.fixture
def shop(app):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    return chain, [make_card(code) for _ in range(RACERS)]


@pytest.mark.parametrize("stock", [1, 7, 100])
def test_stock_is_given_out_to_the_last_and_no_further(app, shop, stock):
    chain, cards = shop
    offer_id = make_offer(chain, stock=stock, per_member_limit=100).id
    each = stock // RACERS + 2

    def attempt(number):
        got = []
        for _ in range(each):
            with one_action() as hot:
                got.append(claim(hot, offer_id, card_id=cards[number].id, now=NOON).id)
        return got

    race(app, attempt, racers=RACERS)

    assert db.session.scalar(select(func.count(Coupon.id))) == stock
    assert db.session.scalar(select(func.sum(OfferSlot.claimed))) == stock


def test_one_member_gets_his_limit_and_no_more(app, shop):
    chain, cards = shop
    offer_id = make_offer(chain, stock=1000, per_member_limit=2).id

    def attempt(_number):
        with one_action() as hot:
            claim(hot, offer_id, card_id=cards[0].id, now=NOON)
        return "claimed"

    results = race(app, attempt, racers=RACERS)

    assert sorted(results) == ["claimed"] * 2 + ["offer_limit_reached"] * (RACERS - 2)
    assert db.session.scalar(select(func.sum(OfferSlot.claimed))) == 2


def test_control_the_race_is_real(app, shop):
    """Look-then-write gives out too many. If this fails, the tests above prove nothing."""
    chain, cards = shop
    offer_id = make_offer(chain, stock=1).id
    looked = Barrier(RACERS)

    def look_then_write(number):
        free = db.session.scalar(select(func.sum(OfferSlot.stock - OfferSlot.claimed)).filter_by(offer_id=offer_id))
        db.session.rollback()
        looked.wait()
        if free:
            with transaction():
                db.session.add(
                    Coupon(
                        chain_id=chain.id,
                        offer_id=offer_id,
                        card_id=cards[number].id,
                        member_id=cards[number].member_id,
                        ordinal=1,
                        code=f"code-{number}",
                        source="api",
                        claimed_at=NOON,
                        valid_from=NOON,
                        valid_until=NOON.replace(year=2027),
                    )
                )
        return "claimed" if free else "refused"

    assert race(app, look_then_write, racers=RACERS).count("claimed") > 1
