"""Whom a campaign means: conditions as data, from a fixed list, compiled to SQL over members and their cards.

``{"all": [{"field": "store", "op": "in", "value": [3, 4]}, …]}``: every condition must hold; none means everybody.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy import case as sql_case

from cards.models import Card, CardState, Member, Program, Tier
from core.clock import day_start
from core.db import db
from core.text import Text
from push.errors import AudienceInvalid
from push.models import PushChannel
from push.reachability import reason_against
from stores.models import Chain, Store

MOST_CONDITIONS = 20
MOST_VALUES = 5000
MOST_DAYS = 3650
HELD = (CardState.ACTIVE, CardState.FROZEN, CardState.CLOSED)  # merged and erased cards are nobody's


class Frame(NamedTuple):
    """What a condition is measured against."""

    chain: Chain
    now: datetime

    def days_ago(self, days: int) -> datetime:
        return self.now - timedelta(days=days)

    def start_of(self, day: str) -> datetime:
        return day_start(date.fromisoformat(day), self.chain.timezone, self.chain.cutoff_hour)


# Whoever never came is as long away as he is a member.
LAST_SEEN = func.coalesce(Member.last_visit_at, Member.joined_at)

Query = Select[*tuple[Any, ...]]
Compiler = Callable[[Any, Frame], ColumnElement[bool]]
CONDITIONS: dict[tuple[str, str], Compiler] = {
    ("store", "in"): lambda value, frame: Member.store_id.in_(value),
    ("tier", "in"): lambda value, frame: Card.tier_id.in_(value),
    ("joined", "after"): lambda value, frame: Member.joined_at >= frame.start_of(value),  # that day included
    ("joined", "before"): lambda value, frame: Member.joined_at < frame.start_of(value),
    ("joined", "within_days"): lambda value, frame: Member.joined_at >= frame.days_ago(value),
    ("joined", "before_days"): lambda value, frame: Member.joined_at < frame.days_ago(value),
    ("last_visit", "within_days"): lambda value, frame: Member.last_visit_at >= frame.days_ago(value),
    ("last_visit", "before_days"): lambda value, frame: LAST_SEEN < frame.days_ago(value),
}
NAMED: dict[str, Any] = {"store": Store, "tier": Tier}


class Reach(NamedTuple):
    """How many members are meant, and how many of them each channel would reach now."""

    members: int
    by_channel: dict[str, int]


def check_audience(chain_id: int, audience: dict[str, Any]) -> dict[str, Any]:
    """The audience in its one spelling. Raises AudienceInvalid, also when it names another chain's store or tier."""
    conditions = audience.get("all", []) if isinstance(audience, dict) else None
    if not isinstance(conditions, list) or set(audience) - {"all"}:
        raise AudienceInvalid(Text("格式不对。", "it is not a list of conditions."))
    if len(conditions) > MOST_CONDITIONS:
        raise AudienceInvalid(Text("条件太多。", "there are too many conditions."))
    return {"all": [_checked(chain_id, condition) for condition in conditions]}


def _checked(chain_id: int, condition: Any) -> dict[str, Any]:
    if not isinstance(condition, dict) or set(condition) != {"field", "op", "value"}:
        raise AudienceInvalid(Text("每个条件要有 field、op、value。", "a condition has a field, an op and a value."))
    field, op, value = condition["field"], condition["op"], condition["value"]
    if (field, op) not in CONDITIONS:
        raise AudienceInvalid(Text("没有这种条件。", "there is no such condition."))
    if op == "in":
        _check_ids(chain_id, field, value)
    elif op.endswith("_days"):
        if not _is_whole(value) or not 1 <= value <= MOST_DAYS:
            raise AudienceInvalid(Text("天数要在 1 到 3650 之间。", "days lie between 1 and 3650."))
    elif not _is_day(value):
        raise AudienceInvalid(Text("日期要写成 2026-05-20。", "a day is written like 2026-05-20."))
    return {"field": field, "op": op, "value": value}


def _check_ids(chain_id: int, field: str, value: Any) -> None:
    if not isinstance(value, list) or not value or len(value) > MOST_VALUES or not all(map(_is_whole, value)):
        raise AudienceInvalid(Text("至少选一项。", "choose at least one."))
    model = NAMED[field]
    known = db.session.scalars(
        select(func.count()).select_from(model).where(model.chain_id == chain_id, model.id.in_(set(value)))
    ).one()
    if known != len(set(value)):
        raise AudienceInvalid(Text("选了不存在的门店或等级。", "it names a store or tier that is not there."))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53


def _is_day(value: Any) -> bool:
    try:
        return isinstance(value, str) and 1970 <= date.fromisoformat(value).year <= 2200
    except ValueError:
        return False


def narrowed(query: Query, chain: Chain, audience: dict[str, Any], *, now: datetime) -> Query:
    """Narrow a query over ``members`` and ``cards`` to the audience: one row a member, by his main card."""
    program_id = select(Program.id).where(Program.chain_id == chain.id, Program.is_default).scalar_subquery()
    frame = Frame(chain, now)
    conditions = [
        CONDITIONS[condition["field"], condition["op"]](condition["value"], frame)
        for condition in audience.get("all", [])
    ]
    return query.where(
        Member.chain_id == chain.id,
        Card.chain_id == chain.id,
        Card.member_id == Member.id,
        Card.program_id == program_id,
        Card.state.in_(HELD),
        *conditions,
    )


def count_reach(chain: Chain, audience: dict[str, Any], channels: Sequence[str], *, now: datetime) -> Reach:
    """Count members, and those whom each channel would reach."""
    reached = [func.count(sql_case((reason_against(PushChannel(name)).is_(None), 1))) for name in channels]
    counts = db.session.execute(narrowed(select(func.count(Member.id), *reached), chain, audience, now=now)).one()
    return Reach(counts[0], dict(zip(channels, counts[1:], strict=True)))


def sample_members(
    chain: Chain, audience: dict[str, Any], *, now: datetime, limit: int = 5
) -> Sequence[Row[*tuple[Any, ...]]]:
    """A few of those meant, newest first: id, name, card number, store, joined."""
    query = select(Member.id, Member.name, Card.number, Member.store_id, Member.joined_at)
    return db.session.execute(
        narrowed(query, chain, audience, now=now).order_by(Member.joined_at.desc(), Member.id.desc()).limit(limit)
    ).all()
