"""A reserved basket: confirmed by its till, released by it, or released when its time is over. One of the three.

Reserving itself is in checkout/settling.py, since it takes what settling takes.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from cards import ledger
from cards.models import Member
from cards.tiering import recompute_tier
from checkout import errors
from checkout.models import Checkout, CheckoutState, Redemption
from checkout.settling import Settled
from checkout.undoing import Found, GivenBack, change_checkout, find_checkout, give_coupons_back
from core import audit, events
from core.audit import Author
from core.clock import business_day
from core.db import db, transaction
from core.errors import DomainError

MOST_MINUTES = 60
BATCH = 100


def end_of(minutes: int, now: datetime) -> datetime:
    """When a reservation of so many minutes is over. Raises ReservationTooLong."""
    if not 1 <= minutes <= MOST_MINUTES:
        raise errors.ReservationTooLong(most=MOST_MINUTES)
    return now + timedelta(minutes=minutes)


def confirm(
    chain_id: int, checkout_id: int, *, store_ids: Collection[int] | None, by: Author, now: datetime
) -> Settled:
    """Book a reserved checkout at the price it was reserved for. Needs an open transaction.

    Raises CheckoutNotFound, CheckoutNotReserved, ReservationOver.
    """
    found = find_checkout(chain_id, checkout_id, store_ids)
    ledger.hold(found.card_id)
    is_mine = change_checkout(
        found.id,
        Checkout.state == CheckoutState.RESERVED,
        Checkout.reserved_until > now,
        state=CheckoutState.SETTLED,
        settled_at=now,
        settled_by=by.name,
        business_day=business_day(now, found.timezone, found.cutoff_hour),
    )
    if not is_mine:
        raise _refusal(find_checkout(chain_id, checkout_id, store_ids))
    redeemed = update(Redemption).where(Redemption.checkout_id == found.id, Redemption.undone_at.is_(None))
    db.session.execute(redeemed.values(redeemed_at=now).execution_options(synchronize_session=False))
    ledger.add(found.card_id, found.points_earned, cause=f"checkout:{found.id}", now=now)
    ledger.add_progress(found.card_id, points=found.points_earned, cents=found.payable_cents)
    recompute_tier(found.card_id)
    db.session.execute(update(Member).where(Member.id == found.member_id).values(last_visit_at=now))
    return _confirmed(found.id, now)


def release(
    chain_id: int, checkout_id: int, *, store_ids: Collection[int] | None, by: Author, now: datetime
) -> GivenBack:
    """Give the coupons and points of a reserved checkout back. Needs an open transaction.

    Raises CheckoutNotFound, CheckoutNotReserved.
    """
    found = find_checkout(chain_id, checkout_id, store_ids)
    given_back = _release(found, by.name, now)
    if given_back is None:
        raise errors.CheckoutNotReserved()
    audit.note(
        "checkout released",
        chain_id=chain_id,
        object_kind="checkout",
        object_id=found.id,
        by=by,
        at=now,
        before={"state": CheckoutState.RESERVED},
        after={"state": CheckoutState.RELEASED},
    )
    return given_back


def release_overdue(card_id: int, *, now: datetime) -> int:
    """Release the card's reservations whose time is over; return how many. Needs an open transaction."""
    overdue = select(Checkout.id, Checkout.chain_id).where(Checkout.card_id == card_id, *_is_overdue(now))
    rows = db.session.execute(overdue).all()
    return sum(_release_late(row.chain_id, row.id, now) for row in rows)


def release_batch(*, now: datetime) -> int:
    """Release some reservations whose time is over, each in a transaction of its own; return how many."""
    query = select(Checkout.id, Checkout.chain_id).where(*_is_overdue(now)).order_by(Checkout.reserved_until)
    rows = db.session.execute(query.limit(BATCH)).all()
    released = 0
    for row in rows:
        with transaction():
            released += _release_late(row.chain_id, row.id, now)
    return released


def _is_overdue(now: datetime) -> tuple[Any, ...]:
    return Checkout.state == CheckoutState.RESERVED, Checkout.reserved_until <= now


def _release_late(chain_id: int, checkout_id: int, now: datetime) -> bool:
    found = find_checkout(chain_id, checkout_id, None)
    return _release(found, "timeout", now, Checkout.reserved_until <= now) is not None


def _release(found: Found, by: str, now: datetime, *conditions: Any) -> GivenBack | None:
    """None when somebody else has ended the reservation."""
    ledger.hold(found.card_id)
    is_reserved = Checkout.state == CheckoutState.RESERVED
    if not change_checkout(found.id, is_reserved, *conditions, state=CheckoutState.RELEASED):
        return None
    given_back = give_coupons_back(found.id, now)
    ledger.add(found.card_id, found.points_used, cause=f"release:{found.id}", now=now)
    events.record(
        "checkout.released",
        chain_id=found.chain_id,
        at=now,
        checkout_id=found.id,
        card_id=found.card_id,
        member_id=found.member_id,
        store_id=found.store_id,
        by=by,
        coupon_ids=list(given_back.coupon_ids + given_back.expired_coupon_ids),
        points_returned=found.points_used,
    )
    return given_back


def _refusal(found: Found) -> DomainError:
    return errors.ReservationOver() if found.state == CheckoutState.RESERVED else errors.CheckoutNotReserved()


def _confirmed(checkout_id: int, now: datetime) -> Settled:
    """The checkout as it is booked now, told to whoever listens."""
    checkout = db.session.get_one(Checkout, checkout_id, populate_existing=True)
    used = db.session.execute(
        select(Redemption.coupon_id, Redemption.offer_id).filter_by(checkout_id=checkout_id).order_by(Redemption.id)
    ).all()
    coupon_ids = tuple(row.coupon_id for row in used)
    events.record(
        "checkout.settled",
        chain_id=checkout.chain_id,
        at=now,
        checkout_id=checkout_id,
        card_id=checkout.card_id,
        member_id=checkout.member_id,
        store_id=checkout.store_id,
        payable_cents=checkout.payable_cents,
        coupon_ids=list(coupon_ids),
        offer_ids=[row.offer_id for row in used],
    )
    figures = {name: getattr(checkout, name) for name in Settled._fields if name not in ("coupon_ids", "is_repeat")}
    return Settled(**figures, coupon_ids=coupon_ids, is_repeat=False)
