"""Taking a coupon away: by staff, with a reason. What it committed of the budget is free again."""

from datetime import datetime

from sqlalchemy import select, update

from core import audit, events
from core.audit import Author
from core.db import db
from core.errors import DomainError
from coupons import errors
from coupons.limits import free_budget
from coupons.models import Coupon, CouponState


def void_coupon(chain_id: int, coupon_id: int, *, reason: str, by: Author, now: datetime) -> Coupon:
    """Make a claimed coupon void. It was had, so it still counts for stock and limits. Needs an open transaction.

    Raises ReasonNeeded, CouponNotFound; CouponAlreadyRedeemed, CouponNotUsable when it is not a member's to use.
    """
    reason = reason.strip()[:200]
    if not reason:
        raise errors.ReasonNeeded()
    coupon: Coupon | None = db.session.scalar(
        update(Coupon)
        .where(Coupon.id == coupon_id, Coupon.chain_id == chain_id, Coupon.state == CouponState.CLAIMED)
        .values(state=CouponState.VOID)
        .returning(Coupon)
        .execution_options(populate_existing=True)
    )
    if coupon is None:
        raise _refusal(chain_id, coupon_id)
    free_budget({coupon.offer_id: coupon.committed_cents})
    events.record(
        "coupon.voided",
        chain_id=chain_id,
        at=now,
        coupon_id=coupon.id,
        offer_id=coupon.offer_id,
        card_id=coupon.card_id,
    )
    audit.note(
        "coupon voided",
        chain_id=chain_id,
        object_kind="coupon",
        object_id=coupon.id,
        by=by,
        at=now,
        before={"state": CouponState.CLAIMED},
        after={"state": CouponState.VOID, "reason": reason},
    )
    return coupon


def _refusal(chain_id: int, coupon_id: int) -> DomainError:
    state = db.session.scalar(select(Coupon.state).filter_by(id=coupon_id, chain_id=chain_id))
    if state is None:
        return errors.CouponNotFound()
    return errors.CouponAlreadyRedeemed() if state == CouponState.REDEEMED else errors.CouponNotUsable()
