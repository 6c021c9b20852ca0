"""The welcome gift: a coupon that comes with a new card, as long as no limit of its offer is reached."""

from datetime import datetime

from core.errors import DomainError
from core.hot import Hot, Sql
from coupons.claiming import claim
from coupons.limits import IS_PLAIN
from coupons.models import CouponSource
from coupons.validity import VALIDITY_DAYS, VALIDITY_POSTGRESQL

# Joins the statement of cards/issuing.py: reads ``origin`` and ``card``. It gives the gift that only its stock limits.
# Another is named and follows in a statement of its own, so that a limit that is reached leaves the card alone.
WELCOME = f"""
gift AS (
    SELECT f.id, f.stock, ({IS_PLAIN}) AS is_plain, {VALIDITY_POSTGRESQL}
    FROM card k JOIN offers f ON f.program_id = k.program_id JOIN chains c ON c.id = f.chain_id{VALIDITY_DAYS}
    WHERE f.state = 'running' AND (f.valid_until IS NULL OR f.valid_until > :now)
      AND NOT EXISTS (SELECT 1 FROM coupons h WHERE h.offer_id = f.id AND h.member_id = k.member_id)
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


def give_welcome(hot: Hot, *, program_id: int, card_id: int, store_id: int | None, now: datetime) -> int | None:
    """Give a new card its welcome coupon; None when the chain gives none, or a limit of it is reached."""
    offer = hot.row(GIFT, program_id=program_id, now=now)
    if offer is None:
        return None
    try:
        return claim(hot, offer[0], card_id=card_id, source=CouponSource.WELCOME, store_id=store_id, now=now).id
    except DomainError:
        return None
