"""A printed code, a day's gifts of one clerk and a list of phones under parallel use; with the proof of the race."""

import io
from threading import Barrier

import pytest
from sqlalchemy import func, select, update

from cards.models import Card, Member
from core.audit import SYSTEM
from core.db import db, transaction
from coupons import entering, handing_out, printing, staff_gifts
from coupons.code_models import PrintedCode
from coupons.expiring import expire_batch
from coupons.gift_models import StaffGift
from coupons.models import Coupon, Offer, OfferBudget, OfferSlot
from coupons.voiding import void_coupon
from stores.models import Chain
from tests.concurrency.racing import race
from tests.factories import (
    NOON,
    in_days,
    make_card,
    make_chain,
    make_coupon,
    make_offer,
    make_staff,
    make_store,
    make_store_code,
)

RACERS = 16


@pytest.fixture
def shop(app):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    return chain.id, [make_card(code).id for _ in range(RACERS)], make_offer(chain, stock=1000, per_member_limit=100).id


def printed(chain_id, offer_id):
    with transaction():
        batch = printing.make_batch(chain_id, offer_id, size=3, name="", by=SYSTEM, now=NOON)
    printing.fill_batch(chain_id, batch.id)
    return db.session.scalar(select(PrintedCode.code).limit(1))


def given():
    db.session.rollback()  # what was read before the race is old
    coupons = db.session.scalar(select(func.count(Coupon.id)))
    assert db.session.scalar(select(func.sum(OfferSlot.claimed))) == coupons
    return coupons


def test_a_printed_code_is_one_coupon(app, shop):
    chain_id, cards, offer_id = shop
    code = printed(chain_id, offer_id)

    def attempt(number):
        with transaction():
            entry = entering.find_entries([chain_id], code)[0]
            return str(entering.enter(entry, card_ids=[cards[number]], now=NOON).was_there)

    results = race(app, attempt, racers=RACERS)

    assert sorted(results) == ["False"] + ["printed_code_used"] * (RACERS - 1)
    assert given() == 1


def test_a_code_is_used_or_void_and_nothing_between(app, shop):
    chain_id, cards, offer_id = shop
    code = printed(chain_id, offer_id)
    batch_id = db.session.scalar(select(PrintedCode.batch_id).limit(1))

    def attempt(number):
        if number == 0:
            return printing.void_batch(chain_id, batch_id, by=SYSTEM, now=NOON)
        with transaction():
            entry = entering.find_entries([chain_id], code)[0]
            return str(entering.enter(entry, card_ids=[cards[number]], now=NOON).was_there)

    results = race(app, attempt, racers=RACERS)[1:]

    assert results.count("False") <= 1
    assert set(results) <= {"False", "printed_code_used", "entered_code_unknown"}
    assert given() == results.count("False")


def test_parallel_workers_fill_a_batch_exactly(app, shop, monkeypatch):
    chain_id, _, offer_id = shop
    monkeypatch.setattr(printing, "PIECE", 7)
    with transaction():
        batch_id = printing.make_batch(chain_id, offer_id, size=100, name="", by=SYSTEM, now=NOON).id

    def attempt(_number):
        while not printing.fill_batch(chain_id, batch_id).is_whole:
            pass

    race(app, attempt, racers=8)

    assert db.session.scalar(select(func.count()).select_from(PrintedCode)) == 100


def test_one_clerk_gives_his_share_and_no_more(app, shop):
    chain_id, cards, offer_id = shop
    staff_id = make_staff(db.session.get_one(Chain, chain_id)).id
    with transaction():
        db.session.execute(update(Offer).values(staff_gift_limit=5))

    def attempt(number):
        with transaction():
            staff_gifts.give(
                chain_id,
                offer_id,
                staff_id=staff_id,
                card_id=cards[number],
                store_id=None,
                reason="x",
                by=SYSTEM,
                now=NOON,
            )
        return "given"

    results = race(app, attempt, racers=RACERS)

    assert sorted(results) == ["given"] * 5 + ["staff_gift_limit_reached"] * (RACERS - 5)
    assert given() == 5 == db.session.scalar(select(func.max(StaffGift.ordinal)))


def test_a_list_handed_out_several_times_at_once_gives_one_each(app, shop):
    chain_id, _, offer_id = shop
    with transaction():
        first = db.session.scalar(select(func.min(Member.id)))
        db.session.execute(update(Member).where(Member.id == first).values(phone="+8613800000001"))

    def attempt(_number):
        line = next(handing_out.read_phones(io.BytesIO(b"13800000001"), currency="CNY"))
        return str(handing_out.hand_out_batch(chain_id, offer_id, line, key="list", now=NOON).outcome)

    results = race(app, attempt, racers=RACERS)

    assert sorted(results) == ["accepted"] + ["already_has"] * (RACERS - 1)
    assert given() == 1


def test_a_budget_is_freed_once_though_staff_and_clock_end_the_coupon_together(app, shop):
    chain_id, cards, offer_id = shop
    with transaction():
        db.session.execute(update(Offer).values(budget_cents=100_000))
    offer, card = db.session.get_one(Offer, offer_id), db.session.get_one(Card, cards[0])
    ids = [make_coupon(card, offer).id for _ in range(RACERS)]
    make_coupon(card, offer, now=in_days(20))

    def attempt(number):
        if number % 2:
            return expire_batch(chain_id, now=in_days(31))
        with transaction():
            void_coupon(chain_id, ids[number], reason="x", by=SYSTEM, now=NOON)
        return "void"

    race(app, attempt, racers=RACERS)

    assert db.session.scalar(select(OfferBudget.committed_cents)) == 500


def test_control_the_race_for_a_code_is_real(app, shop):
    """Look-then-write uses a code several times. If this fails, the tests above prove nothing."""
    chain_id, _cards, offer_id = shop
    code = printed(chain_id, offer_id)
    looked = Barrier(RACERS)

    def look_then_write(_number):
        free = db.session.scalar(select(PrintedCode.used_at).filter_by(code=code)) is None
        db.session.rollback()
        looked.wait()
        if free:
            with transaction():
                db.session.execute(update(Offer).values(min_cents=Offer.min_cents + 1))
        return "used" if free else "refused"

    assert race(app, look_then_write, racers=RACERS).count("used") > 1
