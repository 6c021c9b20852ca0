"""What a member bought: how lately, how often, how much. Refunds are taken off; what was voided never was."""

from typing import Any

from sqlalchemy import ColumnElement, and_, func

from core.money import money
from core.text import Text
from push.audiences.conditions.kinds import (
    CENTS,
    COUNT,
    DAYS,
    LATELY,
    STORES,
    Condition,
    Frame,
    days_said,
    lately,
    names_of,
    parts,
    whole,
)
from stores.models import Chain, Store

NONE_OR_MORE = whole(0, 10_000, Text("次数要在 0 到 10000 之间。", "a count lies between 0 and 10,000."))
CENTS_OR_NONE = whole(0, 10**12, Text("金额不能小于 0。", "an amount is not below zero."))
TIMES = parts(count=COUNT, days=LATELY)


def _lately(value: int, frame: Frame) -> ColumnElement[bool]:
    return frame.buying.last(value) >= frame.days_ago(value)


def _not_lately(value: int, frame: Frame) -> ColumnElement[bool]:
    return frame.buying.last(None) < frame.days_ago(value)


def _bought_at(value: dict[str, Any], frame: Frame) -> ColumnElement[bool]:
    days = value["days"]
    last = frame.buying.last_at(value["stores"], days)
    return last.is_not(None) if days is None else last >= frame.days_ago(days)


def _average(value: dict[str, Any], frame: Frame) -> ColumnElement[bool]:
    times = frame.buying.times(value["days"])
    return and_(times > 0, value["cents"] * times <= frame.buying.net(value["days"]))


def _times_words(zh: str, en: str) -> Any:
    def words(value: dict[str, Any], _chain: Chain) -> Text:
        when = lately(value["days"])
        times = "once" if value["count"] == 1 else f"{value['count']} times"
        return Text(when.zh + zh.format(n=value["count"]), en.format(n=times) + when.en)

    return words


def _at_words(value: dict[str, Any], chain: Chain) -> Text:
    when, names = lately(value["days"]), names_of(Store, chain.id, value["stores"])
    many = len(value["stores"]) > 3
    where = f"{names.zh.removesuffix('个')}家门店" if many else names.zh
    return Text(f"{when.zh}在{where}买过", f"bought at {names.en}{' stores' if many else ''}{when.en}")


def _money_words(zh: str, en: str) -> Any:
    def words(value: dict[str, Any], chain: Chain) -> Text:
        when = lately(value["days"])
        amounts = [money(value["cents"], chain.currency, language) for language in ("zh", "en")]
        return Text(when.zh + zh.format(n=amounts[0]), en.format(n=amounts[1]) + when.en)

    return words


CONDITIONS: dict[tuple[str, str], Condition] = {
    ("purchase", "within_days"): Condition(
        DAYS,
        _lately,
        lambda value, _: Text(f"最近 {value} 天买过", f"bought in the last {days_said(value)}"),
    ),
    ("purchase", "before_days"): Condition(
        DAYS,
        _not_lately,
        lambda value, _: Text(f"买过，但超过 {value} 天没再买", f"bought, but not in the last {days_said(value)}"),
    ),
    ("purchase", "at_stores"): Condition(parts(stores=STORES, days=LATELY), _bought_at, _at_words),
    ("purchases", "at_least"): Condition(
        TIMES,
        lambda value, f: f.buying.times(value["days"]) >= value["count"],
        _times_words("消费不少于 {n} 次", "bought at least {n}"),
    ),
    ("purchases", "at_most"): Condition(
        parts(count=NONE_OR_MORE, days=LATELY),
        lambda value, f: func.coalesce(f.buying.times(value["days"]), 0) <= value["count"],
        _times_words("消费不超过 {n} 次", "bought at most {n}"),
    ),
    ("spend", "at_least"): Condition(
        parts(cents=CENTS, days=LATELY),
        lambda value, f: f.buying.net(value["days"]) >= value["cents"],
        _money_words("消费不少于 {n}", "spent at least {n}"),
    ),
    ("spend", "at_most"): Condition(
        parts(cents=CENTS_OR_NONE, days=LATELY),
        lambda value, f: func.coalesce(f.buying.net(value["days"]), 0) <= value["cents"],
        _money_words("消费不超过 {n}", "spent at most {n}"),
    ),
    ("average", "at_least"): Condition(
        parts(cents=CENTS, days=LATELY), _average, _money_words("平均每次不少于 {n}", "spent at least {n} each time")
    ),
}
