"""Whom a campaign means: a rule tree as data, compiled to SQL over members and their main cards.

A node is a condition (push/conditions), or ``{"all": [nodes]}``, ``{"any": [nodes]}``, ``{"not": node}``.
``{"all": []}`` is everybody. ``{"field": "segment", "op": "is", "value": 3}`` stands for the rules of a saved segment.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, and_, func, not_, or_, outerjoin, select, true
from sqlalchemy import case as sql_case

from cards.models import Card, Member, Program
from core.db import db
from push.audiences.conditions import CONDITIONS, Frame
from push.audiences.conditions.cards import HELD
from push.audiences.conditions.kinds import is_whole, refused
from push.audiences.models import Segment
from push.audiences.reachability import reason_against
from push.models import Purpose, PushChannel
from stores.models import Chain

MOST_CONDITIONS = 60
MOST_GROUPS = 200  # with every "not": each is a part of the query, though nothing stands in it
MOST_IN_ALL = 240  # with those of the saved segments that it names
DEEPEST = 6
GROUPS = ("all", "any")
SAVED = ("segment", "is")

Query = Select[*tuple[Any, ...]]
Node = dict[str, Any]


class Reach(NamedTuple):
    """How many members are meant, and how many of them each channel would reach now."""

    members: int
    by_channel: dict[str, int]


# --- writing down ---------------------------------------------------------------------------------------------------


class Checking:
    """One look through a rule tree: whose it is, which segments it becomes part of, how much there is of it."""

    def __init__(self, chain_id: int, within: frozenset[int]) -> None:
        self.chain_id = chain_id
        self.within = within
        self.conditions = 0
        self.groups = 0
        self.in_all = 0

    def node(self, node: Any, depth: int) -> Node:
        if not isinstance(node, dict):
            raise refused("格式不对。", "it is not a rule.")
        if depth > DEEPEST:
            raise refused("条件套得太深。", "its groups are nested too deeply.")
        if set(node) & {*GROUPS, "not"}:
            self.groups += 1
            if self.groups > MOST_GROUPS:
                raise refused("条件组太多。", "there are too many groups.")
        for group in GROUPS:
            if set(node) == {group}:
                if not isinstance(node[group], list) or (group == "any" and not node[group]):
                    raise refused("格式不对。", "a group is a list of conditions.")
                return {group: [self.node(each, depth + 1) for each in node[group]]}
        if set(node) == {"not"}:
            return {"not": self.node(node["not"], depth + 1)}
        self.conditions += 1
        self._count(1)
        if self.conditions > MOST_CONDITIONS:
            raise refused("条件太多。", "there are too many conditions.")
        return self._condition(node)

    def _condition(self, node: Node) -> Node:
        if set(node) != {"field", "op", "value"}:
            raise refused("每个条件要有 field、op、value。", "a condition has a field, an op and a value.")
        field, op, value = node["field"], node["op"], node["value"]
        if (field, op) == SAVED:
            self._saved(value, self.within)
            return dict(node)
        condition = CONDITIONS.get((field, op)) if isinstance(field, str) and isinstance(op, str) else None
        if condition is None:
            raise refused("没有这种条件。", "there is no such condition.")
        return {"field": field, "op": op, "value": condition.check(self.chain_id, value)}

    def _saved(self, segment_id: Any, within: frozenset[int]) -> None:
        if segment_id is None or segment_id == "":
            raise refused("请选一个人群。", "choose a segment.")
        rules = rules_of(self.chain_id, segment_id) if is_whole(segment_id) else None
        if rules is None:
            raise refused("没有这个人群。", "there is no such segment.")
        if segment_id in within or len(within) > DEEPEST:
            raise refused("人群不能包含自己。", "a segment cannot contain itself.")
        self._count(count_conditions(rules))
        for inner in saved_in(rules):
            self._saved(inner, within | {segment_id})

    def _count(self, more: int) -> None:
        self.in_all += more
        if self.in_all > MOST_IN_ALL:
            raise refused("连同引用的人群，条件太多。", "with the segments it names there are too many conditions.")


def check_audience(chain_id: int, audience: Any, *, within: frozenset[int] = frozenset()) -> Node:
    """The rules in their one spelling. Raises AudienceInvalid, also when they name another chain's store or tier.

    ``within`` are the saved segments that the rules are going to be part of: none may come back in them.
    """
    checked = Checking(chain_id, within).node({"all": []} if audience == {} else audience, 1)
    return checked if set(checked) & set(GROUPS) else {"all": [checked]}


def rules_of(chain_id: int, segment_id: int) -> Node | None:
    """The rules of a saved segment; None when it is another chain's, or archived."""
    return db.session.scalar(
        select(Segment.rules).where(
            Segment.id == segment_id, Segment.chain_id == chain_id, Segment.archived_at.is_(None)
        )
    )


