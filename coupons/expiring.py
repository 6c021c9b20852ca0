"""Coupons whose time is over. No till takes them anyway; this says so in their state."""

from collections import Counter
from datetime import datetime

from sqlalchemy import select, update

from core import events
from core.db import db, transaction
from coupons.limits import free_budget
from coupons.models import Coupon, CouponState

BATCH = 1000


def expire_batch(chain_id: int, *, now: datetime) -> int:
    """Expire some of the chain's coupons that are over; return how many. Zero means that none is left.

    What they had committed of their offers' budgets is free again.
    """
    over = (
        select(Coupon.id)
        .where(Coupon.chain_id == chain_id, Coupon.state == CouponState.CLAIMED, Coupon.valid_until <= now)
        .order_by(Coupon.id)
        .limit(BATCH)
        .with_for_update(key_share=True, skip_locked=True)  # what a till or an editor holds is for the next time
        .cte("over")
    )
    with transaction():
        expired = db.session.execute(
            update(Coupon)
            .where(Coupon.id.in_(select(over.c.id)), Coupon.state == CouponState.CLAIMED)
            .values(state=CouponState.EXPIRED)
            .returning(Coupon.id, Coupon.offer_id, Coupon.card_id, Coupon.committed_cents)
            .execution_options(synchronize_session=False)
        ).all()
        freed: Counter[int] = Counter()
        for coupon in expired:
            freed[coupon.offer_id] += coupon.committed_cents
            what = {"coupon_id": coupon.id, "offer_id": coupon.offer_id, "card_id": coupon.card_id}
            events.record("coupon.expired", chain_id=chain_id, at=now, **what)
        free_budget(freed)
    return len(expired)
