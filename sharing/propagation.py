"""How far a chain's members spread its cards in a period: the totals, generations, the K-factor, days.

What each figure means to people stands in sharing/definitions.py; what a period, stores and program narrow, in
sharing/scope.py.
"""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, select, union

from cards.models import Member, Wallet
from core.clock import day_start
from core.db import db
from core.intervals import Interval, Sample, mean_interval, wilson
from sharing.models import Referral, ShareLink, ShareVisit
from sharing.queries import Generation
from sharing.scope import Scope, Stores, count, first_program, seconds_between
from stores.queries import get_chain

MOST_POINTS = 92  # of the chart of days; from there on weeks, then four weeks together
STEPS = (1, 7, 28)  # days in one point of it
TOGETHER = 60  # counts in one statement


class Numbers(NamedTuple):
    """What sharing came to in a period."""

    new_members: int  # all, however they came
    referred: int  # of these, through a share link
    links: int
    sharers: int  # different members who made them
    visits: int
    visitors: int  # different people who opened a link
    reached: int  # the reach: different people who opened a link or took the card by one

    @property
    def conversion(self) -> float:
        """Of the people reached, which part became members."""
        return self.referred / self.reached if self.reached else 0.0

    @property
    def conversion_interval(self) -> Interval | None:
        return wilson(self.referred, self.reached)

    @property
    def referred_share(self) -> float:
        return self.referred / self.new_members if self.new_members else 0.0

    @property
    def links_per_sharer(self) -> float:
        return self.links / self.sharers if self.sharers else 0.0

    @property
    def visits_per_link(self) -> float:
        return self.visits / self.links if self.links else 0.0

    @property
    def brought_per_sharer(self) -> float:
        return self.referred / self.sharers if self.sharers else 0.0


class KFactor(NamedTuple):
    """How many new members one new member brings: links per member times new members per link.

    Counted for those who joined in the period: the links they made, and whom these brought, until its end.
    """

    members: int
    links: int
    brought: int
    squares: int  # the sum of the squares of what each member brought: how unlike they are

    @property
    def links_per_member(self) -> float:
        return self.links / self.members if self.members else 0.0

    @property
    def conversion(self) -> float:
        return self.brought / self.links if self.links else 0.0

    @property
    def value(self) -> float:
        return self.brought / self.members if self.members else 0.0

    @property
    def interval(self) -> Interval | None:
        """Mean ± 1.96 · sd / √n over the members, not below 0; None of fewer than two."""
        found = mean_interval(Sample(self.members, self.brought, self.squares))
        return found and Interval(max(found.low, 0.0), found.high)


class NewMembers(NamedTuple):
    """New members of one day, or of the few days that stand together."""

    first: date
    last: date
    referred: int
    others: int


def numbers(
    chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None, program_id: int | None = None
) -> Numbers:
    """The totals of a period."""
    scope = Scope(chain_id, start, end, store_ids, program_id)
    links = db.session.execute(
        scope.links().with_only_columns(func.count(), func.count(ShareLink.member_id.distinct()))
    ).one()
    visits = db.session.execute(
        scope.openings().with_only_columns(func.count(), func.count(ShareVisit.visitor.distinct()))
    ).one()
    return Numbers(
        new_members=count(scope.members()),
        referred=count(scope.referrals()),
        links=links[0],
        sharers=links[1],
        visits=visits[0],
        visitors=visits[1],
        reached=_count_reached(scope),
    )


def has_much(chain_id: int, start: datetime, end: datetime, *, more_than: int) -> bool:
    """Whether more members joined, or more links were opened, than this; looked up without counting them all."""
    scope = Scope(chain_id, start, end)
    members = scope.members().order_by(Member.joined_at)
    visits = select(ShareVisit.id).where(ShareVisit.chain_id == chain_id, ShareVisit.at >= start, ShareVisit.at < end)
    return any(
        db.session.scalar(query.offset(more_than).limit(1)) is not None
        for query in (members, visits.order_by(ShareVisit.at))
    )


def _count_reached(scope: Scope) -> int:
    """People who opened a link or took the card by one. A phone is the same person in both."""
    opened = scope.openings().with_only_columns(ShareVisit.visitor)
    took = (
        scope.referrals()
        .join(Member, Member.id == Referral.member_id)
        .join(Wallet, Wallet.id == Member.wallet_id)
        .with_only_columns(Wallet.key_hash)
    )
    return db.session.scalar(select(func.count()).select_from(union(opened, took).subquery())) or 0


def generations(
    chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None, program_id: int | None = None
) -> list[Generation]:
    """New members of the period by generation: 0 came by themselves, 1 through one of those, and so on."""
    scope = Scope(chain_id, start, end, store_ids, program_id)
    query = scope.referrals().with_only_columns(Referral.depth, func.count())
    rows = db.session.execute(query.group_by(Referral.depth).order_by(Referral.depth))
    deeper = [Generation(row[0], row[1]) for row in rows]
    by_themselves = count(scope.members()) - sum(each.members for each in deeper)
    return [Generation(0, by_themselves), *deeper]


