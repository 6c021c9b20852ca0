"""What an offer limits beside its stock, at its edges."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from cards.models import Card, Member, Program, Tier
from core.clock import business_day, day_start
from core.db import db, transaction
from core.errors import DomainError
from core.hot import one_action, this_transaction
from core.tokens import hashed
from coupons import claiming
from coupons.models import (
    Coupon,
    Offer,
    OfferBudget,
    OfferDay,
    OfferPhone,
    OfferProgram,
    OfferSlot,
    OfferTier,
)
from tests.factories import NOON, make_card, make_chain, make_offer, make_store, make_store_code, make_wallet, save

pytestmark = pytest.mark.usefixtures("app")
PHONE = "+8613800001111"


@pytest.fixture
def shop():
    chain = make_chain()
    return chain, make_store_code(make_store(chain))


def limited(chain, *, stock=1000, **columns):
    """A running offer with these columns, as the editor would leave it."""
    offer = make_offer(chain, stock=stock, per_member_limit=columns.pop("per_member_limit", 10))
    with transaction():
        db.session.execute(update(Offer).where(Offer.id == offer.id).values(**columns))
    db.session.expire_all()
    return offer


def verified(card, phone=PHONE):
    with transaction():
        db.session.execute(
            update(Member).where(Member.id == card.member_id).values(phone=phone, phone_verified_at=NOON)
        )
    return card


def claim(offer, card, *, now=NOON):
    """The coupon's id, or the code of the refusal."""
    offer_id, card_id = offer.id, card.id
    try:
        with one_action() as hot:
            return claiming.claim(hot, offer_id, card_id=card_id, now=now).id
    except DomainError as refusal:
        return refusal.code


def taken():
    return db.session.scalar(select(func.coalesce(func.sum(OfferSlot.claimed), 0)))


def test_a_business_day_gives_out_its_share_and_the_next_one_another(shop):
    chain, code = shop
    offer, cards = limited(chain, per_day_limit=2), [make_card(code) for _ in range(4)]

    today = [claim(offer, card) for card in cards[:3]]
    tomorrow = claim(offer, cards[3], now=NOON + timedelta(days=1))

    assert today[2] == "offer_day_limit_reached"
    assert isinstance(tomorrow, int)
    rows = db.session.execute(select(OfferDay.day, OfferDay.claimed).order_by(OfferDay.day)).all()
    assert rows == [(date(2026, 5, 20), 2), (date(2026, 5, 21), 1)]
    assert taken() == 3


def test_the_day_of_a_limit_begins_at_the_chains_cut_off():
    chain = make_chain(timezone="Asia/Shanghai", cutoff_hour=4)
    code = make_store_code(make_store(chain))
    offer, cards = limited(chain, per_day_limit=1), [make_card(code) for _ in range(3)]
    before_four, at_four = datetime(2026, 5, 20, 19, 59, tzinfo=UTC), datetime(2026, 5, 20, 20, 0, tzinfo=UTC)

    first, late, next_day = (
        claim(offer, cards[0]),
        claim(offer, cards[1], now=before_four),
        claim(offer, cards[2], now=at_four),
    )

    assert (isinstance(first, int), late, isinstance(next_day, int)) == (True, "offer_day_limit_reached", True)


def test_a_raised_day_limit_holds_at_once(shop):
    chain, code = shop
    offer, cards = limited(chain, per_day_limit=1), [make_card(code) for _ in range(3)]
    claim(offer, cards[0])
    with transaction():
        db.session.execute(update(Offer).values(per_day_limit=2))

    assert [isinstance(claim(offer, card), int) for card in cards[1:]] == [True, False]


def test_a_limit_by_phone_asks_for_a_verified_phone(shop):
    chain, code = shop
    offer, card = limited(chain, per_phone_limit=1), make_card(code)

    assert claim(offer, card) == "phone_needed"
    assert isinstance(claim(offer, verified(card)), int)
    assert db.session.scalar(select(OfferPhone.phone_hash)) == hashed(PHONE)


def test_a_phone_counts_whoever_holds_it(shop):
    chain, code = shop
    offer = limited(chain, per_phone_limit=1)
    first, again = verified(make_card(code)), verified(make_card(code))

    assert isinstance(claim(offer, first), int)
    assert claim(offer, again) == "offer_phone_limit_reached"
    assert taken() == 1


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        ({"kind": "cash", "value_cents": 500}, 500),
        ({"kind": "percent", "value_cents": None, "percent_bp": 1000, "cap_cents": 700}, 700),
        (
            {"kind": "gift", "value_cents": None, "item_cents": 900, "item_name": "甜筒", "item_name_en": "cone"},
            900,
        ),
        (
            {
                "kind": "fixed_price",
                "value_cents": None,
                "item_cents": 900,
                "price_cents": 300,
                "item_name": "甜筒",
                "item_name_en": "cone",
            },
            600,
        ),
    ],
)
def test_a_claim_commits_the_most_its_coupon_can_take(shop, kind, most):
    chain, code = shop
    offer = limited(chain, budget_cents=2 * most + most - 1, **kind)
    cards = [make_card(code) for _ in range(3)]

    got = [claim(offer, card) for card in cards]

    assert got[2] == "offer_budget_spent"
    assert db.session.execute(select(OfferBudget.committed_cents, OfferBudget.budget_cents)).one() == (
        2 * most,
        3 * most - 1,
    )
    assert set(db.session.scalars(select(Coupon.committed_cents))) == {most}
    assert taken() == 2


