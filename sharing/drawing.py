"""The propagation tree as it is drawn: the largest branches first, a part at a time. Nothing here decides.

Each answer holds some members only and takes few queries, whatever the size of the tree: what stands below a member is
a range of paths (see Referral.path), and its branches are counted by the step that follows.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Select,
    String,
    and_,
    cast,
    column,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
    values,
)
from sqlalchemy.orm import aliased

from cards.models import Card, Member
from core.db import db
from sharing.attribution import path_step
from sharing.models import Referral
from sharing.queries import AFTER_HEX, STEP, is_below
from stores.models import Store

AT_ONCE = 200  # ranges that one statement counts or adds up

Stores = Collection[int] | None


class Spot(NamedTuple):
    """From where the tree is looked at: a member's path and depth."""

    path: str
    depth: int


CHAIN = Spot("", 0)  # above all trees of the chain


class Size(NamedTuple):
    """A member by his path, and how many stand below him."""

    path: str
    below: int

    @property
    def member_id(self) -> int:
        return int(self.path[-STEP:], 16)


class Drawn(NamedTuple):
    """A member in the picture."""

    member_id: int
    referrer_id: int | None
    name: str
    number: str | None
    store_id: int | None
    store_name: str | None
    joined_at: datetime
    channel: str | None  # None when he came by himself
    path: str
    brought: int  # members he brought himself
    spent_cents: int  # his own purchases that stand
    below: int  # members in all generations below

    @property
    def spot(self) -> Spot:
        return Spot(self.path, len(self.path) // STEP - 1)


class GenerationChannel(NamedTuple):
    """How many members of a generation came through a channel."""

    generation: int
    channel: str
    members: int


class Joined(NamedTuple):
    """How many members of a generation came through a channel on a day."""

    day: date
    generation: int
    channel: str
    members: int


def find_drawn(chain_id: int, member_id: int) -> Drawn | None:
    """One member at his place in the tree, without what stands below him."""
    found = _described(chain_id, {member_id: 0})
    return found[0] if found else None


def find_all(chain_id: int, member_ids: Collection[int]) -> list[Drawn]:
    """These members at their places in the tree, without what stands below them."""
    return _described(chain_id, dict.fromkeys(member_ids, 0))


def whole_tree(chain_id: int, spot: Spot, *, most: int) -> list[Drawn] | None:
    """Everybody below, parents before children, the largest branches first; None when they are more than that."""
    query = _members(chain_id).where(is_below(chain_id, spot.path)).order_by(Referral.path).limit(most + 1)
    rows = db.session.execute(query).all()
    if len(rows) > most:
        return None
    below = _count_prefixes(row.path for row in rows)
    drawn = [_drawn(row, below[row.path]) for row in rows]
    return sorted(drawn, key=lambda each: (len(each.path), -each.below, each.path))


def crown(chain_id: int, spots: Sequence[Spot], widths: Sequence[int]) -> list[Drawn]:
    """The next generations below: of each member the largest branches, as many as that generation's width."""
    sizes: list[Size] = []
    paths = [spot.path for spot in spots]
    for width in widths:
        grown = largest_branches(chain_id, paths, most=width)
        sizes += grown
        paths = [size.path for size in grown if size.below]
    return describe(chain_id, sizes)


def largest_branches(
    chain_id: int, paths: Sequence[str], *, most: int, after: tuple[int, int] | None = None
) -> list[Size]:
    """The largest branches of each of these members. ``after`` is (below, member_id) of the last one seen."""
    if not paths:
        return []
    each = [_branches(chain_id, at, path, most, after).subquery() for at, path in enumerate(paths)]
    rows = db.session.execute(union_all(*[select(branch) for branch in each]))
    found = [Size(paths[row.at] + row.step, row.members - 1) for row in rows]
    return sorted(found, key=lambda size: (len(size.path), -size.below, size.path))


def largest_of_generation(
    chain_id: int, spot: Spot, generation: int, *, most: int, store_ids: Stores = None
) -> list[Drawn]:
    """The members of a generation below with the most members below themselves, of these stores."""
    end = STEP * (spot.depth + generation + 1)
    prefix, members = func.substr(Referral.path, literal_column("1"), literal_column(str(end))), func.count()
    query = (
        select(prefix, members)
        .where(is_below(chain_id, spot.path), func.length(Referral.path) >= end)
        .group_by(prefix)
        .order_by(members.desc(), prefix)
        .limit(most)
    )
    if store_ids is not None:
        own = select(Referral.path).join(Member, Member.id == Referral.member_id)
        depth = spot.depth + generation
        query = query.where(
            prefix.in_(own.where(Referral.chain_id == chain_id, Referral.depth == depth, _joined_in(store_ids)))
        )
    return describe(chain_id, [Size(row[0], row[1] - 1) for row in db.session.execute(query)])


def largest_trees(
    chain_id: int, *, most: int, store_ids: Stores = None, after: tuple[int, int] | None = None
) -> list[Drawn]:
    """The members at whom trees begin, the largest tree first. ``after`` is (below, member_id) of the last one seen.

    With ``store_ids`` a tree begins at a member of these stores whom no other of their members brought.
    """
    trees = (_trees(chain_id) if store_ids is None else _trees_of_stores(chain_id, store_ids)).subquery()
    query = select(trees.c.member_id, trees.c.below)
    if after is not None:
        below, member_id = after
        query = query.where(_comes_after(trees.c.below, trees.c.member_id, below, member_id))
    rows = db.session.execute(query.order_by(trees.c.below.desc(), trees.c.member_id).limit(most)).all()
    return _described(chain_id, {row[0]: row[1] for row in rows})


def count_trees(chain_id: int, *, store_ids: Stores = None) -> int:
    trees = _trees(chain_id) if store_ids is None else _trees_of_stores(chain_id, store_ids)
    return db.session.scalar(select(func.count()).select_from(trees.subquery())) or 0


def describe(chain_id: int, sizes: Iterable[Size]) -> list[Drawn]:
    """Who these members are, in the same order."""
    return _described(chain_id, {size.member_id: size.below for size in sizes})


def way_to(chain_id: int, path: str, *, is_counted: bool = False) -> list[Drawn]:
    """Everybody on a path, the first one first; what stands below them only when it is to be counted."""
    paths = [path[: end + STEP] for end in range(0, len(path), STEP)]
    ranges = [(f"{each}0", each + AFTER_HEX) for each in paths] if is_counted else []
    below = _for_each(ranges, _members_between(chain_id)) or [0] * len(paths)
    return describe(chain_id, map(Size, paths, below))


def children(chain_id: int, member: Drawn, *, most: int, after: int | None = None) -> list[Drawn]:
    """Whom a member brought himself, newest first. ``after`` is the member id of the last one seen."""
    query = _members(chain_id).where(Referral.referrer_id == member.member_id)
    if after is not None:
        query = query.where(Member.id < after)
    return [_drawn(row, 0) for row in db.session.execute(query.order_by(Member.id.desc()).limit(most))]


def ways_to(chain_id: int, member_ids: Sequence[int]) -> list[list[Drawn]]:
    """For each of these members everybody on his path, the first one first, he himself last."""
    lines = [_steps(each.path) for each in find_all(chain_id, member_ids)]
    found = {each.member_id: each for each in find_all(chain_id, sorted({step for line in lines for step in line}))}
    return [[found[step] for step in line if step in found] for line in lines]


def generations(chain_id: int, spot: Spot, *, store_ids: Stores = None) -> list[GenerationChannel]:
    """Members of each generation below, by channel."""
    by = (Referral.depth, Referral.channel)  # as an index has them
    query = _below(chain_id, spot, store_ids).with_only_columns(*by, func.count()).group_by(*by).order_by(*by)
    return [GenerationChannel(row[0] - spot.depth, row[1], row[2]) for row in db.session.execute(query)]


def growth(chain_id: int, spot: Spot, *, timezone: str, offset: timedelta, store_ids: Stores = None) -> list[Joined]:
    """When the members below came, the earliest day first. ``offset`` is the time zone's, for SQLite has none."""
    by = (_day(timezone, offset), Referral.depth, Referral.channel)
    query = _below(chain_id, spot, store_ids).with_only_columns(*by, func.count()).group_by(*by).order_by(by[0])
    rows = db.session.execute(query)
    return [Joined(date.fromisoformat(str(row[0])), row[1] - spot.depth, row[2], row[3]) for row in rows]


def spent_below(chain_id: int, paths: Collection[str]) -> dict[str, int]:
    """What the members below each of these have spent: purchases that stand, refunds taken off.

    The paths may lie in one another; nobody below is added up twice to know them all.
    """
    ends = sorted({end for path in paths for end in (f"{path}0", path + AFTER_HEX)})
    totals = [0, *accumulate(_for_each(list(pairwise(ends)), _spent_between(chain_id)))]
    at = {end: place for place, end in enumerate(ends)}
    return {path: totals[at[path + AFTER_HEX]] - totals[at[f"{path}0"]] for path in paths}


def _branches(chain_id: int, at: int, path: str, most: int, after: tuple[int, int] | None) -> Select[Any]:
    start: Any = literal_column(str(len(path) + 1))
    step, members = func.substr(Referral.path, start, literal_column(str(STEP))), func.count()
    query = select(literal_column(str(at)).label("at"), step.label("step"), members.label("members"))
    query = query.where(is_below(chain_id, path)).group_by(step)
    if after is not None:
        below, member_id = after
        query = query.having(_comes_after(members, step, below + 1, path_step(member_id)))
    return query.order_by(members.desc(), step).limit(most)


def _comes_after(size: Any, who: Any, last_size: int, last_one: Any) -> ColumnElement[bool]:
    last = literal(last_size, BigInteger)  # any that somebody writes into an address
    return or_(size < last, and_(size == last, who > last_one))


def _trees(chain_id: int) -> Any:
    return (
        select(Referral.root_id.label("member_id"), func.count().label("below"))
        .where(Referral.chain_id == chain_id)
        .group_by(Referral.root_id)
    )


def _trees_of_stores(chain_id: int, store_ids: Collection[int]) -> Any:
    edge, above, child, under = aliased(Referral), aliased(Member), aliased(Referral), aliased(Referral)
    path = func.coalesce(edge.path, _hex(Member.id))
    below = select(func.count()).where(
        under.chain_id == chain_id, under.path >= path.concat("0"), under.path < path.concat(AFTER_HEX)
    )
    is_brought_from_here = and_(above.store_id.is_not(None), above.store_id.in_(store_ids))
    return (
        select(Member.id.label("member_id"), below.correlate(Member, edge).scalar_subquery().label("below"))
        .outerjoin(edge, and_(edge.chain_id == chain_id, edge.member_id == Member.id))
        .outerjoin(above, above.id == edge.referrer_id)
        .where(
            Member.chain_id == chain_id,
            _joined_in(store_ids),
            exists().where(child.chain_id == chain_id, child.referrer_id == Member.id).correlate(Member),
            or_(above.id.is_(None), ~is_brought_from_here),
        )
    )


def _hex(member_id: Any) -> Any:
    """A member's step in a path, made by the database."""
    if db.engine.dialect.name == "postgresql":
        return func.lpad(func.to_hex(member_id), STEP, "0")
    return func.printf(f"%0{STEP}x", member_id)


def _joined_in(store_ids: Collection[int]) -> ColumnElement[bool]:
    return Member.store_id.in_(store_ids)


def _below(chain_id: int, spot: Spot, store_ids: Stores) -> Select[Any]:
    query = select(Referral.id).where(is_below(chain_id, spot.path) if spot.path else Referral.chain_id == chain_id)
    if store_ids is None:
        return query
    return query.where(
        Referral.member_id.in_(select(Member.id).where(Member.chain_id == chain_id, _joined_in(store_ids)))
    )


def _day(timezone: str, offset: timedelta) -> ColumnElement[Any]:
    """The local day on which a member came."""
    if db.engine.dialect.name == "postgresql":
        return cast(func.timezone(timezone, Referral.created_at), Date)
    return func.date(Referral.created_at, f"{round(offset.total_seconds())} seconds")


def _for_each(pieces: Sequence[tuple[str, str]], counted: Callable[[Any], Any]) -> list[int]:
    """What is counted between the two ends of each range of paths, by one statement for many."""
    found: list[int] = []
    for first in range(0, len(pieces), AT_ONCE):
        rows = [(at, *piece) for at, piece in enumerate(pieces[first : first + AT_ONCE])]
        piece = values(column("at", Integer), column("start", String), column("end", String)).data(rows).cte("piece")
        query = select(counted(piece).scalar_subquery()).select_from(piece).order_by(piece.c.at)
        found += map(int, db.session.scalars(query))
    return found


def _is_between(chain_id: int, piece: Any) -> ColumnElement[bool]:
    return and_(Referral.chain_id == chain_id, Referral.path >= piece.c.start, Referral.path < piece.c.end)


def _members_between(chain_id: int) -> Callable[[Any], Any]:
    return lambda piece: select(func.count()).where(_is_between(chain_id, piece)).correlate(piece)


def _spent_between(chain_id: int) -> Callable[[Any], Any]:
    is_theirs = and_(Card.chain_id == chain_id, Card.member_id == Referral.member_id)
    return lambda piece: (
        select(func.coalesce(func.sum(Card.spent_cents), 0))
        .select_from(Referral)
        .join(Card, is_theirs)
        .where(_is_between(chain_id, piece))
        .correlate(piece)
    )


def _described(chain_id: int, below: dict[int, int]) -> list[Drawn]:
    """These members in the order given, with how many stand below them as given."""
    if not below:
        return []
    rows = db.session.execute(_members(chain_id).where(Member.id.in_(below)))
    found = {row[0]: _drawn(row, below[row[0]]) for row in rows}
    return [found[member_id] for member_id in below if member_id in found]


def _members(chain_id: int) -> Select[Any]:
    child, card = aliased(Referral), aliased(Card)
    is_his = and_(card.chain_id == chain_id, card.member_id == Member.id)
    return (
        select(
            Member.id,
            Referral.referrer_id,
            Member.name,
            select(func.min(card.number)).where(is_his).scalar_subquery(),
            Member.store_id,
            Store.name,
            Member.joined_at,
            Referral.channel,
            Referral.path,
            select(func.count())
            .where(child.chain_id == chain_id, child.referrer_id == Member.id)
            .correlate(Member)
            .scalar_subquery(),
            select(func.coalesce(func.sum(card.spent_cents), 0)).where(is_his).scalar_subquery(),
        )
        .select_from(Member)
        .outerjoin(Referral, and_(Referral.chain_id == chain_id, Referral.member_id == Member.id))
        .outerjoin(Store, Store.id == Member.store_id)
        .where(Member.chain_id == chain_id)
    )


def _steps(path: str) -> list[int]:
    """The members on a path."""
    return [int(path[at : at + STEP], 16) for at in range(0, len(path), STEP)]


def _drawn(row: Any, below: int) -> Drawn:
    path, brought, spent = row[8:]
    return Drawn._make((*row[:8], path or path_step(row[0]), brought, int(spent), below))


def _count_prefixes(paths: Iterable[str]) -> dict[str, int]:
    """How many of these members stand below each of them."""
    below: dict[str, int] = {}
    for path in paths:
        below.setdefault(path, 0)
        for end in range(STEP, len(path), STEP):
            below[path[:end]] = below.get(path[:end], 0) + 1
    return below
