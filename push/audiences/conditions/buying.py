"""What each member bought, in one pass over the checkouts for all that rules ask about it.

A condition asks for a figure and gets a column; the query that the rules narrow is joined with all of them at once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, func, literal_column, select
from sqlalchemy import case as sql_case

from cards.models import Card
from checkout.models import Checkout, CheckoutState
from core.db import BigInt, UtcDateTime, among

NAME = "bought"
TWO_DAYS = timedelta(days=2)
FEW_DAYS = 31  # so many are found by the index on business days; for more, reading all is quicker
NET = func.sum(Checkout.payable_cents - Checkout.refunded_cents)
SPENT = Checkout.payable_cents - Checkout.refunded_cents


class Buying:
    """The figures that one set of rules asks for. They are NULL for a member who did not buy."""

    def __init__(self, chain_id: int, now: datetime) -> None:
        self.chain_id, self.now = chain_id, now
        self._figures: dict[str, tuple[Any, int | None]] = {}  # by column: what it is, over how many days
        self._stores: list[tuple[int, ...]] = []

    def times(self, days: int | None) -> ColumnElement[Any]:
        """How often, in so many days; ever, where there are none."""
        return self._column("times", days, lambda begin: func.sum(_if(begin, 1)) if begin else func.count(), BigInt)

    def net(self, days: int | None) -> ColumnElement[Any]:
        """For how much, less what was paid back."""
        return self._column("net", days, lambda begin: func.sum(_if(begin, SPENT)) if begin else NET, BigInt)

    def last(self, days: int | None) -> ColumnElement[Any]:
        """When last; right as far back as so many days."""
        return self._column("last", days, lambda _: func.max(Checkout.settled_at), UtcDateTime(), is_alike=True)

    def last_at(self, stores: Sequence[int], days: int | None) -> ColumnElement[Any]:
        """When last at one of some stores; right as far back as so many days."""
        key = tuple(sorted(stores))
        if key not in self._stores:
            self._stores.append(key)
        there = func.max(sql_case((among(Checkout.store_id, key), Checkout.settled_at)))
        return self._column(f"at{self._stores.index(key)}", days, lambda _: there, UtcDateTime(), is_alike=True)

    def _column(
        self, name: str, days: int | None, figure: Any, kind: Any, *, is_alike: bool = False
    ) -> ColumnElement[Any]:
        """``is_alike``: the figure does not change with the days, so that the longest time serves all."""
        name = name if is_alike or days is None else f"{name}{days}"
        if is_alike and name in self._figures:
            known = self._figures[name][1]
            days = None if known is None or days is None else max(known, days)
        self._figures[name] = (figure(self._begin(days) if days is not None else None), days)
        return literal_column(f"{NAME}.{name}", kind)

    def _begin(self, days: int) -> datetime:
        return self.now - timedelta(days=days)

    def joined(self, whom: Select[Any] | None = None) -> Subquery | None:
        """A row for each member who bought, with all the figures; None when nothing was asked for.

        ``whom`` finds the ids of the only members who matter, where they are few: what they bought is found by card.
        """
        if not self._figures:
            return None
        columns = [figure.label(name) for name, (figure, _) in self._figures.items()]
        query = select(Checkout.member_id, *columns).where(
            Checkout.chain_id == self.chain_id, Checkout.state == CheckoutState.SETTLED
        )
        if whom is not None:
            theirs = select(Card.id).where(Card.chain_id == self.chain_id, Card.member_id.in_(whom))
            query = query.where(Checkout.card_id.in_(theirs))
        spans = [days for _, days in self._figures.values() if days is not None]
        if len(spans) == len(self._figures):
            begin = self._begin(max(spans))
            query = query.where(Checkout.settled_at >= begin)
            if max(spans) <= FEW_DAYS:  # no business day begins so much earlier
                query = query.where(Checkout.business_day >= (begin - TWO_DAYS).date())
        return query.group_by(Checkout.member_id).subquery(NAME)


def _if(begin: datetime, what: Any) -> ColumnElement[Any]:
    return sql_case((Checkout.settled_at >= begin, what), else_=0)
