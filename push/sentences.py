"""Who and when, in the sentences that head office reads, made from the data that decides."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from core.db import db
from core.text import Text
from coupons.terms import day_text
from push.audience_models import Segment
from push.conditions import CONDITIONS
from push.scheduling import WEEKDAYS
from push.segments import SAVED
from stores.models import Chain

DAYS_ZH = dict(zip(WEEKDAYS, "一二三四五六日", strict=True))
DAYS_EN = dict(zip(WEEKDAYS, "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(), strict=True))
EVERYBODY = Text("全体会员", "All members")
NOW = Text("马上发（先等 10 分钟）", "At once, after ten minutes")


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
    if not audience or audience == {"all": []}:
        return EVERYBODY
    said = _rules(chain, audience, is_whole=True)
    return Text(said.zh, f"Members who {said.en}")


def _rules(chain: Chain, node: dict[str, Any], *, is_whole: bool = False) -> Text:
    """What follows "members who"; a group within another stands in brackets."""
    if "not" in node:
        inner = _rules(chain, node["not"], is_whole=True)
        return Text(f"不符合（{inner.zh}）", f"do not fit ({inner.en})")
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
