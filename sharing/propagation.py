"""How a chain's members spread its cards in a period: generations, reach, the K-factor, channels, stores, spreaders.

A period runs from ``start`` to ``end`` (exclusive). ``store_ids`` limits everything to members who joined in these
stores and to what they shared.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from cards.models import Card, Member
from core.db import db
from sharing.models import Referral, ShareChannel, ShareLink, ShareVisit
from sharing.queries import Generation, count_reach
from stores.models import Store

Stores = Collection[int] | None


class Numbers(NamedTuple):
    """What sharing came to in a period."""

    new_members: int  # all, however they came
    referred: int  # of these, through a share link
    links: int
    sharers: int  # different members who made them
    visits: int
    visitors: int  # different people who opened a link: the reach

    @property
    def conversion(self) -> float:
        """Of the people reached, which part became members."""
        return self.referred / self.visitors if self.visitors else 0.0

    @property
    def referred_share(self) -> float:
        return self.referred / self.new_members if self.new_members else 0.0


class KFactor(NamedTuple):
    """How many new members one new member brings: links per member times new members per link.

    Counted for those who joined in the period: the links they made, and whom these brought, until its end.
    """

    members: int
    links: int
    brought: int

    @property
    def links_per_member(self) -> float:
        return self.links / self.members if self.members else 0.0

    @property
    def conversion(self) -> float:
        return self.brought / self.links if self.links else 0.0

    @property
    def value(self) -> float:
        return self.brought / self.members if self.members else 0.0


class ChannelNumbers(NamedTuple):
    """A channel in a period: links made, visits counted, members who came."""

    channel: str
    links: int
    visits: int
    referred: int


class StoreNumbers(NamedTuple):
    """The same of a store: its members' links, and who joined there through one."""

    store_id: int | None
    name: str | None
    links: int
    visits: int
    referred: int


class Spreader(NamedTuple):
    """A member who brought others in the period."""

    member_id: int
    name: str
    number: str
    store_id: int | None
    store_name: str | None
    links: int  # made in the period
    visits: int  # to his links in the period
    direct: int  # members he brought in the period
    reach: int  # members below him since ever, all generations


def numbers(chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None) -> Numbers:
    """The totals of a period."""
    members = _count(_joined(chain_id, start, end, store_ids))
    referred = _count(_referred(chain_id, start, end, store_ids))
    links = db.session.execute(
        _links(chain_id, start, end, store_ids).with_only_columns(
            func.count(), func.count(ShareLink.member_id.distinct())
        )
    ).one()
    visits = db.session.execute(
        _visits(chain_id, start, end, store_ids).with_only_columns(
            func.count(), func.count(ShareVisit.visitor.distinct())
        )
    ).one()
    return Numbers(members, referred, links[0], links[1], visits[0], visits[1])


def generations(chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None) -> list[Generation]:
    """New members of the period by generation: 0 came by themselves, 1 through one of those, and so on."""
    rows = db.session.execute(
        _referred(chain_id, start, end, store_ids)
        .with_only_columns(Referral.depth, func.count())
        .group_by(Referral.depth)
        .order_by(Referral.depth)
    )
    deeper = [Generation(row[0], row[1]) for row in rows]
    by_themselves = _count(_joined(chain_id, start, end, store_ids)) - sum(each.members for each in deeper)
    return [Generation(0, by_themselves), *deeper]


def k_factor(chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None) -> KFactor:
    """The K-factor of those who joined in the period."""
    cohort = _joined(chain_id, start, end, store_ids)
    is_of_cohort = and_(Member.joined_at >= start, Member.joined_at < end)
    links = _links(chain_id, start, end, None).join(Member, Member.id == ShareLink.member_id).where(is_of_cohort)
    brought = _referred(chain_id, start, end, None).join(Member, Member.id == Referral.referrer_id).where(is_of_cohort)
    if store_ids is not None:
        links = links.where(Member.store_id.in_(store_ids))
        brought = brought.where(Member.store_id.in_(store_ids))
    return KFactor(_count(cohort), _count(links), _count(brought))


