"""What members who came through friends spend, against the others, each in his own first days.

Only those who are old enough are compared: everybody has had the same time to spend. A purchase counts as it stands
now: voided ones not at all, refunds taken off. The figures show a difference, not where it comes from.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Float, and_, case, cast, func, select

from cards.models import Card, Member
from checkout.models import Checkout, CheckoutState
from core.days import days_later
from core.db import db
from core.intervals import Interval, Sample, welch
from sharing.models import Referral
from sharing.scope import Scope, Stores

AGES = (7, 30, 90)  # days, each of 24 hours, from joining
NOBODY = Sample(0, 0, 0.0)


class Comparison(NamedTuple):
    """Two groups of members who joined in the period and are at least so old. Amounts in minor units."""

    days: int
    referred: Sample
    others: Sample

    @property
    def difference_cents(self) -> float:
        return self.referred.mean - self.others.mean

    @property
    def interval(self) -> Interval | None:
        """Of the difference, by Welch's method; None where a group is too small to say anything."""
        return welch(self.referred, self.others)

    @property
    def is_shown(self) -> bool:
        """Whether a difference is shown at all: the interval leaves 0 out."""
        return self.interval is not None and self.interval.shows_difference


def compare_spending(
    chain_id: int,
    start: datetime,
    end: datetime,
    *,
    now: datetime,
    store_ids: Stores = None,
    program_id: int | None = None,
) -> list[Comparison]:
    """Net spend of the first 7, 30 and 90 days, of members through friends and of all others."""
    scope = Scope(chain_id, start, end, store_ids, program_id)
    each = _spent_by_member(scope).subquery()
    columns: list[Any] = [each.c.is_referred]
    for age in AGES:
        is_old_enough = each.c.joined_at <= now - timedelta(days=age)
        spent = case((is_old_enough, each.c[f"spent_{age}"]))
        columns += [func.count(spent), func.sum(spent), func.sum(cast(spent, Float) * spent)]
    found = {}
    for row in db.session.execute(select(*columns).group_by(each.c.is_referred)):
        found[bool(row[0])] = [
            Sample(row[at], int(row[at + 1] or 0), float(row[at + 2] or 0)) for at in range(1, len(row), 3)
        ]
    nobody = [NOBODY] * len(AGES)
    groups = zip(AGES, found.get(True, nobody), found.get(False, nobody), strict=True)
    return [Comparison(*group) for group in groups]


def _spent_by_member(scope: Scope) -> Any:
    """What each of those who joined in the period spent by every age."""
    net = Checkout.payable_cents - Checkout.refunded_cents
    sums = [
        func.coalesce(func.sum(case((Checkout.settled_at < days_later(Member.joined_at, age), net), else_=0)), 0)
        for age in AGES
    ]
    is_purchase = and_(
        Checkout.card_id == Card.id,
        Checkout.state == CheckoutState.SETTLED,
        Checkout.settled_at >= Member.joined_at,
        Checkout.settled_at < days_later(Member.joined_at, AGES[-1]),
    )
    is_referred = case((Referral.id.is_not(None), 1), else_=0)
    return (
        scope.members()
        .with_only_columns(
            Member.joined_at,
            is_referred.label("is_referred"),
            *(total.label(f"spent_{age}") for age, total in zip(AGES, sums, strict=True)),
        )
        .outerjoin(Referral, and_(Referral.chain_id == Member.chain_id, Referral.member_id == Member.id))
        .outerjoin(Card, and_(Card.chain_id == Member.chain_id, Card.member_id == Member.id))
        .outerjoin(Checkout, is_purchase)
        .group_by(Member.id, Member.joined_at, Referral.id)
    )
