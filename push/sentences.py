"""Who and when, in the sentences that head office reads, made from the data that decides."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from core.db import db
from core.text import Text
from coupons.terms import day_text
from push.audiences.conditions import CONDITIONS
from push.audiences.models import Segment
from push.audiences.segments import SAVED
from push.timing.scheduling import WEEKDAYS
from stores.models import Chain

DAYS_ZH = dict(zip(WEEKDAYS, "一二三四五六日", strict=True))
DAYS_EN = dict(zip(WEEKDAYS, "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(), strict=True))
EVERYBODY = Text("全体会员", "All members")
NOW = Text("马上发（先等 10 分钟）", "At once, after ten minutes")


EVENT_WORDS = {
    "joined": Text("入会后 {days} 天", "{days} days after joining"),
    "birthday": Text("生日前 {days} 天", "{days} days before the birthday"),
    "coupon_expiring": Text("券到期前 {days} 天", "{days} days before a coupon expires"),
    "lapsed": Text("{days} 天没来", "after {days} days without a visit"),
    "tier_reached": Text("升级后 {days} 天", "{days} days after reaching a tier"),
}
EVENT_AT_ONCE = {
    "joined": Text("入会时", "On joining"),
    "birthday": Text("生日当天", "On the birthday"),
    "tier_reached": Text("升级时", "On reaching a tier"),
}


def schedule_sentence(schedule: dict[str, Any], timezone: str) -> Text:
    """When a campaign goes out, by the chain's clock or the members'."""
    if schedule["kind"] == "now":
        return NOW
    said = _times(schedule, timezone)
    if schedule.get("zone") == "member":
        said = Text(f"{said.zh}（各会员当地时间）", f"{said.en}, by each member's own clock")
    if "until" not in schedule:
        return said
    last = day_text(date.fromisoformat(schedule["until"]))
    return Text(f"{said.zh}，到{last.zh}为止", f"{said.en}, until {last.en}")


def _times(schedule: dict[str, Any], timezone: str) -> Text:
    if schedule["kind"] == "at":
        return moment_text(datetime.fromisoformat(schedule["at"]), timezone)
    if schedule["kind"] == "cron":
        return Text(f"按 cron：{schedule['cron']}", f"By cron: {schedule['cron']}")
    if schedule["kind"] == "event":
        return _event(schedule)
    days, clock = _days(schedule), schedule["time"]
    return Text(f"{days.zh} {clock}", f"Every {days.en} at {clock}")


def _days(schedule: dict[str, Any]) -> Text:
    if "monthdays" in schedule:
        days = [str(day) for day in schedule["monthdays"]]
        return Text(f"每月 {'、'.join(days)} 日", f"month on day {_and(days)}")
    if len(schedule["weekdays"]) == 7:
        return Text("每天", "day")
    return Text(
        "每" + "、".join(f"周{DAYS_ZH[day]}" for day in schedule["weekdays"]),
        _and([DAYS_EN[day] for day in schedule["weekdays"]]),
    )


def _event(schedule: dict[str, Any]) -> Text:
    event, days = schedule["event"], schedule["days"]
    at_once = EVENT_AT_ONCE.get(event) if days == 0 else None
    if at_once is not None:
        said = at_once
    else:
        words = EVENT_WORDS[event]
        en = words.en.replace("{days} days", "one day") if days == 1 else words.en
        said = Text(words.zh.format(days=days), en.format(days=days))
        said = Text(said.zh, said.en[:1].upper() + said.en[1:])
    clock = schedule.get("time")
    return Text(f"{said.zh}，{clock}", f"{said.en}, at {clock}") if clock else said


def moment_text(moment: datetime, timezone: str) -> Text:
    """A day and a time by the chain's clock; a moment without a zone is meant so."""
    local = moment.astimezone(ZoneInfo(timezone)) if moment.tzinfo else moment
    day = day_text(local)
    return Text(f"{day.zh} {local:%H:%M}", f"{day.en}, {local:%H:%M}")


def audience_sentence(chain: Chain, audience: dict[str, Any]) -> Text:
    """Whom a campaign means."""
    if not audience or audience == {"all": []}:
        return EVERYBODY
    said = _rules(chain, audience, is_whole=True)
    return Text(said.zh, f"Members who {said.en}")


def _rules(chain: Chain, node: dict[str, Any], *, is_whole: bool = False) -> Text:
    """What follows "members who"; a group within another stands in brackets."""
    if "not" in node:
        inner = _rules(chain, node["not"], is_whole=True)
        is_one = "field" in node["not"]
        return Text(f"不符合（{inner.zh}）", f"are not among those who {inner.en if is_one else f'({inner.en})'}")
    for group, zh, en in (("all", "，", "and"), ("any", "，或", "or")):
        if group in node:
            parts = [_rules(chain, each) for each in node[group]]
            if not parts:
                return Text("是会员", "are members")
            said = Text(zh.join(part.zh for part in parts), _joined([part.en for part in parts], en))
            return said if is_whole or len(parts) == 1 else Text(f"（{said.zh}）", f"({said.en})")
    if (node["field"], node["op"]) == SAVED:
        name = db.session.scalar(select(Segment.name).where(Segment.chain_id == chain.id, Segment.id == node["value"]))
        return Text(f"属于“{name or '？'}”", f"belong to “{name or '?'}”")
    return CONDITIONS[node["field"], node["op"]].words(node["value"], chain)


def _and(words: list[str]) -> str:
    return _joined(words, "and")


def _joined(words: list[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
