"""Campaigns that hand out many coupons at once, while members claim the same ones.

That such a race is real, the control of test_claim_race.py shows.
"""

import pytest
from sqlalchemy import func, select

from core.db import db, transaction
from core.hot import one_action, this_transaction
from coupons.claiming import claim
from coupons.claiming_many import claim_many
from coupons.models import Coupon, CouponSource, OfferSlot
from tests.concurrency.racing import race
from tests.factories import NOON, make_card, make_chain, make_offer, make_store, make_store_code

RACERS = 12
MEMBERS = 24


@pytest.fixture
def shop(app):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    return chain, [make_card(code).id for _ in range(MEMBERS)]


@pytest.mark.parametrize("stock", [5, 30, 1000])
def test_the_stock_and_each_members_share_hold_whoever_comes_first(app, shop, stock):
    """Two in three give to all at once, in any order of the cards; the others claim for themselves."""
    chain, cards = shop
    offer_id = make_offer(chain, stock=stock, per_member_limit=2).id

    def attempt(number):
        if number % 3:
            with transaction():
                mine = cards if number % 2 else cards[::-1]
                return len(claim_many(this_transaction(), offer_id, mine, source=CouponSource.CAMPAIGN, now=NOON))
        got = 0
        for card_id in cards[number:] + cards[:number]:
            with one_action() as hot:
                got += claim(hot, offer_id, card_id=card_id, now=NOON).id > 0
        return got

    race(app, attempt, racers=RACERS)
    with transaction():  # whoever met another came away with nothing: now nobody is in the way
        for _ in range(2):
            claim_many(this_transaction(), offer_id, cards, source=CouponSource.CAMPAIGN, now=NOON)

    counts = dict(db.session.execute(select(Coupon.card_id, func.count()).group_by(Coupon.card_id)).all())
    assert sum(counts.values()) == min(stock, 2 * MEMBERS) == db.session.scalar(select(func.sum(OfferSlot.claimed)))
    assert max(counts.values()) <= 2
    of_slots = dict(db.session.execute(select(Coupon.slot, func.count()).group_by(Coupon.slot)).all())
    assert of_slots == dict(
        db.session.execute(select(OfferSlot.slot, OfferSlot.claimed).where(OfferSlot.claimed > 0)).all()
    )
