"""What voiding, refunding and releasing have in common: finding the checkout, and giving back what it took."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, update

from checkout import errors
from checkout.models import Checkout, Redemption
from core.db import db
from coupons import redeeming
from coupons.models import CouponState
from stores.models import Chain, Store


class Found(NamedTuple):
    """A checkout, with what its store says about days and money."""

    id: int
    chain_id: int
    store_id: int
    card_id: int
    member_id: int
    payable_cents: int
    refunded_cents: int
    points_earned: int
    points_used: int
    settled_at: datetime | None
    reserved_until: datetime | None
    state: str
    timezone: str
    cutoff_hour: int
    currency: str


class GivenBack(NamedTuple):
    """The coupons of a checkout after it was undone."""

    coupon_ids: tuple[int, ...]  # usable again
    expired_coupon_ids: tuple[int, ...]  # their time had passed meanwhile


def find_checkout(chain_id: int, checkout_id: int, store_ids: Collection[int] | None) -> Found:
    """A checkout of one of these stores (None: of every store). Raises CheckoutNotFound."""
    query = (
        select(
            Checkout.id,
            Checkout.chain_id,
            Checkout.store_id,
            Checkout.card_id,
            Checkout.member_id,
            Checkout.payable_cents,
            Checkout.refunded_cents,
            Checkout.points_earned,
            Checkout.points_used,
            Checkout.settled_at,
            Checkout.reserved_until,
            Checkout.state,
            Store.timezone,
            Chain.cutoff_hour,
            Chain.currency,
        )
        .join(Store, Store.id == Checkout.store_id)
        .join(Chain, Chain.id == Checkout.chain_id)
        .where(Checkout.id == checkout_id, Checkout.chain_id == chain_id)
    )
    if store_ids is not None:
        query = query.where(Checkout.store_id.in_(store_ids))
    row = db.session.execute(query).one_or_none()
    if row is None:
        raise errors.CheckoutNotFound()
    return Found._make(row)


def change_checkout(checkout_id: int, *conditions: Any, **values: Any) -> bool:
    """Change the checkout if the conditions hold, all in one statement; whether they did."""
    changed = db.session.scalar(
        update(Checkout)
        .where(Checkout.id == checkout_id, *conditions)
        .values(**values)
        .returning(Checkout.id)
        .execution_options(synchronize_session=False)
    )
    return changed is not None


def give_coupons_back(checkout_id: int, now: datetime) -> GivenBack:
    """Undo the redemptions of a checkout. Needs an open transaction."""
    undone = db.session.scalars(
        update(Redemption)
        .where(Redemption.checkout_id == checkout_id, Redemption.undone_at.is_(None))
        .values(undone_at=now)
        .returning(Redemption.coupon_id)
        .execution_options(synchronize_session=False)
    ).all()
    states = redeeming.give_back(sorted(undone), now=now)
    return GivenBack(
        tuple(coupon_id for coupon_id, state in states.items() if state == CouponState.CLAIMED),
        tuple(coupon_id for coupon_id, state in states.items() if state == CouponState.EXPIRED),
    )
