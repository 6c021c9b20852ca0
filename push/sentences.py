"""Who and when, in the sentences that head office reads, made from the data that decides."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from cards.models import Tier
from core.db import db
from core.text import Text
from coupons.terms import day_text
from push.scheduling import WEEKDAYS
from stores.models import Chain, Store

DAYS_ZH = dict(zip(WEEKDAYS, "一二三四五六日", strict=True))
DAYS_EN = dict(zip(WEEKDAYS, "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(), strict=True))
NAMES_SHOWN = 3
EVERYBODY = Text("全体会员", "All members")
NOW = Text("马上发（先等 10 分钟）", "At once, after ten minutes")
DAYS = {
    ("joined", "within_days"): Text("最近 {n} 天入会", "joined in the last {n} days"),
    ("joined", "before_days"): Text("入会超过 {n} 天", "joined more than {n} days ago"),
    ("last_visit", "within_days"): Text("最近 {n} 天来过", "came in the last {n} days"),
    ("last_visit", "before_days"): Text("超过 {n} 天没来", "have not come for {n} days"),
    ("joined", "after"): Text("{day} 起入会", "joined on or after {day}"),
    ("joined", "before"): Text("{day} 前入会", "joined before {day}"),
}


def schedule_sentence(schedule: dict[str, Any], timezone: str) -> Text:
    """When a campaign goes out, by the chain's clock."""
    if schedule["kind"] == "now":
        return NOW
    if schedule["kind"] == "at":
        return moment_text(datetime.fromisoformat(schedule["at"]), timezone)
    clock = schedule["time"]
    zh = (
        "每天"
        if len(schedule["weekdays"]) == 7
        else "每" + "、".join(f"周{DAYS_ZH[day]}" for day in schedule["weekdays"])
    )
    en = "day" if len(schedule["weekdays"]) == 7 else _and([DAYS_EN[day] for day in schedule["weekdays"]])
    if "until" not in schedule:
        return Text(f"{zh} {clock}", f"Every {en} at {clock}")
    last = day_text(date.fromisoformat(schedule["until"]))
    return Text(f"{zh} {clock}，到{last.zh}为止", f"Every {en} at {clock}, until {last.en}")


def moment_text(moment: datetime, timezone: str) -> Text:
    """A day and a time by the chain's clock; a moment without a zone is meant so."""
    local = moment.astimezone(ZoneInfo(timezone)) if moment.tzinfo else moment
    day = day_text(local)
    return Text(f"{day.zh} {local:%H:%M}", f"{day.en}, {local:%H:%M}")


def audience_sentence(chain: Chain, audience: dict[str, Any]) -> Text:
    """Whom a campaign means."""
    parts = [_condition(chain, condition) for condition in audience.get("all", [])]
    if not parts:
        return EVERYBODY
    return Text("，".join(part.zh for part in parts), "Members who " + _and([part.en for part in parts]))


def _condition(chain: Chain, condition: dict[str, Any]) -> Text:
    field, op, value = condition["field"], condition["op"], condition["value"]
    if field == "store":
        names = db.session.scalars(
            select(Store.name).where(Store.chain_id == chain.id, Store.id.in_(value)).order_by(Store.id)
        ).all()
        shown = "、".join(names[:NAMES_SHOWN])
        more = len(names) - NAMES_SHOWN
        return Text(
            f"在{shown}等 {len(names)} 家门店入会" if more > 0 else f"在{shown}入会",
            f"joined at {shown} and {more} more stores" if more > 0 else f"joined at {_or(list(names))}",
        )
    if field == "tier":
        tiers = db.session.execute(
            select(Tier.name, Tier.name_en).where(Tier.chain_id == chain.id, Tier.id.in_(value)).order_by(Tier.rank)
        ).all()
        zh = "或".join(tier.name for tier in tiers)
        return Text(f"{zh}等级", f"hold the tier {_or([tier.name_en for tier in tiers])}")
    if op.endswith("_days"):
        text = DAYS[field, op]
        return Text(text.zh.format(n=value), text.en.format(n=value))
    text, day = DAYS[field, op], day_text(date.fromisoformat(value))
    return Text(text.zh.format(day=day.zh), text.en.format(day=day.en))


def _and(words: list[str]) -> str:
    return _joined(words, "and")


def _or(words: list[str]) -> str:
    return _joined(words, "or")


def _joined(words: list[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
