"""The shape of a condition, and the values that conditions take: checked once, when a segment is written down."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select

from cards.models import Member
from core.clock import day_start
from core.db import among, db
from core.text import Text
from push.audiences.conditions.buying import Buying
from push.errors import AudienceInvalid
from stores.models import Chain, Store

MOST_VALUES = 5000
MOST_DAYS = 3650
MOST = 2**53  # what JSON keeps exactly

Check = Callable[[int, Any], Any]


class Frame:
    """What conditions are measured against; and what they ask about a member's purchases."""

    def __init__(self, chain: Chain, now: datetime) -> None:
        self.chain, self.now = chain, now
        self.buying = Buying(chain.id, now)

    def days_ago(self, days: int) -> datetime:
        return self.now - timedelta(days=days)

    def start_of(self, day: str) -> datetime:
        return day_start(date.fromisoformat(day), self.chain.timezone, self.chain.cutoff_hour)


class Condition(NamedTuple):
    """``check(chain_id, value)`` gives the value in its one spelling or raises AudienceInvalid; ``sql`` stands over
    ``members`` and ``cards`` (the member's main card); ``words`` follow "members who" and stand before 的会员."""

    check: Check
    sql: Callable[[Any, Frame], ColumnElement[bool]]
    words: Callable[[Any, Chain], Text]


def is_among(members: Select[Any]) -> ColumnElement[bool]:
    """Whether the member is one of those that a query finds.

    SQLite would go through all of them once for each card, by an index that spares it nothing: it is not given one.
    """
    is_sqlite = db.engine.dialect.name == "sqlite"
    member: ColumnElement[int] = Member.id + 0 if is_sqlite else Member.id.expression
    return member.in_(members)


def refused(zh: str, en: str) -> AudienceInvalid:
    return AudienceInvalid(Text(zh, en))


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < MOST


def ids_of(model: Any, missing: Text) -> Check:
    """Rows of the chain, by their ids: at least one, each once."""

    def check(chain_id: int, value: Any) -> list[int]:
        if not isinstance(value, list) or not value or len(value) > MOST_VALUES or not all(map(is_whole, value)):
            raise refused("至少选一项。", "choose at least one.")
        found = db.session.scalars(
            select(func.count()).select_from(model).where(model.chain_id == chain_id, among(model.id, set(value)))
        ).one()
        if found != len(set(value)):
            raise AudienceInvalid(missing)
        return list(dict.fromkeys(value))

    return check


def whole(low: int, high: int, problem: Text) -> Check:
    def check(_chain_id: int, value: Any) -> int:
        if not is_whole(value) or not low <= value <= high:
            raise AudienceInvalid(problem)
        return int(value)

    return check


DAYS = whole(1, MOST_DAYS, Text("天数要在 1 到 3650 之间。", "days lie between 1 and 3650."))
COUNT = whole(1, 10_000, Text("次数要在 1 到 10000 之间。", "a count lies between 1 and 10,000."))
CENTS = whole(1, 10**12, Text("金额要大于 0。", "an amount is more than nothing."))


STORES = ids_of(Store, Text("选了不存在的门店或等级。", "it names a store or tier that is not there."))


def day(_chain_id: int, value: Any) -> str:
    """A calendar day."""
    try:
        if isinstance(value, str) and 1970 <= date.fromisoformat(value).year <= 2200:
            return value
    except ValueError:
        pass
    raise refused("日期要写成 2026-05-20。", "a day is written like 2026-05-20.")


def one_of(words: Sequence[str]) -> Check:
    def check(_chain_id: int, value: Any) -> str:
        if value is None or value == "":
            raise refused("请选一项。", "choose one.")
        if not isinstance(value, str) or value not in words:
            raise refused("没有这个选项。", "there is no such choice.")
        return value

    return check


def some_of(words: Sequence[str]) -> Check:
    def check(_chain_id: int, value: Any) -> list[str]:
        if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
            raise refused("至少选一项。", "choose at least one.")
        if not set(value) <= set(words):
            raise refused("没有这个选项。", "there is no such choice.")
        return [word for word in words if word in value]

    return check


def parts(**checks: Check) -> Check:
    """An object of named parts, each with its own check."""

    def check(chain_id: int, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or set(value) - set(checks):
            raise refused("条件的值不完整。", "the value has other parts.")
        return {name: _checked(name, each, chain_id, value.get(name)) for name, each in checks.items()}

    return check


def _checked(name: str, check: Check, chain_id: int, value: Any) -> Any:
    """A part of a value; a refusal says which one it is about."""
    try:
        return check(chain_id, value)
    except AudienceInvalid as refusal:
        raise AudienceInvalid(refusal.problem, name) from None


def or_none(check: Check) -> Check:
    return lambda chain_id, value: None if value is None else check(chain_id, value)


def days_said(days: int) -> str:
    """So many days, in English."""
    return "1 day" if days == 1 else f"{days} days"


LATELY = or_none(DAYS)  # None: ever


def lately(days: int | None) -> Text:
    """Within which time: before the verb in Chinese, at the end in English."""
    return Text("", "") if days is None else Text(f"最近 {days} 天", f" in the last {days_said(days)}")


def listed(words: Sequence[str], last: str) -> str:
    """a, b or c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def quoted(names: Sequence[str]) -> Text:
    """“a”, “b” and “c”."""
    marked = [f"“{name}”" for name in names]
    return Text("、".join(marked), listed(marked, "and"))


def names_of(model: Any, chain_id: int, ids: Sequence[int], *, most: int = 3) -> Text:
    """What the chosen things are called; of many the first few and how many more."""
    rows = db.session.execute(
        select(model.name, getattr(model, "name_en", model.name))
        .where(model.chain_id == chain_id, among(model.id, ids))
        .order_by(model.id)
    ).all()
    more = len(rows) - most
    zh, en = [row[0] for row in rows[:most]], [row[1] or row[0] for row in rows[:most]]
    if more > 0:
        return Text(f"{'、'.join(zh)}等 {len(rows)} 个", f"{', '.join(en)} or {more} more")
    return Text("、".join(zh) or "？", listed(en, "or") if en else "?")