def test_a_budget_smaller_than_one_coupon_gives_none(shop):
    chain, code = shop

    assert claim(limited(chain, budget_cents=499), make_card(code)) == "offer_budget_spent"
    assert taken() == 0


def test_a_refused_limit_leaves_the_transaction_around_it_usable(shop):
    chain, code = shop
    offer, cards = limited(chain, per_day_limit=1), [make_card(code) for _ in range(2)]
    claim(offer, cards[0])

    with transaction():
        with pytest.raises(DomainError, match="1 coupons are gone"):
            claiming.claim(this_transaction(), offer.id, card_id=cards[1].id, now=NOON)
        db.session.execute(update(Offer).values(name="还在"))

    assert db.session.scalar(select(Offer.name)) == "还在"
    assert taken() == 1


def test_only_cards_of_the_programs_and_tiers_named_can_claim(shop):
    chain, code = shop
    silver, gold = db.session.scalars(select(Tier).order_by(Tier.rank)).all()
    offer = limited(chain, is_for_all_tiers=False)
    save(OfferTier(offer_id=offer.id, tier_id=gold.id))
    card = make_card(code)

    assert claim(offer, card) == "card_not_in_scope"
    with transaction():
        db.session.execute(update(Card).values(tier_id=gold.id))
    assert isinstance(claim(offer, card), int)
    assert silver.rank == 0


def test_a_wallet_claims_with_the_card_that_the_offer_is_for(shop):
    chain, code = shop
    wallet = make_wallet()
    first = make_card(code, wallet_id=wallet)
    other = save(
        Program(chain_id=chain.id, is_default=False, name="黑金卡", name_en="Black", created_at=NOON),
    )
    tier = save(Tier(chain_id=chain.id, program_id=other.id, rank=0, name="黑", name_en="Black"))
    second = save(
        Card(
            chain_id=chain.id,
            program_id=other.id,
            wallet_id=wallet,
            member_id=first.member_id,
            tier_id=tier.id,
            number="6299999999999999",
            code_secret=b"0" * 20,
            channel="scan",
            issued_at=NOON,
            issued_on=NOON.date(),
        )
    )
    offer = limited(chain, is_for_all_programs=False)
    save(OfferProgram(offer_id=offer.id, program_id=other.id))

    offer_id = offer.id
    with one_action() as hot:
        claimed = claiming.claim(hot, offer_id, wallet_id=wallet, now=NOON)

    assert claimed.card_id == second.id
    assert claim(offer, first) == "card_not_in_scope"


ZONES = ["Asia/Shanghai", "America/New_York", "America/Havana", "Australia/Lord_Howe", "America/Santiago"]
DAYS = ["2026-03-06T12:00", "2026-04-03T02:00", "2026-09-04T16:00", "2026-10-02T02:00", "2026-10-30T16:00"]


@pytest.mark.parametrize("cutoff_hour", [0, 2])
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("when", DAYS)
@pytest.mark.parametrize("delay", [1, 2])
def test_a_delayed_validity_begins_with_a_business_day(zone, when, cutoff_hour, delay):
    chain = make_chain(timezone=zone, cutoff_hour=cutoff_hour)
    card = make_card(make_store_code(make_store(chain)))
    offer = limited(chain, valid_delay_days=delay, valid_days=3)
    now = datetime.fromisoformat(when).replace(tzinfo=UTC)
    today = business_day(now, zone, cutoff_hour)

    coupon = db.session.get_one(Coupon, claim(offer, card, now=now))

    assert coupon.valid_from == day_start(today + timedelta(days=delay), zone, cutoff_hour)
    assert coupon.valid_until == day_start(today + timedelta(days=delay + 3), zone, cutoff_hour)


@pytest.mark.parametrize(
    ("columns", "given"),
    [({"per_day_limit": 1}, 1), ({"budget_cents": 1200}, 2), ({"per_phone_limit": 1}, 0), ({}, 3)],
)
def test_a_welcome_gift_that_ran_out_leaves_the_card(shop, columns, given):
    chain, code = shop
    program_id = db.session.scalar(select(Program.id))
    limited(chain, program_id=program_id, per_member_limit=1, **columns)

    cards = [make_card(code) for _ in range(3)]

    assert len(cards) == 3
    assert db.session.scalar(select(func.count(Coupon.id))) == given
