"""The ways to a coupon beside the claim page: a word, a gift of the staff, a list of phones; and its end."""

import io
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from cards.models import Member
from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from core.errors import DomainError
from core.hot import one_action
from coupons import entering, handing_out, sightings, staff_gifts, voiding
from coupons.claiming import claim
from coupons.expiring import expire_batch
from coupons.gift_models import StaffGift
from coupons.models import Coupon, Offer, OfferBudget, OfferSighting, OfferSlot
from coupons.redeeming import give_back
from stores.models import Role
from tests.factories import (
    NOON,
    make_card,
    make_chain,
    make_coupon,
    make_offer,
    make_staff,
    make_store,
    make_store_code,
)

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def shop():
    chain = make_chain()
    return chain, make_store_code(make_store(chain))


def offer_with(chain, **columns):
    columns = {"per_member_limit": 10} | columns
    offer = make_offer(chain, stock=1000)
    with transaction():
        db.session.execute(update(Offer).where(Offer.id == offer.id).values(**columns))
    db.session.expire_all()
    return offer


def count_coupons():
    return db.session.scalar(select(func.count(Coupon.id)))


# --- words --------------------------------------------------------------------------------------------------------


def enter(chain, text, card):
    try:
        with transaction():
            entries = entering.find_entries([chain.id], text)
            return entering.enter(entries[0], card_ids=[card.id], now=NOON) if entries else "nothing found"
    except DomainError as refusal:
        return refusal.code


@pytest.mark.parametrize("typed", ["雪山夏日", " 雪山夏日 "])
def test_a_claim_word_gives_its_coupon(shop, typed):
    chain, code = shop
    offer = offer_with(chain, claim_word="雪山夏日", is_public=False)

    entered = enter(chain, typed, make_card(code))

    assert (entered.offer_id, entered.was_there) == (offer.id, False)
    assert db.session.scalar(select(Coupon.source)) == "claim_word"


@pytest.mark.parametrize("typed", ["summer", "SUMMER", "ｓｕｍｍｅｒ"])
def test_capitals_and_width_of_a_word_do_not_matter(shop, typed):
    chain, code = shop
    offer_with(chain, claim_word="summer")

    assert enter(chain, typed, make_card(code)).was_there is False


@pytest.mark.parametrize("state", ["draft", "paused", "ended"])
def test_the_word_of_an_offer_that_does_not_run_is_not_known(shop, state):
    chain, code = shop
    offer_with(chain, claim_word="summer", state=state)

    assert enter(chain, "summer", make_card(code)) == "nothing found"


def test_a_word_is_known_in_its_own_chain_only(shop):
    chain, _ = shop
    other = make_chain("other")
    offer, same = offer_with(chain, claim_word="summer"), offer_with(other, claim_word="summer")

    assert [entry.offer_id for entry in entering.find_entries([chain.id], "summer")] == [offer.id]
    assert [entry.offer_id for entry in entering.find_entries([other.id, chain.id], "summer")] == [offer.id, same.id]


def test_a_word_has_the_limits_of_its_offer(shop):
    chain, code = shop
    offer_with(chain, claim_word="summer", per_member_limit=1)
    card = make_card(code)
    enter(chain, "summer", card)

    assert enter(chain, "summer", card) == "offer_limit_reached"


# --- gifts of the staff -------------------------------------------------------------------------------------------


def gift(chain, offer, staff, card, *, reason="等太久了", now=NOON):
    try:
        with transaction():
            return staff_gifts.give(
                chain.id,
                offer.id,
                staff_id=staff.id,
                card_id=card.id,
                store_id=None,
                reason=reason,
                by=SYSTEM,
                now=now,
            ).id
    except DomainError as refusal:
        return refusal.code


