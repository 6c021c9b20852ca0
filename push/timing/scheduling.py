"""When a campaign goes out: now, at a time, again and again, or when something happens to a member.

``{"kind": "now"}`` · ``{"kind": "at", "at": "2026-05-20T18:00"}`` ·
``{"kind": "recurring", "weekdays": ["mon", "fri"], "time": "18:00", "until": "2026-12-31"}``, or with
``"monthdays": [1, 15]`` for days of the month · ``{"kind": "cron", "cron": "0 18 * * mon,fri"}`` ·
``{"kind": "event", "event": "birthday", "days": 3, "time": "10:00"}`` (push/timing/occasions.py).

Each may say ``fresh_hours``: how long after its time a message is still worth sending. A time without an offset is
meant by the chain's clock, or with ``"zone": "member"`` by the clock of the store where each member joined.
"""

import calendar
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from core.text import Text
from push.errors import ScheduleInvalid

UNDO = timedelta(minutes=10)  # a manual send can be stopped that long
GRACE = timedelta(hours=1)  # later than this it has been missed, and somebody must decide
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVENTS = ("joined", "birthday", "coupon_expiring", "lapsed", "tier_reached")
ZONES = ("chain", "member")
FRESH_HOURS = 24
MOST_FRESH_HOURS = 168
MOST_DAYS = {"joined": 365, "birthday": 60, "coupon_expiring": 60, "lapsed": 3650, "tier_reached": 365}
FARTHEST = 1500  # occurrences looked through for the next one
ALLOWED: dict[str, set[str]] = {
    "now": set(),
    "at": {"at", "zone"},
    "recurring": {"weekdays", "monthdays", "time", "until", "zone"},
    "cron": {"cron", "until", "zone"},
    "event": {"event", "days", "time", "until", "zone"},
}
REPEATING = ("recurring", "cron")
EARLIEST, LATEST = date(2020, 1, 1), date(2199, 12, 1)  # of a calendar


# --- writing down ---------------------------------------------------------------------------------------------------


def check_schedule(schedule: Any) -> dict[str, Any]:
    """The schedule in its one spelling; raises ScheduleInvalid."""
    kind = schedule.get("kind") if isinstance(schedule, dict) else None
    if kind not in ALLOWED or set(schedule) - ALLOWED[kind] - {"kind", "fresh_hours"}:
        raise _invalid("没有这种发送方式。", "there is no such way to send.", "kind")
    checked = {"kind": kind, "fresh_hours": _fresh_hours(schedule.get("fresh_hours", FRESH_HOURS))}
    checked |= _CHECKS.get(kind, lambda _: {})(schedule)
    if schedule.get("until"):
        checked["until"] = _day_text(schedule["until"])
    if "zone" in schedule and schedule["zone"] != "chain":
        checked["zone"] = _zone(schedule, checked)
    return checked


def _at(schedule: dict[str, Any]) -> dict[str, Any]:
    return {"at": _moment_text(schedule.get("at"))}


def _recurring(schedule: dict[str, Any]) -> dict[str, Any]:
    if "monthdays" in schedule and "weekdays" in schedule:
        raise _invalid("按星期或按日期，选一种。", "choose weekdays or days of the month, not both.", "weekdays")
    days = (
        {"monthdays": _monthdays(schedule["monthdays"])}
        if "monthdays" in schedule
        else {"weekdays": _weekdays(schedule.get("weekdays"))}
    )
    return days | {"time": _time_text(schedule.get("time"))}


def _cron(schedule: dict[str, Any]) -> dict[str, Any]:
    """Five fields; the minute is one number, weekdays are named (counted from 0 they mean other days elsewhere).

    Days of the month together with weekdays are refused: elsewhere either of them is enough.
    """
    text = schedule.get("cron")
    fields = text.split() if isinstance(text, str) else []
    if len(fields) != 5 or len(str(text)) > 100:
        raise _invalid(
            "cron 要有五段，如 0 18 * * mon,fri。", "cron has five fields, such as 0 18 * * mon,fri.", "cron"
        )
    if not (fields[0].isascii() and fields[0].isdecimal()):
        raise _invalid("cron 的分钟要写一个数字。", "the minute of a cron line is one number.", "cron")
    if any(sign.isdigit() for sign in fields[4]):
        raise _invalid("cron 的星期要写 mon … sun。", "weekdays in a cron line are named: mon … sun.", "cron")
    if "*" not in (fields[2], fields[4]):
        raise _invalid(
            "cron 的日期和星期只写一个，另一个写 *。",
            "a cron line names days of the month or of the week, and * for the other.",
            "cron",
        )
    try:
        trigger = CronTrigger.from_crontab(" ".join(fields).lower(), timezone=UTC)
    except (ValueError, KeyError):
        raise _invalid("看不懂这行 cron。", "this cron line cannot be read.", "cron") from None
    if trigger.get_next_fire_time(None, datetime(2024, 1, 1, tzinfo=UTC)) is None:
        raise _invalid("没有这样的日子。", "there is no such day.", "cron")
    return {"cron": " ".join(fields).lower()}