def time_to_convert(chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None) -> timedelta | None:
    """The median time from making a link to a new member by it; None when nobody came."""
    query = _referred(chain_id, start, end, store_ids).join(ShareLink, ShareLink.id == Referral.share_link_id)
    count = _count(query)
    if not count:
        return None
    took = _seconds_between(ShareLink.created_at, Referral.created_at)
    middle = db.session.scalar(query.with_only_columns(took).order_by(took).offset((count - 1) // 2).limit(1))
    return timedelta(seconds=max(round(float(middle or 0)), 0))


def by_channel(chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None) -> list[ChannelNumbers]:
    """Every channel with its links, visits and new members, the most new members first."""
    links = _by(ShareLink.channel, _links(chain_id, start, end, store_ids))
    visits = _by(ShareLink.channel, _visits(chain_id, start, end, store_ids))
    referred = _by(Referral.channel, _referred(chain_id, start, end, store_ids))
    rows = [
        ChannelNumbers(channel, links.get(channel, 0), visits.get(channel, 0), referred.get(channel, 0))
        for channel in ShareChannel
    ]
    return sorted(rows, key=lambda row: (-row.referred, -row.links))


def by_store(
    chain_id: int, start: datetime, end: datetime, *, store_ids: Stores = None, limit: int = 100
) -> list[StoreNumbers]:
    """Stores with the most new members through links first."""
    links = _by(ShareLink.store_id, _links(chain_id, start, end, store_ids))
    visits = _by(ShareLink.store_id, _visits(chain_id, start, end, store_ids))
    referred = _by(Referral.store_id, _referred(chain_id, start, end, store_ids))
    found = {**links, **visits, **referred}
    first = sorted(found, key=lambda store: (-referred.get(store, 0), -links.get(store, 0), store or 0))[:limit]
    rows = db.session.execute(select(Store.id, Store.name).where(Store.id.in_([s for s in first if s is not None])))
    names = {row[0]: row[1] for row in rows}
    return [
        StoreNumbers(store, names.get(store), links.get(store, 0), visits.get(store, 0), referred.get(store, 0))
        for store in first
    ]


def top_spreaders(
    chain_id: int,
    start: datetime,
    end: datetime,
    *,
    store_ids: Stores = None,
    after: tuple[int, int] | None = None,
    limit: int = 20,
) -> list[Spreader]:
    """Who brought most members himself in the period. ``after`` is (direct, member_id) of the last one seen."""
    brought = _brought(chain_id, start, end, store_ids).subquery()
    query = select(brought.c.member_id, brought.c.direct)
    if after is not None:
        direct, member_id = after
        query = query.where(
            or_(brought.c.direct < direct, and_(brought.c.direct == direct, brought.c.member_id > member_id))
        )
    found = db.session.execute(query.order_by(brought.c.direct.desc(), brought.c.member_id).limit(limit)).all()
    return _described(chain_id, start, end, {row[0]: row[1] for row in found})


def _brought(chain_id: int, start: datetime, end: datetime, store_ids: Stores) -> Any:
    query: Any = (
        _referred(chain_id, start, end, None)
        .with_only_columns(Referral.referrer_id.label("member_id"), func.count().label("direct"))
        .group_by(Referral.referrer_id)
    )
    if store_ids is None:
        return query
    return query.join(Member, Member.id == Referral.referrer_id).where(Member.store_id.in_(store_ids))


def _described(chain_id: int, start: datetime, end: datetime, direct: dict[int, int]) -> list[Spreader]:
    """The spreaders with their names, links, visits and reach, in the order given."""
    members = db.session.execute(
        select(Member.id, Member.name, func.min(Card.number), Member.store_id, Store.name)
        .join(Card, and_(Card.chain_id == Member.chain_id, Card.member_id == Member.id))
        .outerjoin(Store, Store.id == Member.store_id)
        .where(Member.id.in_(direct), Member.chain_id == chain_id)
        .group_by(Member.id, Member.name, Member.store_id, Store.name)
    )
    who: dict[int, Any] = {row[0]: tuple(row) for row in members}
    is_theirs = ShareLink.card_id.in_(select(Card.id).where(Card.chain_id == chain_id, Card.member_id.in_(direct)))
    links = _by(ShareLink.member_id, _links(chain_id, start, end, None).where(is_theirs))
    visits = _by(ShareLink.member_id, _visits(chain_id, start, end, None).where(is_theirs))
    reach = count_reach(chain_id, direct)
    return [
        Spreader._make((*who[member_id], links.get(member_id, 0), visits.get(member_id, 0), count, reach[member_id]))
        for member_id, count in direct.items()
        if member_id in who
    ]


def _joined(chain_id: int, start: datetime, end: datetime, store_ids: Stores) -> Select[Any]:
    query = select(Member.id).where(Member.chain_id == chain_id, Member.joined_at >= start, Member.joined_at < end)
    return query if store_ids is None else query.where(Member.store_id.in_(store_ids))


def _referred(chain_id: int, start: datetime, end: datetime, store_ids: Stores) -> Select[Any]:
    query = select(Referral.id).where(
        Referral.chain_id == chain_id, Referral.created_at >= start, Referral.created_at < end
    )
    return query if store_ids is None else query.where(Referral.store_id.in_(store_ids))


def _links(chain_id: int, start: datetime, end: datetime, store_ids: Stores) -> Select[Any]:
    query = select(ShareLink.id).where(
        ShareLink.chain_id == chain_id, ShareLink.created_at >= start, ShareLink.created_at < end
    )
    return query if store_ids is None else query.where(ShareLink.store_id.in_(store_ids))


def _visits(chain_id: int, start: datetime, end: datetime, store_ids: Stores) -> Select[Any]:
    query = (
        select(ShareVisit.id)
        .join(ShareLink, ShareLink.id == ShareVisit.share_link_id)
        .where(ShareVisit.chain_id == chain_id, ShareVisit.at >= start, ShareVisit.at < end)
    )
    return query if store_ids is None else query.where(ShareLink.store_id.in_(store_ids))


def _count(query: Select[Any]) -> int:
    return db.session.scalar(query.with_only_columns(func.count())) or 0


def _by(column: Any, query: Select[Any]) -> dict[Any, int]:
    rows = db.session.execute(query.with_only_columns(column, func.count()).group_by(column))
    return {row[0]: row[1] for row in rows}


def _seconds_between(earlier: Any, later: Any) -> ColumnElement[Any]:
    if db.engine.dialect.name == "postgresql":
        return func.extract("epoch", later - earlier)
    return (func.julianday(later) - func.julianday(earlier)) * 86_400
