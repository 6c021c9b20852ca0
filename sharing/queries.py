"""Sharing to be looked at: single edges, and the tree below a member. Nothing here decides.

A sub-tree is a range of paths (see Referral.path): everything below ``p`` lies between ``p0`` and ``pg``.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, and_, func, select
from sqlalchemy.orm import aliased

from cards.models import Card, Member
from core.db import db
from sharing.attribution import Edge, path_step
from sharing.models import Referral
from stores.models import Store

STEP = 10  # hex digits of one member in a path
AFTER_HEX = "g"  # greater than every hex digit


class OwnCard(NamedTuple):
    """A card of a wallet, by its number."""

    id: int
    chain_id: int


class Root(NamedTuple):
    """A member at whose place in the tree we look down."""

    member_id: int
    name: str
    number: str
    store_id: int | None
    joined_at: datetime
    path: str
    depth: int  # 0 when nobody brought him
    referrer_id: int | None


class Node(NamedTuple):
    """A member below: how many generations away, through whom, by which channel."""

    member_id: int
    referrer_id: int
    name: str
    number: str
    generation: int
    channel: str
    store_id: int | None
    store_name: str | None
    joined_at: datetime
    children: int
    path: str


class Generation(NamedTuple):
    """How many members stand how many steps away."""

    generation: int
    members: int


class Reach(NamedTuple):
    """How many came through a member, directly or through others."""

    member_id: int
    members: int


def find_own_card(wallet_id: int, number: str) -> OwnCard | None:
    row = db.session.execute(select(Card.id, Card.chain_id).filter_by(wallet_id=wallet_id, number=number)).first()
    return None if row is None else OwnCard(row[0], row[1])


def find_edge(chain_id: int, member_id: int) -> Edge | None:
    """The edge by which a member came; None when he came by himself."""
    columns = (
        Referral.id,
        Referral.referrer_id,
        Referral.share_link_id,
        Referral.channel,
        Referral.depth,
        Referral.created_at,
    )
    row = db.session.execute(select(*columns).filter_by(chain_id=chain_id, member_id=member_id)).first()
    return None if row is None else Edge(*row)


def find_root(chain_id: int, *, number: str | None = None, member_id: int | None = None) -> Root | None:
    """The member of a card number, or of an id, with his place in the tree."""
    who: ColumnElement[bool] = Card.number == number if number is not None else Card.member_id == member_id
    row = db.session.execute(
        select(
            Member.id,
            Member.name,
            Card.number,
            Member.store_id,
            Member.joined_at,
            Referral.path,
            Referral.depth,
            Referral.referrer_id,
        )
        .select_from(Card)
        .join(Member, Member.id == Card.member_id)
        .outerjoin(Referral, and_(Referral.chain_id == Card.chain_id, Referral.member_id == Card.member_id))
        .where(Card.chain_id == chain_id, who)
        .order_by(Card.id)
        .limit(1)
    ).first()
    if row is None:
        return None
    found, name, card_number, store_id, joined_at, path, depth, referrer_id = row
    return Root(found, name, card_number, store_id, joined_at, path or path_step(found), depth or 0, referrer_id)


def is_below(chain_id: int, path: str) -> ColumnElement[bool]:
    """The condition that a referral lies in the sub-tree of a path; a range of the index on paths."""
    return and_(Referral.chain_id == chain_id, Referral.path >= f"{path}0", Referral.path < f"{path}{AFTER_HEX}")


def depth_by_path() -> ColumnElement[int]:
    """A referral's depth, told by the length of its path: then the index on paths knows all that is asked."""
    length = func.octet_length if db.engine.dialect.name == "postgresql" else func.length
    return length(Referral.path, type_=Integer) // STEP - 1


def count_below(chain_id: int, root: Root) -> list[Generation]:
    """Members of each generation below."""
    generation = depth_by_path() - root.depth
    rows = db.session.execute(
        select(generation, func.count()).where(is_below(chain_id, root.path)).group_by(generation).order_by(generation)
    )
    return [Generation(int(row[0]), row[1]) for row in rows]


def tree_below(
    chain_id: int, root: Root, *, after: str | None = None, limit: int = 100, deepest: int | None = None
) -> list[Node]:
    """The members below, each after the one through whom he came. ``after`` is the path of the last one seen."""
    query = _nodes(chain_id, root).where(is_below(chain_id, root.path)).order_by(Referral.path).limit(limit)
    if after is not None:
        query = query.where(Referral.path > after)
    if deepest is not None:
        query = query.where(Referral.depth <= root.depth + deepest)
    return [Node(*row) for row in db.session.execute(query)]


def _nodes(chain_id: int, root: Root) -> Any:
    child = aliased(Referral)
    children = select(func.count()).where(child.chain_id == chain_id, child.referrer_id == Referral.member_id)
    return (
        select(
            Referral.member_id,
            Referral.referrer_id,
            Member.name,
            Card.number,
            Referral.depth - root.depth,
            Referral.channel,
            Referral.store_id,
            Store.name,
            Referral.created_at,
            children.scalar_subquery(),
            Referral.path,
        )
        .join(Member, Member.id == Referral.member_id)
        .join(Card, Card.id == Referral.card_id)
        .outerjoin(Store, Store.id == Referral.store_id)
    )


def _count_each_below(chain_id: int, paths: dict[int, str]) -> dict[int, int]:
    """How many stand below each of these members, in all generations: one range of the index for each."""
    if not paths:
        return {}
    counts = [
        select(func.count()).where(is_below(chain_id, path)).scalar_subquery().label(f"m{member_id}")
        for member_id, path in paths.items()
    ]
    row: list[int] = []
    for start in range(0, len(counts), 100):
        row += db.session.execute(select(*counts[start : start + 100])).one()
    return dict(zip(paths, row, strict=True))


def paths_of(chain_id: int, member_ids: Collection[int]) -> dict[int, str]:
    """Each member's path; his own step alone when nobody brought him."""
    rows = db.session.execute(
        select(Referral.member_id, Referral.path).where(
            Referral.chain_id == chain_id, Referral.member_id.in_(member_ids)
        )
    )
    known = {row[0]: row[1] for row in rows}
    return {member_id: known.get(member_id, path_step(member_id)) for member_id in member_ids}


def count_reach(chain_id: int, member_ids: Collection[int]) -> dict[int, int]:
    """How many members came through each of these, directly or through others."""
    return _count_each_below(chain_id, paths_of(chain_id, member_ids))


def roots_by_reach(chain_id: int, *, limit: int | None = 20) -> list[Reach]:
    """Those whom nobody brought and who brought others: how many came through each, most first."""
    members = func.count().label("members")
    query = (
        select(Referral.root_id, members)
        .where(Referral.chain_id == chain_id)
        .group_by(Referral.root_id)
        .order_by(members.desc(), Referral.root_id)
        .limit(limit)
    )
    return [Reach(*row) for row in db.session.execute(query)]
