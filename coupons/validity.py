"""From when until when a coupon is valid: between two moments, or through business days that begin with the claim."""

from datetime import datetime, timedelta

from core.clock import business_day, day_start
from core.hot import moment

TODAY = "((:now ::timestamptz AT TIME ZONE c.timezone) - make_interval(hours => c.cutoff_hour::int))::date"


def _day_start_sql(name: str, days: str) -> str:
    """Parts of a FROM that find when the business day so many days after today's begins, as core.clock.day_start does.

    Where clocks are put back that hour comes twice, and PostgreSQL takes the second; a business day begins at the
    first.
    """
    return f"""
    CROSS JOIN LATERAL (
        SELECT ({TODAY} + ({days})::int)::timestamp + make_interval(hours => c.cutoff_hour::int) AS clock
    ) {name}_wall
    CROSS JOIN LATERAL (
        SELECT {name}_wall.clock, {name}_wall.clock AT TIME ZONE c.timezone AS later,
               (({name}_wall.clock - interval '1 hour') AT TIME ZONE c.timezone) + interval '1 hour' AS sooner
    ) {name}"""


def _moment_sql(name: str) -> str:
    return (
        f"CASE WHEN {name}.sooner AT TIME ZONE c.timezone = {name}.clock THEN LEAST({name}.sooner, {name}.later)"
        f" ELSE {name}.later END"
    )


# For a statement that reads offers as ``f`` and chains as ``c``.
VALIDITY_POSTGRESQL = f"""
    COALESCE(f.valid_from, CASE WHEN f.valid_delay_days = 0 THEN :now ELSE {_moment_sql("first")} END) AS valid_from,
    COALESCE(f.valid_until, {_moment_sql("after")}) AS valid_until"""
VALIDITY_DAYS = _day_start_sql("first", "f.valid_delay_days") + _day_start_sql(
    "after", "f.valid_delay_days + f.valid_days"
)


def validity(
    valid_from: datetime | str | None,
    valid_until: datetime | str | None,
    valid_days: int | None,
    valid_delay_days: int,
    *,
    timezone: str,
    cutoff_hour: int,
    now: datetime,
) -> tuple[datetime, datetime]:
    """From when until when (exclusive) a coupon claimed now is valid.

    The day of the claim counts as the first of ``valid_days``, unless they begin ``valid_delay_days`` later.
    """
    if valid_days is None:
        assert valid_from is not None
        assert valid_until is not None
        return moment(valid_from), moment(valid_until)
    first = business_day(now, timezone, cutoff_hour) + timedelta(days=valid_delay_days)
    begins = day_start(first, timezone, cutoff_hour) if valid_delay_days else now
    return begins, day_start(first + timedelta(days=valid_days), timezone, cutoff_hour)
