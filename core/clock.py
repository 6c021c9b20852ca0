"""The only reading of the system clock, and what a day is."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def utc_now() -> datetime:
    return datetime.now(UTC)


def business_day(moment: datetime, timezone: str, cutoff_hour: int = 0) -> date:
    """The day a moment belongs to in a store: before the cut-off hour it is still the day before."""
    local = moment.astimezone(ZoneInfo(timezone))
    return local.date() - timedelta(days=1) if local.hour < cutoff_hour else local.date()


def day_start(day: date, timezone: str, cutoff_hour: int = 0) -> datetime:
    """The first moment (UTC) of a business day. Its end is the start of the next."""
    return datetime.combine(day, time(cutoff_hour), ZoneInfo(timezone)).astimezone(UTC)