def saved_in(node: Node) -> set[int]:
    """The saved segments that rules name."""
    return {each["value"] for each in conditions_in(node) if (each.get("field"), each.get("op")) == SAVED}


def count_conditions(node: Node) -> int:
    """How many conditions rules have, not counting what saved segments stand for."""
    return sum(1 for _ in conditions_in(node))


def conditions_in(node: Node) -> Iterator[Node]:
    """The conditions of rules, in the order in which they stand."""
    if not node:  # everybody
        return
    if "not" in node:
        yield from conditions_in(node["not"])
        return
    group = next((each for each in GROUPS if each in node), None)
    if group is None:
        yield node
        return
    for each in node[group]:
        yield from conditions_in(each)


# --- compiling ------------------------------------------------------------------------------------------------------


def meant(node: Node, frame: Frame) -> ColumnElement[bool]:
    """The condition that rules come to, over ``members`` and ``cards``."""
    if "not" in node:
        return not_(_certain(meant(node["not"], frame)))
    if "all" in node:
        return and_(true(), *(meant(each, frame) for each in node["all"]))
    if "any" in node:
        return or_(*(meant(each, frame) for each in node["any"]))
    if (node["field"], node["op"]) == SAVED:
        rules = rules_of(frame.chain.id, node["value"])
        return meant(rules, frame) if rules is not None else not_(true())  # archived since: nobody
    return CONDITIONS[node["field"], node["op"]].sql(node["value"], frame)


def _certain(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Unknown is no: who has no birthday does not have it in May, and so belongs to "not in May"."""
    return func.coalesce(condition, not_(true()))


def narrowed(query: Query, chain: Chain, audience: Node, *, now: datetime, whom: Select[Any] | None = None) -> Query:
    """Narrow a query over ``members`` and ``cards`` to the audience: one row a member, by his main card.

    ``whom`` finds the ids of few members: the query means nobody else, so that nobody else's purchases count.
    """
    frame = Frame(chain, now)
    rules = meant(audience or {"all": []}, frame)
    program_id = select(Program.id).where(Program.chain_id == chain.id, Program.is_default).scalar_subquery()
    bought = frame.buying.joined(whom)
    if bought is not None:
        query = query.select_from(outerjoin(Member, bought, bought.c.member_id == Member.id))
    return query.where(
        Member.chain_id == chain.id,
        Card.chain_id == chain.id,
        Card.member_id == Member.id,
        Card.program_id == program_id,
        Card.state.in_(HELD),
        rules,
    )


def count_reach(
    chain: Chain,
    audience: Node,
    channels: Sequence[str],
    *,
    now: datetime,
    purpose: Purpose = Purpose.PROMOTION,
) -> Reach:
    """Count members, and those whom each channel would reach with a message of the purpose."""
    reached = [func.count(sql_case((reason_against(PushChannel(name), purpose).is_(None), 1))) for name in channels]
    counts = db.session.execute(narrowed(select(func.count(Member.id), *reached), chain, audience, now=now)).one()
    return Reach(counts[0], dict(zip(channels, counts[1:], strict=True)))


def sample_members(chain: Chain, audience: Node, *, now: datetime, limit: int = 5) -> Sequence[Row[*tuple[Any, ...]]]:
    """A few of those meant, newest first: id, name, card number, store, joined."""
    query = select(Member.id, Member.name, Card.number, Member.store_id, Member.joined_at)
    return db.session.execute(
        narrowed(query, chain, audience, now=now).order_by(Member.joined_at.desc(), Member.id.desc()).limit(limit)
    ).all()