def test_staff_give_so_many_a_business_day_each_with_a_reason(shop):
    chain, code = shop
    offer, card = offer_with(chain, staff_gift_limit=2), make_card(code)
    clerk, other = make_staff(chain, Role.HQ_ADMIN), make_staff(chain, Role.HQ_ADMIN)

    got = [gift(chain, offer, clerk, card) for _ in range(3)]
    tomorrow = gift(chain, offer, clerk, card, now=NOON + timedelta(days=1))

    assert got[2] == "staff_gift_limit_reached"
    assert isinstance(tomorrow, int)
    assert isinstance(gift(chain, offer, other, card), int)
    rows = db.session.execute(select(StaffGift.staff_id, StaffGift.ordinal).order_by(StaffGift.coupon_id)).all()
    assert rows == [(clerk.id, 1), (clerk.id, 2), (clerk.id, 1), (other.id, 1)]
    assert count_coupons() == 4 == db.session.scalar(select(func.sum(OfferSlot.claimed)))
    assert db.session.scalar(select(func.count()).where(AuditEntry.action == "coupon given")) == 4
    assert staff_gifts.count_given(chain.id, clerk.id, now=NOON) == {offer.id: 2}


@pytest.mark.parametrize(
    ("columns", "reason", "refusal"),
    [
        ({}, "等太久了", "staff_gift_not_allowed"),
        ({"staff_gift_limit": 5}, "  ", "reason_needed"),
        ({"staff_gift_limit": 5, "state": "paused"}, "等太久了", "offer_not_running"),
    ],
)
def test_a_gift_that_is_refused_leaves_nothing(shop, columns, reason, refusal):
    chain, code = shop
    offer = offer_with(chain, **columns)

    assert gift(chain, offer, make_staff(chain), make_card(code), reason=reason) == refusal
    assert count_coupons() == 0


def test_staff_see_what_they_can_give(shop):
    chain, _ = shop
    give = offer_with(chain, staff_gift_limit=1)
    offer_with(chain)
    offer_with(chain, staff_gift_limit=1, state="paused")

    assert [offer.id for offer in staff_gifts.offers_to_give(chain.id, now=NOON)] == [give.id]


# --- a list of phones ---------------------------------------------------------------------------------------------


def with_phone(card, phone):
    with transaction():
        db.session.execute(update(Member).where(Member.id == card.member_id).values(phone=phone))
    return card


def hand_out(chain, offer, content, *, key="list"):
    lines = handing_out.read_phones(io.BytesIO(content.encode()), currency="CNY")
    return [handing_out.hand_out_batch(chain.id, offer.id, line, key=key, now=NOON) for line in lines]


LIST = "姓名,手机\n王,13800000001\n李,+86 138 0000 0002\n张,13800000009\n\n赵,12345\n王,138-0000-0001\n"


def test_every_line_of_a_list_is_told_what_became_of_it(shop):
    chain, code = shop
    for last in (1, 2):
        with_phone(make_card(code), f"+861380000000{last}")
    offer = offer_with(chain)

    handed = hand_out(chain, offer, LIST)

    assert [(line.line, str(line.outcome)) for line in handed] == [
        (2, "accepted"),
        (3, "accepted"),
        (4, "unknown_phone"),
        (6, "malformed"),
        (7, "already_has"),
    ]
    assert db.session.scalars(select(Coupon.source)).all() == ["import", "import"]


def test_a_list_handed_out_again_gives_nothing_again(shop):
    chain, code = shop
    with_phone(make_card(code), "+8613800000001")
    offer = offer_with(chain)
    hand_out(chain, offer, "13800000001")

    again = hand_out(chain, offer, "13800000001")
    another = hand_out(chain, offer, "13800000001", key="another list")

    assert [str(line.outcome) for line in (*again, *another)] == ["already_has", "accepted"]
    assert count_coupons() == 2


def test_what_stands_in_the_way_of_a_line_is_said_and_can_be_tried_again(shop):
    chain, code = shop
    for last in (1, 2):
        with_phone(make_card(code), f"+861380000000{last}")
    offer = offer_with(chain, per_day_limit=1)
    first = hand_out(chain, offer, "13800000001\n13800000002\n")
    with transaction():
        db.session.execute(update(Offer).values(per_day_limit=None))

    second = hand_out(chain, offer, "13800000001\n13800000002\n")

    assert [(line.outcome, line.refusal and line.refusal.code) for line in first] == [
        ("accepted", None),
        ("limit", "offer_day_limit_reached"),
    ]
    assert [str(line.outcome) for line in second] == ["already_has", "accepted"]


