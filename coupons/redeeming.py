"""Using a coupon up, and giving it back when the purchase is undone. One conditional statement decides each."""

from datetime import datetime

from sqlalchemy import case, update

from core.db import db
from core.hot import Hot, Sql
from coupons.models import Coupon, CouponState

# PostgreSQL: a part of the statement of checkout/settling.py. Reads ``held``, the card.
USE = """
used AS (
    UPDATE coupons SET state = 'redeemed', redeemed_at = :now
    WHERE id = :coupon_id AND card_id = (SELECT id FROM held)
      AND state = 'claimed' AND valid_from <= :now AND valid_until > :now
    RETURNING id, offer_id
)"""
# SQLite: the same as a step of its own.
USE_STEP = Sql("""
    UPDATE coupons SET state = 'redeemed', redeemed_at = :now
    WHERE id = :coupon_id AND card_id = :card_id
      AND state = 'claimed' AND valid_from <= :now AND valid_until > :now
    RETURNING offer_id
""")


def use_stepwise(hot: Hot, coupon_id: int, *, card_id: int, now: datetime) -> int | None:
    """Use the coupon up; its offer's id, or None when it cannot be used. Only in an open SQLite transaction."""
    row = hot.row(USE_STEP, coupon_id=coupon_id, card_id=card_id, now=now)
    return None if row is None else int(row[0])


def give_back(coupon_id: int, *, now: datetime) -> CouponState | None:
    """Make a redeemed coupon usable again, or expired when its time is over. Needs an open transaction.

    Returns its new state; None when it is not redeemed.
    """
    state = db.session.scalar(
        update(Coupon)
        .where(Coupon.id == coupon_id, Coupon.state == CouponState.REDEEMED)
        .values(
            state=case((Coupon.valid_until > now, CouponState.CLAIMED), else_=CouponState.EXPIRED), redeemed_at=None
        )
        .returning(Coupon.state)
        .execution_options(synchronize_session=False)
    )
    return None if state is None else CouponState(state)