def k_factor(
    chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None, program_id: int | None = None
) -> KFactor:
    """The K-factor of those who joined in the period."""
    scope = Scope(chain_id, start, end, store_ids, program_id)
    brought = db.session.execute(_brought(scope)).one()
    return KFactor(count(scope.members()), count(_links_of_cohort(scope)), int(brought[0] or 0), int(brought[1] or 0))


def k_by_store(
    chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None, program_id: int | None = None
) -> dict[int | None, KFactor]:
    """The K-factor of those who joined in each store."""
    return _k_by(Member.store_id, Scope(chain_id, start, end, store_ids, program_id))


def k_by_program(
    chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None, program_id: int | None = None
) -> dict[int | None, KFactor]:
    """The K-factor of those whose first card is of each program."""
    return _k_by(first_program(), Scope(chain_id, start, end, store_ids, program_id))


def _k_by(group: Any, scope: Scope) -> dict[int | None, KFactor]:
    key = group.label("key")
    members = scope.members().with_only_columns(key, func.count().label("members")).group_by(key)
    links = _links_of_cohort(scope).with_only_columns(key, func.count()).group_by(key)
    brought = _brought(scope, key).group_by(key)
    found = {row[0]: row[1] for row in db.session.execute(members)}
    made = {row[0]: row[1] for row in db.session.execute(links)}
    came = {row[0]: (int(row[1]), int(row[2])) for row in db.session.execute(brought)}
    return {key: KFactor(number, made.get(key, 0), *came.get(key, (0, 0))) for key, number in found.items()}


def _links_of_cohort(scope: Scope) -> Any:
    """The links that those who joined in the period made until its end."""
    links = scope.whole_chain().links().join(Member, Member.id == ShareLink.member_id)
    return links.where(*scope.joined(), *scope.of_these())


def _brought(scope: Scope, *columns: Any) -> Any:
    """Sum, and sum of squares, of what each of those who joined in the period brought until its end."""
    each = (
        scope.whole_chain()
        .referrals()
        .with_only_columns(Referral.referrer_id.label("member_id"), func.count().label("number"))
        .group_by(Referral.referrer_id)
        .subquery()
    )
    return (
        select(*columns, func.sum(each.c.number), func.sum(each.c.number * each.c.number))
        .select_from(each)
        .join(Member, Member.id == each.c.member_id)
        .where(*scope.joined(), *scope.of_these())
    )


def time_to_convert(
    chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None, program_id: int | None = None
) -> timedelta | None:
    """The median time from making a link to a new member by it; None when nobody came.

    The link of a correction was made after the member joined: it tells nothing of this.
    """
    scope = Scope(chain_id, start, end, store_ids, program_id)
    came_by = (ShareLink.id == Referral.share_link_id) & (ShareLink.created_at <= Referral.created_at)
    took = seconds_between(ShareLink.created_at, Referral.created_at)
    each = (
        scope.referrals()
        .join(ShareLink, came_by)
        .with_only_columns(
            took.label("took"),
            func.row_number().over(order_by=took).label("place"),
            func.count().over().label("number"),
        )
        .subquery()
    )
    middle = db.session.scalar(select(each.c.took).where(each.c.place == (each.c.number + 1) // 2))
    return None if middle is None else timedelta(seconds=max(round(float(middle)), 0))


def by_day(
    chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None, program_id: int | None = None
) -> list[NewMembers]:
    """New members by business day of the chain, through friends and others; of a long period by week or four."""
    scope = Scope(chain_id, start, end, store_ids, program_id)
    spans = _spans(scope)
    referred, all_members = [], []
    for place in range(0, len(spans), TOGETHER):
        some = spans[place : place + TOGETHER]
        parts = [Scope(chain_id, since, until, store_ids, program_id) for _, _, since, until in some]
        referred += _counts([part.referrals() for part in parts])
        all_members += _counts([part.members() for part in parts])
    return [
        NewMembers(first, last, by_friends, members - by_friends)
        for (first, last, _, _), by_friends, members in zip(spans, referred, all_members, strict=True)
    ]


def _spans(scope: Scope) -> list[tuple[date, date, datetime, datetime]]:
    """The days of the period, alone or several together, with their beginning and end."""
    chain = get_chain(scope.chain_id)
    first, last = scope.days()["first"], scope.days()["last"]
    days = (last - first).days + 1
    step = next((each for each in STEPS if days <= each * MOST_POINTS), -(-days // MOST_POINTS))

    def beginning(day: date) -> datetime:
        return day_start(day, chain.timezone, chain.cutoff_hour)

    found = []
    for passed in range(0, days, step):
        since = first + timedelta(days=passed)
        until = min(since + timedelta(days=step), last + timedelta(days=1))
        moments = max(beginning(since), scope.start), min(beginning(until), scope.end)
        found.append((since, until - timedelta(days=1), *moments))
    return found


def _counts(queries: list[Any]) -> list[int]:
    """Many small counts in one statement."""
    columns = [
        query.with_only_columns(func.count()).scalar_subquery().label(f"c{place}")
        for place, query in enumerate(queries)
    ]
    return list(db.session.execute(select(*columns)).one())
