"""Whether a coupon fits a purchase, and what it takes off. Pure: figures in, a discount or a refusal out."""

from datetime import datetime
from typing import NamedTuple

from core.errors import DomainError
from core.money import share_of
from core.text import Text
from coupons import errors, terms
from coupons.models import CouponState, OfferKind


class UsableCoupon(NamedTuple):
    """A coupon with those rules of its offer that a till needs."""

    id: int
    offer_id: int
    name: Text
    kind: str
    value_cents: int | None
    percent_bp: int | None
    cap_cents: int | None
    min_cents: int
    state: str
    valid_from: datetime
    valid_until: datetime  # exclusive


class Purchase(NamedTuple):
    """What is being paid for, and where: the place decides how days and money are written."""

    amount_cents: int  # before any discount: what a minimum is compared with
    payable_cents: int  # what is left to pay: what a discount is taken from, and never exceeds
    currency: str
    timezone: str
    cutoff_hour: int


def fits(coupon: UsableCoupon, purchase: Purchase, *, now: datetime) -> int:
    """What the coupon takes off this purchase, in minor units, always above zero.

    Raises CouponAlreadyRedeemed, CouponNotUsable, CouponNotYetValid, CouponExpired, CouponMinimumNotMet,
    CouponNothingLeft.
    """
    refusal = _untimely(coupon, purchase, now) or _too_small(coupon, purchase)
    if refusal is not None:
        raise refusal
    discount = discount_of(coupon, purchase.payable_cents)
    if discount == 0:
        raise errors.CouponNothingLeft()
    return discount


def discount_of(coupon: UsableCoupon, payable_cents: int) -> int:
    """The figure alone: the coupon's value or share, at most its cap, at most what is payable."""
    if coupon.kind == OfferKind.CASH:
        discount = coupon.value_cents or 0
    else:
        discount = share_of(payable_cents, coupon.percent_bp or 0)
    if coupon.cap_cents is not None:
        discount = min(discount, coupon.cap_cents)
    return min(discount, payable_cents)


def _untimely(coupon: UsableCoupon, purchase: Purchase, now: datetime) -> DomainError | None:
    zone, hour = purchase.timezone, purchase.cutoff_hour
    if coupon.state == CouponState.REDEEMED:
        return errors.CouponAlreadyRedeemed()
    if coupon.state == CouponState.EXPIRED or (coupon.state == CouponState.CLAIMED and coupon.valid_until <= now):
        return errors.CouponExpired(day=terms.end_text(coupon.valid_until, zone, cutoff_hour=hour))
    if coupon.state != CouponState.CLAIMED:
        return errors.CouponNotUsable()
    if now < coupon.valid_from:
        return errors.CouponNotYetValid(day=terms.start_text(coupon.valid_from, zone, cutoff_hour=hour))
    return None


def _too_small(coupon: UsableCoupon, purchase: Purchase) -> DomainError | None:
    missing = coupon.min_cents - purchase.amount_cents
    if missing <= 0:
        return None
    return errors.CouponMinimumNotMet(missing=terms.amount(missing, purchase.currency))
