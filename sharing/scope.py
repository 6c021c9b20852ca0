"""What the figures of sharing are counted in: a chain, a period, perhaps some stores, perhaps one program.

A period runs from ``start`` to ``end`` (exclusive). Stores and program narrow people to those who joined there, and
links and visits to what the members of these stores shared. Somebody's program is that of his first card.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import aliased

from cards.models import Card, Member
from core.clock import business_day
from core.db import db
from sharing.models import Referral, ShareLink, ShareVisit
from stores.queries import get_chain

Stores = Collection[int] | None  # None: every store of the chain
INSTANT = timedelta(microseconds=1)


class Scope(NamedTuple):
    """Where and when. Each method selects the ids of what lies within it; callers choose the columns."""

    chain_id: int
    start: datetime
    end: datetime
    store_ids: Stores = None
    program_id: int | None = None

    @property
    def is_everywhere(self) -> bool:
        return self.store_ids is None and self.program_id is None

    def members(self) -> Select[Any]:
        """Who joined."""
        query = select(Member.id).where(Member.chain_id == self.chain_id, *self.joined())
        return query.where(*self.of_these())

    def joined(self) -> list[ColumnElement[bool]]:
        """That somebody joined in the period."""
        return [Member.joined_at >= self.start, Member.joined_at < self.end]

    def of_these(self) -> list[ColumnElement[bool]]:
        """That somebody joined in these stores and program, whenever."""
        rules: list[ColumnElement[bool]] = []
        if self.store_ids is not None:
            rules.append(Member.store_id.in_(self.store_ids))
        if self.program_id is not None:
            rules.append(first_program() == self.program_id)
        return rules

    def referrals(self) -> Select[Any]:
        """Who joined through a friend. The card of a referral is the member's first."""
        query = select(Referral.id).where(
            Referral.chain_id == self.chain_id, Referral.created_at >= self.start, Referral.created_at < self.end
        )
        if self.store_ids is not None:
            query = query.where(Referral.store_id.in_(self.store_ids))
        if self.program_id is not None:
            first = aliased(Card)
            card = select(first.id).where(first.id == Referral.card_id, first.program_id == self.program_id)
            query = query.where(card.correlate(Referral).exists())
        return query

    def links(self) -> Select[Any]:
        """Links that were made."""
        query = select(ShareLink.id).where(
            ShareLink.chain_id == self.chain_id, ShareLink.created_at >= self.start, ShareLink.created_at < self.end
        )
        return query.where(*self.of_these_links())

    def visits(self) -> Select[Any]:
        """Visits that were counted, with their links."""
        query = (
            select(ShareVisit.id)
            .join(ShareLink, ShareLink.id == ShareVisit.share_link_id)
            .where(ShareVisit.chain_id == self.chain_id, ShareVisit.at >= self.start, ShareVisit.at < self.end)
        )
        return query.where(*self.of_these_links())

    def openings(self) -> Select[Any]:
        """The same visits for whoever asks of visitors alone: without their links, where those of all are meant."""
        if not self.is_everywhere:
            return self.visits()
        return select(ShareVisit.id).where(
            ShareVisit.chain_id == self.chain_id, ShareVisit.at >= self.start, ShareVisit.at < self.end
        )

    def of_these_links(self) -> list[ColumnElement[bool]]:
        """That a link was shared by members of these stores and program."""
        rules: list[ColumnElement[bool]] = []
        if self.store_ids is not None:
            rules.append(ShareLink.store_id.in_(self.store_ids))
        if self.program_id is not None:
            rules.append(ShareLink.program_id == self.program_id)
        return rules

    def whole_chain(self) -> "Scope":
        """The same period, of every store and program."""
        return Scope(self.chain_id, self.start, self.end)

    def days(self) -> dict[str, Any]:
        """The period in business days of the chain, both included."""
        chain = get_chain(self.chain_id)
        first = business_day(self.start, chain.timezone, chain.cutoff_hour)
        last = business_day(self.end - INSTANT, chain.timezone, chain.cutoff_hour)
        return {"first": first, "last": last}


def first_program() -> Any:
    """The program of a member's first card."""
    first = aliased(Card)
    card = select(first.program_id).where(first.chain_id == Member.chain_id, first.member_id == Member.id)
    return card.order_by(first.id).limit(1).correlate(Member).scalar_subquery()


def count(query: Select[Any]) -> int:
    return db.session.scalar(query.with_only_columns(func.count())) or 0


def count_by(column: Any, query: Select[Any]) -> dict[Any, int]:
    """How many there are of each value of a column."""
    rows = db.session.execute(query.with_only_columns(column, func.count()).group_by(column))
    return {row[0]: row[1] for row in rows}


def seconds_between(earlier: Any, later: Any) -> ColumnElement[Any]:
    if db.engine.dialect.name == "postgresql":
        return func.extract("epoch", later - earlier)
    return (func.julianday(later) - func.julianday(earlier)) * 86_400
