"""A store's business day: what was sold, undone and refunded, by whom, and what was refused.

What was sold belongs to whoever sold it. What was handed back belongs to the day and to the person of the handing
back, so that the net is what a drawer holds more than in the morning. The control totals are of the day's purchases
as they stand by now: they are those of the CSV of checkouts.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import case, func, select

from cards.models import Card
from checkout.models import Checkout, CheckoutState, Refund, RefusedAttempt
from checkout.queries import Till
from core.clock import day_start
from core.db import db
from stores.models import ApiKey, Staff

MOST_REFUSED = 100
BOOKED = (CheckoutState.SETTLED, CheckoutState.VOIDED, CheckoutState.REFUNDED)


@dataclass
class Figures:
    """One person's day, or everybody's."""

    checkouts: int = 0
    amount_cents: int = 0
    member_discount_cents: int = 0
    coupon_discount_cents: int = 0
    points_discount_cents: int = 0
    payable_cents: int = 0
    voids: int = 0  # undone on this day, whenever they were sold
    voided_cents: int = 0
    refunds: int = 0  # handed back on this day, of whichever purchase
    refunded_cents: int = 0

    @property
    def net_cents(self) -> int:
        return self.payable_cents - self.voided_cents - self.refunded_cents

    def add(self, **figures: int) -> None:
        for name, value in figures.items():
            setattr(self, name, getattr(self, name) + value)


class Control(NamedTuple):
    """The day's purchases as they stand by now, summed by the database."""

    rows: int
    amount_cents: int
    member_discount_cents: int
    coupon_discount_cents: int
    points_discount_cents: int
    payable_cents: int
    voids: int  # of these purchases, whenever they were undone
    net_cents: int  # payable, without the undone and the refunded


class Refused(NamedTuple):
    """A till was refused: what it tried, and the code of the reason."""

    at: datetime
    action: str
    made_by: str
    code: str
    amount_cents: int | None
    card_number: str | None
    checkout_id: int | None


@dataclass(frozen=True)
class DayReport:
    """A day of one store, of everybody or of one person."""

    till: Till
    day: date
    people: dict[str, Figures]  # by "staff:7", the busiest first
    control: Control
    refused: list[Refused] = field(default_factory=list)

    @property
    def total(self) -> Figures:
        total = Figures()
        for figures in self.people.values():
            total.add(**vars(figures))
        return total

    @property
    def authors(self) -> set[str]:
        """Everybody whom the report names."""
        return {*self.people, *(attempt.made_by for attempt in self.refused)}


def read_day(chain_id: int, till: Till, day: date, *, only: str | None = None) -> DayReport:
    """The day of a store; with ``only``, one person's part of it."""
    people: dict[str, Figures] = {}
    for name, rows in (
        ("sold", _sold(chain_id, till, day)),
        ("voided", _voided(chain_id, till, day)),
        ("refunded", _refunded(chain_id, till, day)),
    ):
        for who, *figures in db.session.execute(rows):
            if only in (None, who):
                people.setdefault(who, Figures()).add(**dict(zip(COLUMNS[name], map(int, figures), strict=True)))
    busiest = sorted(people.items(), key=lambda entry: (-entry[1].checkouts, entry[0]))
    return DayReport(till, day, dict(busiest), _control(chain_id, till, day, only), _refused(chain_id, till, day, only))


def names_of_authors(chain_id: int, authors: Collection[str]) -> dict[str, str]:
    """The names behind "staff:7" and "key:3"; the system has none."""
    names: dict[str, str] = {}
    for kind, model in (("staff:", Staff), ("key:", ApiKey)):
        ids = [int(author.removeprefix(kind)) for author in authors if author.startswith(kind)]
        if not ids:
            continue
        rows = db.session.execute(select(model.id, model.name).where(model.chain_id == chain_id, model.id.in_(ids)))
        names |= {f"{kind}{number}": name for number, name in rows}
    return names


COLUMNS = {
    "sold": (
        "checkouts",
        "amount_cents",
        "member_discount_cents",
        "coupon_discount_cents",
        "points_discount_cents",
        "payable_cents",
    ),
    "voided": ("voids", "voided_cents"),
    "refunded": ("refunds", "refunded_cents"),
}
SUMS = (
    func.count(),
    *(func.coalesce(func.sum(getattr(Checkout, name)), 0) for name in COLUMNS["sold"][1:]),
)


def _of_day(query: Any, chain_id: int, till: Till, day: date) -> Any:
    return query.where(
        Checkout.chain_id == chain_id,
        Checkout.business_day == day,
        Checkout.store_id == till.store_id,
        Checkout.state.in_(BOOKED),
    )


def _sold(chain_id: int, till: Till, day: date) -> Any:
    query = select(Checkout.settled_by, *SUMS).group_by(Checkout.settled_by)
    return _of_day(query, chain_id, till, day)


def _voided(chain_id: int, till: Till, day: date) -> Any:
    start, end = _hours(till, day)
    return (
        select(Checkout.voided_by, func.count(), func.sum(Checkout.payable_cents))
        .where(
            Checkout.chain_id == chain_id,
            Checkout.store_id == till.store_id,
            Checkout.voided_at >= start,
            Checkout.voided_at < end,
        )
        .group_by(Checkout.voided_by)
    )


def _refunded(chain_id: int, till: Till, day: date) -> Any:
    return (
        select(Refund.refunded_by, func.count(), func.sum(Refund.amount_cents))
        .where(Refund.chain_id == chain_id, Refund.business_day == day, Refund.store_id == till.store_id)
        .group_by(Refund.refunded_by)
    )


def _control(chain_id: int, till: Till, day: date, only: str | None) -> Control:
    is_void = Checkout.state == CheckoutState.VOIDED
    voids = func.coalesce(func.sum(case((is_void, 1), else_=0)), 0)
    net = func.coalesce(func.sum(case((is_void, 0), else_=Checkout.payable_cents - Checkout.refunded_cents)), 0)
    query = _of_day(select(*SUMS, voids, net), chain_id, till, day)
    if only is not None:
        query = query.where(Checkout.settled_by == only)
    return Control(*map(int, db.session.execute(query).one()))


def _refused(chain_id: int, till: Till, day: date, only: str | None) -> list[Refused]:
    start, end = _hours(till, day)
    attempt = RefusedAttempt
    query = (
        select(
            attempt.at,
            attempt.action,
            attempt.made_by,
            attempt.code,
            attempt.amount_cents,
            Card.number,
            attempt.checkout_id,
        )
        .outerjoin(Card, Card.id == attempt.card_id)
        .where(attempt.chain_id == chain_id, attempt.store_id == till.store_id, attempt.at >= start, attempt.at < end)
        .order_by(attempt.at.desc(), attempt.id.desc())
        .limit(MOST_REFUSED)
    )
    if only is not None:
        query = query.where(attempt.made_by == only)
    return [Refused(*row) for row in db.session.execute(query)]


def _hours(till: Till, day: date) -> tuple[datetime, datetime]:
    """From the first moment of the business day to that of the next."""
    days = (day, day + timedelta(days=1))
    start, end = (day_start(each, till.timezone, till.cutoff_hour) for each in days)
    return start, end
