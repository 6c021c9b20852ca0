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
    """How far a running offer has run out: ``level`` 20 (per cent, or less is left), 0, or None where enough is."""

    offer: Offer
    level: int | None
    left: int | None  # coupons; None where stock has no limit
    left_cents: int | None  # of the budget; None where it has none
    is_of_budget: bool  # that is what runs out, sooner than the stock


def alarm_batch(chain_id: int, *, now: datetime) -> int:
    """Tell each new alarm of the chain's running offers once, and forget those that are over. Returns how many told."""
    changed = [
        (each.offer.id, each.offer.alarm_level, each.level)
        for each in _alarms(chain_id, now)
        if each.offer.alarm_level != each.level
    ]
    told = 0
    for offer_id, before, level in changed:
        with transaction():
            told += _set_level(chain_id, offer_id, before, level, now)
    return told


def alarms(chain_id: int, *, now: datetime) -> list[Alarm]:
    """Running offers of which a fifth or less is left: the emptiest first, then the newest."""
    low = [alarm for alarm in _alarms(chain_id, now) if alarm.level is not None]
    return sorted(low, key=lambda alarm: (alarm.level or 0, -alarm.offer.id))


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


def _alarms(chain_id: int, now: datetime) -> list[Alarm]:
    """The chain's running offers that can run out; those whose last day has passed are left alone."""
    return [_alarm(*row) for row in db.session.execute(_running(chain_id, now))]


def _running(chain_id: int, now: datetime) -> Select[Any, Any, Any]:
    left = select(func.sum(OfferSlot.stock - OfferSlot.claimed)).where(OfferSlot.offer_id == Offer.id)
    cents = select(OfferBudget.budget_cents - OfferBudget.committed_cents).where(OfferBudget.offer_id == Offer.id)
    return (
        select(Offer, left.scalar_subquery(), cents.scalar_subquery())
        .where(
            Offer.chain_id == chain_id,
            Offer.state == OfferState.RUNNING,
            or_(Offer.valid_until.is_(None), Offer.valid_until > now),
            or_(Offer.stock.is_not(None), Offer.budget_cents.is_not(None)),
        )
        .order_by(Offer.id)
        .execution_options(populate_existing=True)
    )


def _alarm(offer: Offer, left: int | None, left_cents: int | None) -> Alarm:
    """Level 0: nobody can claim any more. A budget is gone when it does not cover one more coupon."""
    left = None if left is None else int(left)
    by_stock = None if offer.stock is None else _of(left or 0, offer.stock, needed=1)
    by_budget = None
    if offer.budget_cents is not None and left_cents is not None:
        by_budget = _of(left_cents, offer.budget_cents, needed=most_cents(offer) or 1)
    is_of_budget = by_budget is not None and (by_stock is None or by_budget < by_stock)
    return Alarm(offer, by_budget if is_of_budget else by_stock, left, left_cents, is_of_budget)


def _of(left: int, whole: int, *, needed: int) -> int | None:
    if left < needed:
        return 0
    return LOW if left * 100 <= whole * LOW else None
