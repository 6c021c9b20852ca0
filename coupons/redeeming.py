"""Using coupons up, and giving them back when the purchase is undone. One conditional statement decides each."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, update

from core.db import db
from core.hot import Hot, Sql
from coupons.limits import free_budget
from coupons.models import Coupon, CouponState

IS_USABLE = "state = 'claimed' AND valid_from <= :now AND valid_until > :now"
# PostgreSQL: a part of the statement of checkout/settling.py. Reads ``held``, the card. The coupons are locked first,
# in one order everywhere, so that either all of them are used or none.
USE = f"""
ready AS MATERIALIZED (
    SELECT id FROM coupons
    WHERE id = ANY(:coupon_ids ::bigint[]) AND card_id = (SELECT id FROM held) AND {IS_USABLE}
    ORDER BY id FOR NO KEY UPDATE
),
going AS MATERIALIZED (
    SELECT id, chain_id, member_id FROM held
    WHERE (SELECT count(*) FROM ready) = cardinality(:coupon_ids ::bigint[])
),
used AS (
    UPDATE coupons SET state = 'redeemed', redeemed_at = :now
    WHERE id IN (SELECT id FROM ready) AND EXISTS (SELECT 1 FROM going)
)"""
# SQLite: the same as steps of their own.
READY_STEP = Sql(f"SELECT 1 FROM coupons WHERE id = :coupon_id AND card_id = :card_id AND {IS_USABLE}")
USE_STEP = Sql(f"""
    UPDATE coupons SET state = 'redeemed', redeemed_at = :now
    WHERE id = :coupon_id AND card_id = :card_id AND {IS_USABLE}
    RETURNING offer_id
""")


def use_stepwise(hot: Hot, coupon_ids: Sequence[int], *, card_id: int, now: datetime) -> bool:
    """Use all of these coupons up, or none and say False. Only in an open SQLite transaction."""
    several = coupon_ids if len(coupon_ids) > 1 else ()
    if not all(hot.row(READY_STEP, coupon_id=each, card_id=card_id, now=now) for each in several):
        return False
    return all(hot.row(USE_STEP, coupon_id=each, card_id=card_id, now=now) for each in coupon_ids)


def give_back(coupon_ids: Sequence[int], *, now: datetime) -> dict[int, CouponState]:
    """Make redeemed coupons usable again, or expired when their time is over. Needs an open transaction.

    Returns the new state of each that was redeemed. What an expired one had committed of its offer's budget is free.
    """
    states: dict[int, CouponState] = {}
    freed: Counter[int] = Counter()
    for coupon_id in coupon_ids:
        row = db.session.execute(
            update(Coupon)
            .where(Coupon.id == coupon_id, Coupon.state == CouponState.REDEEMED)
            .values(
                state=case((Coupon.valid_until > now, CouponState.CLAIMED), else_=CouponState.EXPIRED),
                redeemed_at=None,
            )
            .returning(Coupon.state, Coupon.offer_id, Coupon.committed_cents)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if row is None:
            continue
        states[coupon_id] = CouponState(row.state)
        if row.state == CouponState.EXPIRED:
            freed[row.offer_id] += row.committed_cents
    free_budget(freed)
    return states
