"""Whom a member brought, and through how many others he came himself."""

from typing import Any

from sqlalchemy import ColumnElement, exists, func, select

from cards.models import Member
from core.text import Text
from push.audiences.conditions.kinds import COUNT, LATELY, Condition, Frame, is_among, lately, parts, whole
from sharing.models import Referral

GENERATION = whole(0, 250, Text("代数是 0 到 250。", "generations go from 0 to 250."))


def _brought(value: dict[str, Any], frame: Frame) -> ColumnElement[bool]:
    query = select(Referral.referrer_id).where(Referral.chain_id == frame.chain.id)
    if value["days"] is not None:
        query = query.where(Referral.created_at >= frame.days_ago(value["days"]))
    if value["count"] > 1:
        query = query.group_by(Referral.referrer_id).having(func.count() >= value["count"])
    return is_among(query)


def _brought_words(value: dict[str, Any], _chain: object) -> Text:
    when, n = lately(value["days"]), value["count"]
    return Text(
        f"{when.zh}带来过至少 {n} 位朋友", f"brought at least {'one friend' if n == 1 else f'{n} friends'}{when.en}"
    )


def _edge(frame: Frame, *which: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Referral.chain_id == frame.chain.id, Referral.member_id == Member.id, *which)


CONDITIONS: dict[tuple[str, str], Condition] = {
    ("brought", "at_least"): Condition(parts(count=COUNT, days=LATELY), _brought, _brought_words),
    ("generation", "is"): Condition(
        GENERATION,
        lambda value, f: _edge(f, Referral.depth == value) if value else ~_edge(f),
        lambda value, _: (
            Text(f"是第 {value} 代", f"stand in generation {value}")
            if value
            else Text("自己来的", "came by themselves")
        ),
    ),
    ("generation", "at_least"): Condition(
        GENERATION,
        lambda value, f: _edge(f, Referral.depth >= max(value, 1)) if value else Member.id.is_not(None),
        lambda value, _: (
            Text("朋友带来的", "came through a friend")
            if value == 1
            else Text(f"是第 {value} 代或更后", f"stand in generation {value} or below")
        ),
    ),
}