def _event(schedule: dict[str, Any]) -> dict[str, Any]:
    event, days = schedule.get("event"), schedule.get("days", 0)
    if event not in EVENTS:
        raise _invalid("没有这种事件。", "there is no such event.", "event")
    fewest = 1 if event in ("coupon_expiring", "lapsed") else 0
    if type(days) is not int or not fewest <= days <= MOST_DAYS[event]:
        raise _invalid(
            f"天数要在 {fewest} 到 {MOST_DAYS[event]} 之间。",
            f"days lie between {fewest} and {MOST_DAYS[event]}.",
            "days",
        )
    checked: dict[str, Any] = {"event": event, "days": days}
    if schedule.get("time"):
        checked["time"] = _time_text(schedule["time"])
    elif event in ("birthday", "coupon_expiring", "lapsed"):
        checked["time"] = "10:00"
    return checked


_CHECKS = {"at": _at, "recurring": _recurring, "cron": _cron, "event": _event}


def _zone(schedule: dict[str, Any], checked: dict[str, Any]) -> str:
    if schedule["zone"] not in ZONES:
        raise _invalid("时区选“连锁”或“会员”。", "the zone is that of the chain or of each member.", "zone")
    if checked["kind"] == "at" and datetime.fromisoformat(checked["at"]).tzinfo is not None:
        raise _invalid(
            "带时区的时间不能再按会员的时区。", "a time with an offset is the same for every member.", "zone"
        )
    return str(schedule["zone"])


