"""Undoing a checkout: once, within the time its undoer has, exactly.

The coupon comes back if it is still valid, else it is expired. The points come off by a ledger line; those already
spent stay spent, are borne by the chain and told to whoever undoes. The member's last visit stays: he was there.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select, update

from cards import ledger
from checkout import errors
from checkout.models import Checkout, CheckoutState, Redemption
from core import audit, events
from core.audit import Author
from core.clock import business_day
from core.db import db
from core.errors import DomainError
from core.text import Text
from coupons import redeeming
from coupons.models import CouponState
from stores.models import Chain, Role, Store


class Window(NamedTuple):
    """How long after it was settled a role may undo a checkout."""

    lasts: timedelta
    same_business_day: bool
    words: Text
    advice: Text  # what to do when it has passed


# A clerk mends a slip while the customer is still there; yesterday's books are the manager's, older ones nobody's.
WINDOWS = {
    Role.CLERK: Window(
        timedelta(minutes=30),
        same_business_day=True,
        words=Text("30 分钟、当个营业日内", "30 minutes, the same business day"),
        advice=Text("请店长撤销。", "Ask the store manager."),
    ),
    Role.STORE_MANAGER: Window(
        timedelta(hours=48),
        same_business_day=False,
        words=Text("48 小时", "48 hours"),
        advice=Text("这笔账不能再改。", "It stays as it is."),
    ),
    Role.HQ_ADMIN: Window(
        timedelta(hours=48),
        same_business_day=False,
        words=Text("48 小时", "48 hours"),
        advice=Text("这笔账不能再改。", "It stays as it is."),
    ),
}


class Voided(NamedTuple):
    """What an undo did."""

    id: int
    payable_cents: int  # to be handed back
    coupon_ids: tuple[int, ...]  # usable again
    expired_coupon_ids: tuple[int, ...]  # their time had passed meanwhile
    points_taken: int
    points_short: int  # spent meanwhile, borne by the chain
    voided_at: datetime


def void(
    chain_id: int, checkout_id: int, *, role: str, store_ids: Collection[int] | None, by: Author, now: datetime
) -> Voided:
    """Undo a checkout of one of these stores (None: of every store). Needs an open transaction.

    Raises CheckoutNotFound, CheckoutAlreadyVoided, VoidTooLate, VoidNotPermitted.
    """
    found = _find(chain_id, checkout_id, store_ids)
    if refusal := _untimely(found, role, now):
        raise refusal
    ledger.hold(found.card_id)
    _take(found, by, now)
    coupons = _give_coupons_back(checkout_id, now)
    points = ledger.take_back(found.card_id, found.points_earned, cause=f"void:{checkout_id}", now=now)
    voided = Voided(
        checkout_id,
        found.payable_cents,
        tuple(coupon_id for coupon_id, state in coupons if state == CouponState.CLAIMED),
        tuple(coupon_id for coupon_id, state in coupons if state == CouponState.EXPIRED),
        points.points,
        points.short,
        now,
    )
    _tell(found, voided, by, now)
    return voided


def may_void(settled_at: datetime, timezone: str, cutoff_hour: int, *, role: str, now: datetime) -> bool:
    """Whether this role still has time to undo a checkout of then."""
    window = WINDOWS.get(Role(role))
    if window is None or now - settled_at > window.lasts:
        return False
    days = (business_day(moment, timezone, cutoff_hour) for moment in (settled_at, now))
    return not window.same_business_day or len(set(days)) == 1


def _find(chain_id: int, checkout_id: int, store_ids: Collection[int] | None) -> Any:
    query = (
        select(
            Checkout.id,
            Checkout.chain_id,
            Checkout.store_id,
            Checkout.card_id,
            Checkout.member_id,
            Checkout.payable_cents,
            Checkout.points_earned,
            Checkout.settled_at,
            Checkout.state,
            Store.timezone,
            Chain.cutoff_hour,
        )
        .join(Store, Store.id == Checkout.store_id)
        .join(Chain, Chain.id == Checkout.chain_id)
        .where(Checkout.id == checkout_id, Checkout.chain_id == chain_id)
    )
    if store_ids is not None:
        query = query.where(Checkout.store_id.in_(store_ids))
    found = db.session.execute(query).one_or_none()
    if found is None:
        raise errors.CheckoutNotFound()
    return found


def _untimely(found: Any, role: str, now: datetime) -> DomainError | None:
    window = WINDOWS.get(Role(role))
    if window is None:
        return errors.VoidNotPermitted()
    if found.state == CheckoutState.VOIDED:
        return errors.CheckoutAlreadyVoided()
    if may_void(found.settled_at, found.timezone, found.cutoff_hour, role=role, now=now):
        return None
    return errors.VoidTooLate(window=window.words, who=window.advice)


def _take(found: Any, by: Author, now: datetime) -> None:
    """The one who changes the state is the one who undoes."""
    taken = db.session.scalar(
        update(Checkout)
        .where(Checkout.id == found.id, Checkout.state == CheckoutState.SETTLED)
        .values(state=CheckoutState.VOIDED, voided_at=now, voided_by=by.name)
        .returning(Checkout.id)
        .execution_options(synchronize_session=False)
    )
    if taken is None:
        raise errors.CheckoutAlreadyVoided()


def _give_coupons_back(checkout_id: int, now: datetime) -> list[tuple[int, CouponState | None]]:
    undone = db.session.scalars(
        update(Redemption)
        .where(Redemption.checkout_id == checkout_id, Redemption.undone_at.is_(None))
        .values(undone_at=now)
        .returning(Redemption.coupon_id)
        .execution_options(synchronize_session=False)
    ).all()
    return [(coupon_id, redeeming.give_back(coupon_id, now=now)) for coupon_id in undone]


def _tell(found: Any, voided: Voided, by: Author, now: datetime) -> None:
    effects = {
        "coupon_ids": list(voided.coupon_ids + voided.expired_coupon_ids),
        "points_taken": voided.points_taken,
        "points_short": voided.points_short,
    }
    audit.note(
        "checkout voided",
        chain_id=found.chain_id,
        object_kind="checkout",
        object_id=found.id,
        by=by,
        at=now,
        before={"state": CheckoutState.SETTLED},
        after={"state": CheckoutState.VOIDED} | effects,
    )
    events.record(
        "checkout.voided",
        chain_id=found.chain_id,
        at=now,
        checkout_id=found.id,
        card_id=found.card_id,
        member_id=found.member_id,
        store_id=found.store_id,
        payable_cents=found.payable_cents,
        **effects,
    )
