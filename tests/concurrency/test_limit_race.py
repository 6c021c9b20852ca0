"""A day's share, a phone's and the budget under parallel claims, and the proof that the race is real."""

from threading import Barrier, Event
from time import sleep

import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy import String, cast, func, select, text, update

from cards.models import Member
from core.audit import SYSTEM
from core.db import db, insert, transaction
from core.hot import one_action, this_transaction
from coupons import staff_gifts
from coupons.claiming import claim
from coupons.handing_out import Line, hand_out_batch
from coupons.models import Coupon, Offer, OfferBudget, OfferDay, OfferPhone, OfferSlot
from push.delivering.handing_out import Carrier, hand_out
from tests.concurrency.racing import race
from tests.factories import NOON, make_card, make_chain, make_offer, make_staff, make_store, make_store_code

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


def test_every_way_to_the_last_coupons_of_a_day_comes_through(app, shop):
    """Gifts of staff, lists of phones, campaigns, claims of wallets: each is one coupon in a transaction of its own."""
    chain, cards = shop
    with transaction():
        db.session.execute(update(Member).values(phone="+86138" + func.substr(cast(10**8 + Member.id, String), 2)))
    phones = {row.id: row.phone for row in db.session.execute(select(Member.id, Member.phone))}
    offer = make_offer(chain, stock=RACERS, per_member_limit=100, is_public=True, staff_gift_limit=1000)
    with transaction():
        db.session.execute(update(Offer).values(per_day_limit=RACERS, budget_cents=RACERS * 500))
    staff_ids = [make_staff(chain).id for _ in range(2)]
    store_id = cards[0].store_id

    def attempt(number):
        card, way = cards[number], number % 4
        for again in range(2):
            if way == 0:
                with transaction():
                    who = {"staff_id": staff_ids[number % 2], "card_id": card.id, "store_id": store_id}
                    staff_gifts.give(chain.id, offer.id, **who, reason="x", by=SYSTEM, now=NOON)
            elif way == 1:
                line = Line(1, "", phones[card.member_id])
                hand_out_batch(chain.id, offer.id, line, key=f"{again}", now=NOON)
            elif way == 2:
                with transaction():
                    carrier = Carrier(number, chain.id, again, card.member_id, card.id)
                    hand_out(carrier, offer.id, now=NOON)
            else:
                with one_action() as hot:
                    claim(hot, offer.id, wallet_id=card.wallet_id, now=NOON)
        return "done"

    results = race(app, attempt, racers=RACERS)

    gone = {"offer_sold_out", "offer_day_limit_reached", "offer_budget_spent"}
    assert {result for result in results if result != "done"} <= gone
    assert given() == RACERS == db.session.scalar(select(OfferDay.claimed))
    assert db.session.scalar(select(OfferBudget.committed_cents)) == RACERS * 500


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_control_two_claims_in_one_transaction_would_meet_others_coming_the_other_way(app, shop):
    """It holds the day's row and wants a slot; another holds a slot and wants the day. No way above claims twice."""
    chain, cards = shop
    offer = make_offer(chain, stock=3, per_member_limit=100)
    with transaction():
        db.session.execute(update(Offer).values(per_day_limit=1000))
    has_one, deadlocks = Event(), []

    def attempt(number):
        if number:
            has_one.wait()
            with one_action() as hot:
                return claim(hot, offer.id, card_id=cards[number].id, now=NOON).id
        try:
            with transaction():
                db.session.execute(text("SET LOCAL deadlock_timeout = '10ms'"))  # so that it is this one that ends
                for _ in range(2):
                    claim(this_transaction(), offer.id, card_id=cards[0].id, now=NOON)
                    has_one.set()
                    sleep(0.3)
        except DeadlockDetected as error:
            deadlocks.append(error)
        return None

    race(app, attempt, racers=4)

    assert deadlocks