def _fresh_hours(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_FRESH_HOURS:
        raise _invalid("有效小时数要在 1 到 168 之间。", "a message stays fresh for 1 to 168 hours.", "fresh_hours")
    return value


def _moment_text(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _invalid("请填日期和时间。", "give a day and a time.", "at") from None
    if not 2000 <= moment.year <= 2200:
        raise _invalid("请填日期和时间。", "give a day and a time.", "at")
    return moment.isoformat(timespec="minutes")


def _weekdays(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not set(map(str, value)) <= set(WEEKDAYS):
        raise _invalid("至少选一个星期几。", "choose at least one weekday (mon … sun).", "weekdays")
    return [day for day in WEEKDAYS if day in value]


def _monthdays(value: Any) -> list[int]:
    if not isinstance(value, list) or not value or not all(type(day) is int and 1 <= day <= 31 for day in value):
        raise _invalid("至少选一天（1 到 31）。", "choose at least one day of the month (1 to 31).", "monthdays")
    return sorted(set(value))


def _time_text(value: Any) -> str:
    try:
        return time.fromisoformat(value).replace(tzinfo=None).isoformat(timespec="minutes")
    except (TypeError, ValueError):
        raise _invalid("请填时间，如 18:00。", "give a time of day such as 18:00.", "time") from None


def _day_text(value: Any) -> str:
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        raise _invalid("结束日期有误。", "the last day is not a date.", "until") from None
    if not 2000 <= day.year <= 2200:
        raise _invalid("结束日期有误。", "the last day is not a date.", "until")
    return day.isoformat()


# --- reckoning ------------------------------------------------------------------------------------------------------


def first_due(schedule: dict[str, Any], timezone: str, *, now: datetime, zones: Sequence[str] = ()) -> datetime:
    """When a checked schedule goes out first. Raises ScheduleInvalid when that is never.

    ``zones`` are those of the chain's stores: by the members' clocks the earliest of them counts.
    """
    if schedule["kind"] in ("now", "event"):
        end = end_of(schedule, timezone, zones)
        if end is not None and end <= now + UNDO:
            raise _invalid("结束日期已经过了。", "its last day is over.", "until")
        return now + UNDO
    if schedule["kind"] == "at":
        due = _instant_at(schedule, places(schedule, timezone, zones))
        if due <= now:
            raise _invalid("这个时间已经过去了。", "that time has passed.", "at")
        return due
    occurrence = next_occurrence(schedule, timezone, after=now, zones=zones)
    if occurrence is None:
        raise _invalid("结束日期之前没有这样的日子。", "no such day comes before the last day.", "until")
    return occurrence


def _instant_at(schedule: dict[str, Any], where: Sequence[str]) -> datetime:
    wall = datetime.fromisoformat(schedule["at"])
    return wall.astimezone(UTC) if wall.tzinfo else min(_instant(wall, zone) for zone in where)


def next_occurrence(
    schedule: dict[str, Any], timezone: str, *, after: datetime, zones: Sequence[str] = ()
) -> datetime | None:
    """The first time after a moment that a repeating campaign goes out; None when there is no more.

    An hour that the clocks skip is taken as the hour they jump to, an hour that comes twice as its first coming.
    """
    if schedule["kind"] not in REPEATING:
        return None
    where, end = places(schedule, timezone, zones), end_of(schedule, timezone, zones)
    last = date.fromisoformat(schedule["until"]) if "until" in schedule else date.max
    begin = (after - timedelta(days=2)).astimezone(ZoneInfo(timezone)).date()
    for wall in islice(_walls(schedule, begin), FARTHEST):
        due = min(_instant(wall, zone) for zone in where)
        if due > after:
            return due if wall.date() <= last and (end is None or due < end) else None
    return None


def places(schedule: dict[str, Any], timezone: str, zones: Sequence[str]) -> Sequence[str]:
    """The zones by whose clocks the schedule goes."""
    return list(dict.fromkeys([timezone, *zones])) if schedule.get("zone") == "member" else [timezone]


def instants(schedule: dict[str, Any], due_at: datetime, where: Sequence[str]) -> dict[str, datetime]:
    """When the run due then reaches each zone: the same time by every clock."""
    if len(where) > 1:
        for wall in _walls_around(schedule, due_at, where):
            found = {each: _instant(wall, each) for each in where}
            if min(found.values()) == due_at:
                return found
    return dict.fromkeys(where, due_at)


def _walls_around(schedule: dict[str, Any], due_at: datetime, where: Sequence[str]) -> Iterator[datetime]:
    """The times on the wall that may be due then: those that are written down, for a clock may have skipped them."""
    if schedule["kind"] == "at":
        yield datetime.fromisoformat(schedule["at"]).replace(tzinfo=None)
    elif schedule["kind"] in REPEATING:
        begin = (due_at - timedelta(days=2)).date()
        yield from takewhile(
            lambda wall: wall.date() <= begin + timedelta(days=4), islice(_walls(schedule, begin), FARTHEST)
        )
    for zone in where:
        yield due_at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _walls(schedule: dict[str, Any], begin: date) -> Iterator[datetime]:
    """The times by the clock on the wall, from a day on."""
    if schedule["kind"] == "cron":
        trigger = CronTrigger.from_crontab(schedule["cron"], timezone=UTC)
        found = trigger.get_next_fire_time(None, datetime.combine(begin, time(), UTC))
        while found is not None:
            yield found.replace(tzinfo=None)
            found = trigger.get_next_fire_time(found, found + timedelta(seconds=1))
        return
    at = time.fromisoformat(schedule["time"])
    for ahead in range(FARTHEST):
        day = begin + timedelta(days=ahead)
        if _is_meant(schedule, day):
            yield datetime.combine(day, at)


def _is_meant(schedule: dict[str, Any], day: date) -> bool:
    """A day of the month that a shorter month lacks is its last day."""
    if "weekdays" in schedule:
        return WEEKDAYS[day.weekday()] in schedule["weekdays"]
    last = calendar.monthrange(day.year, day.month)[1]
    return day.day in {min(each, last) for each in schedule["monthdays"]}


def _instant(wall: datetime, zone: str) -> datetime:
    return wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def end_of(schedule: dict[str, Any], timezone: str, zones: Sequence[str] = ()) -> datetime | None:
    """The end of a campaign's last day; by the members' clocks, where it ends last."""
    if "until" not in schedule:
        return None
    return max(end_of_day(schedule["until"], zone) for zone in places(schedule, timezone, zones))


def end_of_day(day: str, zone: str) -> datetime:
    """When a day that is written down is over there."""
    return _instant(datetime.combine(date.fromisoformat(day) + timedelta(days=1), time()), zone)


def stale_after(schedule: dict[str, Any], due_at: datetime) -> datetime:
    """From when on a message of the run due then is stale."""
    return due_at + timedelta(hours=schedule.get("fresh_hours", FRESH_HOURS))


def _invalid(zh: str, en: str, part: str) -> ScheduleInvalid:
    return ScheduleInvalid(Text(zh, en), part)
