"""Tells when a running offer is nearly gone, and when it is gone: of its stock, or of its budget."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, func, or_, select, update

from core import events
from core.db import db, transaction
from coupons.drafts import most_cents
from coupons.models import Offer, OfferBudget, OfferSlot, OfferState

LOW = 20  # per cent
EVENTS = {LOW: "offer.stock_low", 0: "offer.sold_out"}


class Alarm(NamedTuple):
    """A running offer of which little is left: ``level`` 20 (per cent, or less) or 0."""

    offer: Offer
    level: int
    left: int | None  # coupons; None where stock has no limit
    left_cents: int | None  # of the budget; None where it has none


def alarm_batch(chain_id: int, *, now: datetime) -> int:
    """Tell each new alarm of the chain's running offers once, and forget those that are over. Returns how many told."""
    changed = [
        (offer.id, offer.alarm_level, level) for offer, level, _, _ in _levels(chain_id) if _is_new(offer, level)
    ]
    told = 0
    for offer_id, before, level in changed:
        with transaction():
            told += _set_level(chain_id, offer_id, before, level, now)
    return told


def alarms(chain_id: int) -> list[Alarm]:
    """Running offers of which a fifth or less is left: the emptiest first, then the newest."""
    low = [Alarm(offer, level, left, cents) for offer, level, left, cents in _levels(chain_id) if level is not None]
    return sorted(low, key=lambda alarm: (alarm.level, -alarm.offer.id))


def _is_new(offer: Offer, level: int | None) -> bool:
    return offer.alarm_level != level


def _set_level(chain_id: int, offer_id: int, before: int | None, level: int | None, now: datetime) -> bool:
    """Whether this told it: of two clocks only one does."""
    changed = db.session.scalar(
        update(Offer)
        .where(Offer.id == offer_id, Offer.alarm_level.is_not_distinct_from(before))
        .values(alarm_level=level)
        .returning(Offer.id)
    )
    is_worse = level is not None and (before is None or level < before)
    if changed is None or level is None or not is_worse:
        return False
    events.record(EVENTS[level], chain_id=chain_id, at=now, offer_id=offer_id)
    return True


def _levels(chain_id: int) -> list[tuple[Offer, int | None, int | None, int | None]]:
    """The chain's running offers that can run out: level, coupons left, budget left."""
    rows = [(row[0], row[1], row[2]) for row in db.session.execute(_running(chain_id))]
    return [(offer, _level(offer, left, cents), left, cents) for offer, left, cents in rows]


def _running(chain_id: int) -> Select[Any, Any, Any]:
    left = select(func.sum(OfferSlot.stock - OfferSlot.claimed)).where(OfferSlot.offer_id == Offer.id)
    cents = select(OfferBudget.budget_cents - OfferBudget.committed_cents).where(OfferBudget.offer_id == Offer.id)
    return (
        select(Offer, left.scalar_subquery(), cents.scalar_subquery())
        .where(
            Offer.chain_id == chain_id,
            Offer.state == OfferState.RUNNING,
            or_(Offer.stock.is_not(None), Offer.budget_cents.is_not(None)),
        )
        .order_by(Offer.id)
        .execution_options(populate_existing=True)
    )


def _level(offer: Offer, left: int | None, left_cents: int | None) -> int | None:
    """0: nobody can claim any more. A budget is gone when it does not cover one more coupon."""
    levels = []
    if offer.stock is not None:
        levels.append(_of(int(left or 0), offer.stock, needed=1))
    if offer.budget_cents is not None and left_cents is not None:
        levels.append(_of(left_cents, offer.budget_cents, needed=most_cents(offer) or 1))
    return min((level for level in levels if level is not None), default=None)


def _of(left: int, whole: int, *, needed: int) -> int | None:
    if left < needed:
        return 0
    return LOW if left * 100 <= whole * LOW else None
