"""The welcome gift: a coupon that comes with a new card, as long as no limit of its offer is reached."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select

from cards.models import Card
from core.db import db, transaction
from core.errors import DomainError
from core.hot import Hot, Sql, this_transaction
from coupons.claiming import claim
from coupons.limits import IS_PLAIN
from coupons.models import CouponSource, Offer, OfferState, WelcomeDue
from coupons.validity import VALIDITY_DAYS, VALIDITY_POSTGRESQL

AT_WORK = timedelta(minutes=1)  # in which whoever issued the card gives the gift as well
STILL_NEW = timedelta(days=1)  # for so long a card that lacks its gift gets it
BATCH = 200

# Joins the statement of cards/issuing.py: reads ``origin`` and ``card``. It gives the gift that only its stock limits.
# Another is written down as due and follows in a transaction of its own, so that a limit that is reached leaves the
# card alone; so does one whose stock was locked for the moment.
WELCOME = f"""
gift AS (
    SELECT f.id, f.stock, ({IS_PLAIN}) AS is_plain, {VALIDITY_POSTGRESQL}
    FROM card k JOIN offers f ON f.program_id = k.program_id JOIN chains c ON c.id = f.chain_id{VALIDITY_DAYS}
    WHERE f.state = 'running' AND (f.valid_until IS NULL OR f.valid_until > :now)
      AND NOT EXISTS (SELECT 1 FROM coupons h WHERE h.offer_id = f.id AND h.member_id = k.member_id)
      AND (f.stock IS NULL OR EXISTS (SELECT 1 FROM offer_slots s WHERE s.offer_id = f.id AND s.claimed < s.stock))
    FOR KEY SHARE OF f
),
gift_picked AS (
    SELECT s.offer_id, s.slot FROM offer_slots s
    WHERE s.offer_id = (SELECT id FROM gift WHERE is_plain) AND s.claimed < s.stock
    ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED
),
gift_slot AS (
    UPDATE offer_slots s SET claimed = claimed + 1 FROM gift_picked p
    WHERE s.offer_id = p.offer_id AND s.slot = p.slot
    RETURNING s.slot
),
gift_coupon AS (
    INSERT INTO coupons (chain_id, offer_id, slot, card_id, member_id, ordinal, code, state, source, store_id,
                         claimed_at, valid_from, valid_until)
    SELECT k.chain_id, g.id, s.slot, k.id, k.member_id, 1, :coupon_code, 'claimed', 'welcome', k.store_id,
           :now, g.valid_from, g.valid_until
    FROM card k CROSS JOIN gift g LEFT JOIN gift_slot s ON TRUE
    WHERE g.is_plain AND (g.stock IS NULL OR s.slot IS NOT NULL)
    RETURNING id, chain_id, offer_id, card_id
),
gift_due AS (
    INSERT INTO welcome_dues (card_id, chain_id, offer_id, due_at)
    SELECT k.id, k.chain_id, g.id, :now FROM card k CROSS JOIN gift g WHERE NOT EXISTS (SELECT 1 FROM gift_coupon)
    RETURNING offer_id
),
gift_told AS (
    INSERT INTO events (chain_id, kind, payload, at)
    SELECT chain_id, 'coupon.claimed',
           jsonb_build_object('coupon_id', id, 'offer_id', offer_id, 'card_id', card_id), :now
    FROM gift_coupon
)"""

GIFT = Sql("""
    SELECT id FROM offers WHERE program_id = :program_id AND state = 'running'
    AND (valid_until IS NULL OR valid_until > :now)
""")
TAKE_DUE = Sql("DELETE FROM welcome_dues WHERE card_id = :card_id RETURNING offer_id")
HAS_IT = Sql("""
    SELECT 1 FROM coupons h JOIN cards k ON k.member_id = h.member_id
    WHERE k.id = :card_id AND h.offer_id = :offer_id
""")


def give_welcome(hot: Hot, *, program_id: int, card_id: int, store_id: int | None, now: datetime) -> int | None:
    """Give a new card its welcome coupon, in the transaction that issues it.

    None when the chain gives none, or a limit of it is reached.
    """
    offer = hot.row(GIFT, program_id=program_id, now=now)
    return None if offer is None else _give(hot, offer[0], card_id=card_id, store_id=store_id, now=now)


def give_due(hot: Hot, *, card_id: int, store_id: int | None, now: datetime) -> int | None:
    """Give a card the welcome coupon that is due to it, once; None when a limit is reached or it was given before."""
    with hot.together() as whole:
        due = whole.row(TAKE_DUE, card_id=card_id)
        if due is None or whole.row(HAS_IT, card_id=card_id, offer_id=due[0]):
            return None
        return _give(whole, due[0], card_id=card_id, store_id=store_id, now=now)


def give_missing_batch(chain_id: int, *, now: datetime) -> int:
    """Give new cards the gift that a crash kept from them; return how many got one.

    One that an offer's limits refuse is not due any more; one whose offer is paused waits, for a day at most.
    """
    of_chain = WelcomeDue.chain_id == chain_id
    late = (
        select(WelcomeDue.card_id)
        .join(Offer, Offer.id == WelcomeDue.offer_id)
        .where(of_chain, WelcomeDue.due_at <= now - AT_WORK, WelcomeDue.due_at > now - STILL_NEW)
        .where(Offer.state == OfferState.RUNNING)
        .order_by(WelcomeDue.due_at, WelcomeDue.card_id)
        .limit(BATCH)
    )
    given = sum(_give_late(card_id, now) for card_id in db.session.scalars(late).all())
    with transaction():
        db.session.execute(delete(WelcomeDue).where(of_chain, WelcomeDue.due_at <= now - STILL_NEW))
    return given


def _give_late(card_id: int, now: datetime) -> bool:
    with transaction():
        store_id = db.session.scalar(select(Card.store_id).where(Card.id == card_id))
        return give_due(this_transaction(), card_id=card_id, store_id=store_id, now=now) is not None


def _give(hot: Hot, offer_id: int, *, card_id: int, store_id: int | None, now: datetime) -> int | None:
    try:
        return claim(hot, offer_id, card_id=card_id, source=CouponSource.WELCOME, store_id=store_id, now=now).id
    except DomainError:
        return None
