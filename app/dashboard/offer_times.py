"""Hours and dates as a person types them into the editor of offers, and back. Pure."""

import re
from collections.abc import Sequence
from datetime import date, timedelta

BETWEEN = re.compile(r"[,，、;；\s]+")
TO = r"\s*(?:-|–|—|~|～|至|到)\s*"
SPAN = re.compile(rf"(\d{{1,2}})[:：](\d{{2}}){TO}(\d{{1,2}})[:：](\d{{2}})")
DAY = r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})"
DAYS = re.compile(rf"{DAY}(?:(?:\.\.|{TO}){DAY})?")
MOST_DAYS = 366  # in one range
MINUTES = 24 * 60


def read_hours(text: str) -> list[list[int]] | None:
    """``14:00-17:00, 20:00-22:00`` as minutes of the day; None when it cannot be read."""
    spans = [[_minute(found[1], found[2]), _minute(found[3], found[4])] for found in SPAN.finditer(text)]
    rest = SPAN.sub("", text)
    if BETWEEN.sub("", rest) or any(begin is None or end is None for begin, end in spans):
        return None
    return [[begin, end] for begin, end in spans if begin is not None and end is not None]


def hours_text(hours: Sequence[Sequence[int]]) -> str:
    return ", ".join(f"{_clock(begin)}-{_clock(end)}" for begin, end in hours)


def read_dates(text: str) -> list[str] | None:
    """``2026-10-01..2026-10-07, 2026-12-31`` as ISO days; None when it cannot be read."""
    days: list[str] = []
    for found in DAYS.finditer(text):
        try:
            first = date(*(int(part) for part in found.groups()[:3]))
            last = date(*(int(part) for part in found.groups()[3:])) if found[4] else first
        except ValueError:
            return None
        count = (last - first).days + 1
        if not 1 <= count <= MOST_DAYS:
            return None
        days += [(first + timedelta(days=number)).isoformat() for number in range(count)]
    return None if BETWEEN.sub("", DAYS.sub("", text)) else days


def dates_text(days: Sequence[str]) -> str:
    """One per line, days in a row as a range."""
    runs: list[list[date]] = []
    for day in map(date.fromisoformat, sorted(days)):
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return "\n".join(f"{run[0]}..{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def _minute(hour: str, minute: str) -> int | None:
    at = int(hour) * 60 + int(minute)
    return at if at <= MINUTES and int(minute) < 60 else None


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
