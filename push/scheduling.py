"""When a campaign goes out: now, at a time, or on weekdays at a time, by the chain's clock.

``{"kind": "now"}`` · ``{"kind": "at", "at": "2026-05-20T18:00"}`` ·
``{"kind": "recurring", "weekdays": ["mon", "fri"], "time": "18:00", "until": "2026-12-31"}``;
each may say ``fresh_hours``: how long after its time a message is still worth sending.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.text import Text
from push.errors import ScheduleInvalid

UNDO = timedelta(minutes=10)  # a manual send can be stopped that long
GRACE = timedelta(hours=1)  # later than this it has been missed, and somebody must decide
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FRESH_HOURS = 24
MOST_FRESH_HOURS = 168
ALLOWED: dict[str, set[str]] = {"now": set(), "at": {"at"}, "recurring": {"weekdays", "time", "until"}}


def check_schedule(schedule: Any) -> dict[str, Any]:
    """The schedule in its one spelling; raises ScheduleInvalid."""
    kind = schedule.get("kind") if isinstance(schedule, dict) else None
    if kind not in ALLOWED or set(schedule) - ALLOWED[kind] - {"kind", "fresh_hours"}:
        raise ScheduleInvalid(Text("没有这种发送方式。", "there is no such way to send."))
    checked = {"kind": kind, "fresh_hours": _fresh_hours(schedule.get("fresh_hours", FRESH_HOURS))}
    if kind == "at":
        checked["at"] = _moment_text(schedule.get("at"))
    if kind == "recurring":
        checked |= {"weekdays": _weekdays(schedule.get("weekdays")), "time": _time_text(schedule.get("time"))}
        if schedule.get("until"):
            checked["until"] = _day_text(schedule["until"])
    return checked


def _fresh_hours(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_FRESH_HOURS:
        raise ScheduleInvalid(Text("有效小时数要在 1 到 168 之间。", "a message stays fresh for 1 to 168 hours."))
    return value


def _moment_text(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ScheduleInvalid(Text("请填日期和时间。", "give a day and a time.")) from None
    if not 2000 <= moment.year <= 2200:
        raise ScheduleInvalid(Text("请填日期和时间。", "give a day and a time."))
    return moment.isoformat(timespec="minutes")


def _weekdays(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not set(map(str, value)) <= set(WEEKDAYS):
        raise ScheduleInvalid(Text("至少选一个星期几。", "choose at least one weekday (mon … sun)."))
    return [day for day in WEEKDAYS if day in value]


def _time_text(value: Any) -> str:
    try:
        return time.fromisoformat(value).replace(tzinfo=None).isoformat(timespec="minutes")
    except (TypeError, ValueError):
        raise ScheduleInvalid(Text("请填时间，如 18:00。", "give a time of day such as 18:00.")) from None


def _day_text(value: Any) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise ScheduleInvalid(Text("结束日期有误。", "the last day is not a date.")) from None


def first_due(schedule: dict[str, Any], timezone: str, *, now: datetime) -> datetime:
    """When a checked schedule goes out first. Raises ScheduleInvalid when that is never."""
    if schedule["kind"] == "now":
        return now + UNDO
    if schedule["kind"] == "at":
        due = datetime.fromisoformat(schedule["at"])
        due = (due if due.tzinfo else due.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)
        if due <= now:
            raise ScheduleInvalid(Text("这个时间已经过去了。", "that time has passed."))
        return due
    occurrence = next_occurrence(schedule, timezone, after=now)
    if occurrence is None:
        raise ScheduleInvalid(Text("结束日期之前没有这样的日子。", "no such day comes before the last day."))
    return occurrence


def next_occurrence(schedule: dict[str, Any], timezone: str, *, after: datetime) -> datetime | None:
    """The first time after a moment that a recurring campaign goes out; None when there is no more.

    Once each named day: an hour that the clocks skip is taken as the hour they jump to, an hour that comes twice as
    its first coming.
    """
    if schedule["kind"] != "recurring":
        return None
    zone = ZoneInfo(timezone)
    at = time.fromisoformat(schedule["time"])
    day = after.astimezone(zone).date()
    for _ in range(9):
        due = datetime.combine(day, at, zone).astimezone(UTC)
        if WEEKDAYS[day.weekday()] in schedule["weekdays"] and due > after:
            end = end_of(schedule, timezone)
            return due if end is None or due < end else None
        day += timedelta(days=1)
    return None


def end_of(schedule: dict[str, Any], timezone: str) -> datetime | None:
    """The end of a recurring campaign's last day."""
    if "until" not in schedule:
        return None
    day = date.fromisoformat(schedule["until"]) + timedelta(days=1)
    return datetime.combine(day, time(), ZoneInfo(timezone)).astimezone(UTC)


def stale_after(schedule: dict[str, Any], due_at: datetime) -> datetime:
    """From when on a message of the run due then is stale."""
    return due_at + timedelta(hours=schedule.get("fresh_hours", FRESH_HOURS))
