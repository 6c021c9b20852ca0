"""Days inside SQL, the same on both databases: ``business_day(moment, timezone, cutoff_hour)`` in a text; so many days
after a moment.
"""

import re
import sqlite3
from functools import lru_cache
from typing import Any

from sqlalchemy import func

from core import clock
from core.db import db
from core.hot import moment as moment_of

DAY = re.compile(r"\bbusiness_day\(([\w.:]+), ([\w.:]+), ([\w.:]+)\)")
POSTGRESQL = r"(((\1 AT TIME ZONE \2) - make_interval(hours => CAST(\3 AS int)))::date)::text"
MINUTE = len("2026-05-31 12:00")  # no business day begins within one


def with_days(text: str, driver: Any) -> str:
    """The text as this connection takes it; days come as ``2026-05-31``. SQLite is taught the function."""
    if not isinstance(driver, sqlite3.Connection):
        return DAY.sub(POSTGRESQL, text)
    driver.create_function("business_day", 3, _business_day, deterministic=True)
    return text


def _business_day(stored: str, timezone: str, cutoff_hour: int) -> str:
    return _day_of_minute(stored[:MINUTE], timezone, cutoff_hour)


@lru_cache(maxsize=100_000)
def _day_of_minute(minute: str, timezone: str, cutoff_hour: int) -> str:
    return clock.business_day(moment_of(minute), timezone, cutoff_hour).isoformat()


def days_later(moment: Any, days: int) -> Any:
    """So many times 24 hours after a moment (a column), exact on both databases."""
    if db.engine.dialect.name == "postgresql":
        return moment + func.make_interval(0, 0, 0, 0, 0, 0, days * 86_400)
    return func.datetime(func.substr(moment, 1, 19), f"+{days} days").concat(func.substr(moment, 20))
