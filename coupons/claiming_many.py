"""Claiming for many cards at once, as a campaign does: by one statement where the offer counts nothing but its stock.

It never refuses. A card that comes away without a coupon is for ``claim``, which gives it one or says what stands in
the way; so whatever is rare or difficult is decided there, and only there.
"""

from collections.abc import Collection
from datetime import datetime

from core.errors import DomainError
from core.hot import AlreadyThere, Hot, Sql
from core.tokens import new_code
from coupons import limits
from coupons.claiming import claim
from coupons.models import CouponSource
from coupons.validity import VALIDITY_DAYS, VALIDITY_POSTGRESQL

# The slots are locked in their order before a coupon is written, so that two of these never wait for one another; each
# coupon's place among them says from which slot it is taken. Who already holds as many as he may is left out. When a
# member claims at this very moment, the unique key refuses all of it.
CLAIM_MANY = Sql(f"""
WITH offer AS (
    SELECT f.id, f.chain_id, f.stock, f.per_member_limit, {VALIDITY_POSTGRESQL}
    FROM offers f JOIN chains c ON c.id = f.chain_id{VALIDITY_DAYS}
    WHERE f.id = :offer_id AND f.state = 'running' AND (f.valid_until IS NULL OR f.valid_until > :now)
      AND {limits.IS_PLAIN}
    FOR KEY SHARE OF f
),
wanted AS (
    SELECT k.id AS card_id, k.member_id, one.code, held.count, row_number() OVER (ORDER BY k.id) AS place
    FROM unnest(:cards ::bigint[], :codes ::text[]) AS one (card_id, code)
    JOIN cards k ON k.id = one.card_id
    JOIN offer f ON f.chain_id = k.chain_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS count FROM coupons WHERE offer_id = f.id AND member_id = k.member_id
    ) held
    WHERE k.state = 'active' AND held.count < f.per_member_limit
),
free AS (
    SELECT s.slot, s.stock - s.claimed AS count FROM offer_slots s
    WHERE s.offer_id = (SELECT id FROM offer) AND s.claimed < s.stock AND EXISTS (SELECT 1 FROM wanted)
    ORDER BY s.slot FOR UPDATE
),
slot AS (
    SELECT slot, coalesce(sum(count) OVER (ORDER BY slot) - count, 0) AS after, sum(count) OVER (ORDER BY slot) AS upto
    FROM free
),
taken AS (
    UPDATE offer_slots s
    SET claimed = s.claimed + least(slot.upto, (SELECT count(*) FROM wanted)) - slot.after
    FROM slot WHERE s.offer_id = (SELECT id FROM offer) AND s.slot = slot.slot
      AND slot.after < (SELECT count(*) FROM wanted)
),
coupon AS (
    INSERT INTO coupons (chain_id, offer_id, slot, card_id, member_id, ordinal, code, state, source, claimed_at,
                         valid_from, valid_until)
    SELECT f.chain_id, f.id, slot.slot, w.card_id, w.member_id, w.count + 1, w.code, 'claimed', :source, :now,
           f.valid_from, f.valid_until
    FROM wanted w CROSS JOIN offer f LEFT JOIN slot ON w.place > slot.after AND w.place <= slot.upto
    WHERE f.stock IS NULL OR slot.slot IS NOT NULL
    RETURNING id, chain_id, offer_id, card_id
),
told AS (
    INSERT INTO events (chain_id, kind, payload, at)
    SELECT chain_id, 'coupon.claimed',
           jsonb_build_object('coupon_id', id, 'offer_id', offer_id, 'card_id', card_id), :now
    FROM coupon
)
SELECT card_id, id FROM coupon""")


def claim_many(
    hot: Hot, offer_id: int, card_ids: Collection[int], *, source: CouponSource, now: datetime
) -> dict[int, int]:
    """Give each of these cards, all of different members, a coupon; return the coupons' ids by card.

    Needs an open transaction. On PostgreSQL an offer with a day's or a phone's limit, a budget or a scope gives none
    here.
    """
    if not card_ids:
        return {}
    if not hot.is_postgresql:
        return _one_by_one(hot, offer_id, card_ids, source=source, now=now)
    cards = sorted(card_ids)
    codes = [new_code() for _ in cards]
    try:
        rows = hot.rows(CLAIM_MANY, offer_id=offer_id, cards=cards, codes=codes, source=source, now=now)
    except AlreadyThere:
        return {}
    return {row[0]: row[1] for row in rows}


def _one_by_one(
    hot: Hot, offer_id: int, card_ids: Collection[int], *, source: CouponSource, now: datetime
) -> dict[int, int]:
    """The same in an open SQLite transaction, where nobody else writes meanwhile. A refusal leaves nothing behind."""
    claimed: dict[int, int] = {}
    for card_id in sorted(card_ids):
        try:
            claimed[card_id] = claim(hot, offer_id, card_id=card_id, source=source, now=now).id
        except DomainError:
            continue
    return claimed
