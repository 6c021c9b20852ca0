"""On which days and in which hours a coupon can be used, by the clock and the business day of the store."""

from collections.abc import Sequence
from datetime import date

from core.text import Text

EVERY_DAY = 127
HOUR = 60  # minutes
ZH_DAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
EN_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Hours = Sequence[Sequence[int]]  # [[840, 1020]]: minutes of the clock, the second exclusive


def is_on(weekdays: int | None, day: date) -> bool:
    """Whether a business day is one of these days of the week. Bits, Monday is 1; None: every day."""
    return weekdays is None or bool(weekdays >> day.weekday() & 1)


def is_within(hours: Hours | None, minute: int) -> bool:
    """Whether the clock stands in one of these spans; one that ends before it begins passes midnight."""
    if not hours:
        return True
    return any(start <= minute < end if start < end else minute >= start or minute < end for start, end in hours)


def when_text(weekdays: int | None, hours: Hours | None) -> Text:
    """Days and hours as people say them: 周一至周五 14:00–17:00, Monday to Friday, 14:00–17:00."""
    days, spans = weekdays_text(weekdays), hours_text(hours)
    if not hours:
        return days
    if weekdays in (None, EVERY_DAY):
        return Text(f"每天 {spans.zh}", f"daily, {spans.en}")
    return Text(f"{days.zh} {spans.zh}", f"{days.en}, {spans.en}")


def weekdays_text(weekdays: int | None) -> Text:
    """周一至周五, Monday to Friday; 周二、周四, Tuesday and Thursday."""
    if weekdays is None or weekdays == EVERY_DAY:
        return Text("每天", "every day")
    runs = _runs([day for day in range(7) if weekdays >> day & 1])
    zh = "、".join(_run(ZH_DAYS, "至", run) for run in runs)
    return Text(zh, _listed([_run(EN_DAYS, " to ", run) for run in runs]))


def hours_text(hours: Hours | None) -> Text:
    """14:00–17:00, 22:00–次日 02:00; more of them joined."""
    spans = [(f"{_clock(start)}–", _clock(end), start >= end) for start, end in hours or ()]
    zh = "、".join(f"{start}{'次日 ' if is_next_day else ''}{end}" for start, end, is_next_day in spans)
    en = [f"{start}{end}{' the next day' if is_next_day else ''}" for start, end, is_next_day in spans]
    return Text(zh, _listed(en))


def _clock(minute: int) -> str:
    return f"{minute // HOUR:02d}:{minute % HOUR:02d}"


def _runs(days: list[int]) -> list[list[int]]:
    """Three days and more in a row are one run; fewer stand by themselves."""
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return [part for run in runs for part in ([run] if len(run) > 2 else [[day] for day in run])]


def _run(names: Sequence[str], to: str, run: list[int]) -> str:
    return names[run[0]] if len(run) == 1 else f"{names[run[0]]}{to}{names[run[-1]]}"


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