def test_a_dry_run_foresees_and_changes_nothing(shop):
    chain, code = shop
    with_phone(make_card(code), "+8613800000001")
    had = with_phone(make_card(code), "+8613800000002")
    offer = offer_with(chain, per_member_limit=1)
    make_coupon(had, offer)

    lines = handing_out.read_phones(io.BytesIO(LIST.encode()), currency="CNY")
    foreseen = [handing_out.foresee(chain.id, offer.id, line, now=NOON) for line in lines]

    assert [str(line.outcome) for line in foreseen] == [
        "accepted",
        "already_has",
        "unknown_phone",
        "malformed",
        "accepted",
    ]
    assert count_coupons() == 1


# --- the end of a coupon ------------------------------------------------------------------------------------------


def committed():
    return db.session.scalar(select(OfferBudget.committed_cents))


def void(chain, coupon, *, reason="发错了"):
    try:
        with transaction():
            return voiding.void_coupon(chain.id, coupon.id, reason=reason, by=SYSTEM, now=NOON).state
    except DomainError as refusal:
        return refusal.code


def test_a_void_coupon_frees_its_budget_once(shop):
    chain, code = shop
    offer, card = offer_with(chain, budget_cents=1000), make_card(code)
    first, _ = make_coupon(card, offer), make_coupon(card, offer)

    assert (void(chain, first), committed()) == ("void", 500)
    assert (void(chain, first), committed()) == ("coupon_not_usable", 500)
    assert make_coupon(card, offer).committed_cents == 500
    assert db.session.scalar(select(AuditEntry.after).filter_by(action="coupon voided"))["reason"] == "发错了"


def test_voiding_needs_a_reason_and_a_coupon_of_the_chain(shop):
    chain, code = shop
    coupon = make_coupon(make_card(code), make_offer(chain))

    assert void(chain, coupon, reason=" ") == "reason_needed"
    assert void(make_chain("other"), coupon) == "coupon_not_found"


def test_a_used_coupon_is_not_voided(shop):
    chain, code = shop
    coupon = make_coupon(make_card(code), make_offer(chain), state="redeemed", redeemed_at=NOON)

    assert void(chain, coupon) == "coupon_already_redeemed"


def test_expired_coupons_free_exactly_what_they_had_committed(shop):
    chain, code = shop
    card = make_card(code)
    offers = [offer_with(chain, budget_cents=5000) for _ in range(2)]
    for offer in offers:
        for _ in range(3):
            make_coupon(card, offer)
    make_coupon(card, offers[0], now=NOON + timedelta(days=20))

    expired = expire_batch(chain.id, now=NOON + timedelta(days=31))
    again = expire_batch(chain.id, now=NOON + timedelta(days=31))

    assert (expired, again) == (6, 0)
    left = db.session.scalars(select(OfferBudget.committed_cents).order_by(OfferBudget.offer_id)).all()
    assert left == [500, 0]


def test_a_coupon_that_comes_back_expired_frees_its_budget(shop):
    chain, code = shop
    offer = offer_with(chain, budget_cents=1000)
    coupon = make_coupon(make_card(code), offer, state="redeemed", redeemed_at=NOON)
    usable = make_coupon(make_card(code), offer, state="redeemed", redeemed_at=NOON)

    with transaction():
        give_back([usable.id], now=NOON)
        give_back([coupon.id], now=NOON + timedelta(days=60))

    assert committed() == 500


# --- who saw it ---------------------------------------------------------------------------------------------------


def test_a_visitor_counts_once_a_business_day(shop):
    chain, _ = shop
    offer_id = make_offer(chain).id
    late = NOON + timedelta(hours=13)  # past midnight

    def see(visitor, now):
        with one_action() as hot:
            return sightings.see(hot, [offer_id, 999], visitor=visitor, now=now)

    new = [see("a" * 64, NOON), see("a" * 64, NOON), see("b" * 64, NOON), see("a" * 64, late)]

    assert new == [1, 0, 1, 1]
    assert db.session.scalar(select(func.count()).select_from(OfferSighting)) == 3
    assert db.session.scalar(select(OfferSighting.source).limit(1)) == "claim_page"


def test_a_claim_of_a_card_that_is_gone_says_so(shop):
    chain, _ = shop
    offer_id = make_offer(chain).id

    with pytest.raises(DomainError, match="membership card first"), one_action() as hot:
        claim(hot, offer_id, card_id=12345, now=NOON)
