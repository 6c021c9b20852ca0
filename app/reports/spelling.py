"""The same SELECT, spelled for PostgreSQL and for SQLite: cells, local times, business days."""

import sqlite3
from abc import ABC, abstractmethod
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.reports.columns import PERSONAL, Column, Kind
from core.clock import business_day
from core.hot import STORED_MOMENT

# With these a spreadsheet takes a cell for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
SIGNS = "".join(FORMULA_STARTS)


class Spelling(ABC):
    """How one database writes what reports need. ``zone`` is SQL that gives a row's time zone."""

    position: str  # the function strpos(text, part)

    def __init__(self, *, zone: str, shows_personal: bool) -> None:
        self.zone = zone
        self.shows_personal = shows_personal

    def cell(self, column: Column, sql: str) -> str:
        """The value of a column as it stands in the file."""
        if column.kind in PERSONAL and not self.shows_personal:
            sql = f"({self._masked(column.kind, sql)})"
        if column.kind == Kind.TIME:
            return self.local_time(sql)
        if column.kind == Kind.PHONE and self.shows_personal:
            return self._guarded(sql, also=f"AND NOT {self._is_phone(sql)}")
        if column.kind in PERSONAL or column.kind == Kind.TEXT:
            return self._guarded(sql)
        return sql

    def _masked(self, kind: Kind, sql: str) -> str:
        if kind == Kind.PHONE:
            start = f"CASE WHEN length({sql}) > 11 THEN substr({sql}, length({sql}) - 10, 3) ELSE '' END"
            return f"{start} || '****' || substr({sql}, length({sql}) - 3)"
        if kind == Kind.EMAIL:
            return f"substr({sql}, 1, 1) || '***' || substr({sql}, {self.position}({sql}, '@'))"
        return f"CASE WHEN {sql} <> '' THEN substr({sql}, 1, 1) || '**' END"

    def _guarded(self, sql: str, also: str = "") -> str:
        first = f"substr({sql}, 1, 1)"
        is_formula = f"{first} <> '' AND {self.position}(:signs, {first}) > 0 {also}"
        return f"CASE WHEN {is_formula} THEN '''' || {sql} ELSE NULLIF({sql}, '') END"

    @abstractmethod
    def _is_phone(self, sql: str) -> str:
        """Whether it is + and digits only: a number, which no spreadsheet runs."""

    @abstractmethod
    def local_time(self, sql: str) -> str:
        """ISO 8601 in the row's zone, with the offset."""

    @abstractmethod
    def day_of(self, sql: str) -> str:
        """The business day of a moment in the row's zone."""

    @abstractmethod
    def days(self) -> str:
        """A SELECT of every ``day`` from ``:first`` to ``:last``."""

    @abstractmethod
    def values(self, given: dict[str, Any]) -> dict[str, Any]:
        """Parameters as the driver takes them."""


class PostgresqlSpelling(Spelling):
    position = "strpos"

    def _is_phone(self, sql: str) -> str:
        return f"{sql} ~ '^[+][0-9]+$'"

    def local_time(self, sql: str) -> str:
        local = f"({sql} AT TIME ZONE {self.zone})"
        offset = f"({local} - ({sql} AT TIME ZONE 'UTC'))"
        return (
            f"to_char({local}, 'YYYY-MM-DD\"T\"HH24:MI:SS') || CASE WHEN {offset} < interval '0' "
            f"THEN to_char(-{offset}, '\"-\"HH24:MI') ELSE to_char({offset}, '\"+\"HH24:MI') END"
        )

    def day_of(self, sql: str) -> str:
        return f"(({sql} AT TIME ZONE {self.zone}) - make_interval(hours => :cutoff_hour))::date"

    def days(self) -> str:
        return "SELECT each::date AS day FROM generate_series(:first ::date, :last ::date, interval '1 day') AS each"

    def values(self, given: dict[str, Any]) -> dict[str, Any]:
        return given | {"signs": SIGNS}


class SqliteSpelling(Spelling):
    position = "instr"

    def _is_phone(self, sql: str) -> str:
        return f"(substr({sql}, 1, 1) = '+' AND length({sql}) > 1 AND substr({sql}, 2) NOT GLOB '*[^0-9]*')"

    def local_time(self, sql: str) -> str:
        return f"local_time({sql}, {self.zone})"

    def day_of(self, sql: str) -> str:
        return f"day_of({sql}, {self.zone}, :cutoff_hour)"

    def days(self) -> str:
        return (
            "SELECT each AS day FROM (WITH RECURSIVE counted(each) AS (SELECT :first UNION ALL "
            "SELECT date(each, '+1 day') FROM counted WHERE each < :last) SELECT each FROM counted)"
        )

    def values(self, given: dict[str, Any]) -> dict[str, Any]:
        return {name: _stored(value) for name, value in given.items()} | {"signs": SIGNS}


def _stored(value: object) -> object:
    """A parameter as SQLAlchemy stores its like in SQLite."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime(STORED_MOMENT)
    return value.isoformat() if isinstance(value, date) else value


def add_functions(connection: sqlite3.Connection) -> None:
    """Teach a SQLite connection local times; PostgreSQL knows them."""
    connection.create_function("local_time", 2, _local_time, deterministic=True)
    connection.create_function("day_of", 3, _day_of, deterministic=True)


def _local_time(stored: str | None, zone: str) -> str | None:
    if stored is None:
        return None
    moment = datetime.fromisoformat(stored).replace(tzinfo=UTC, microsecond=0)
    return moment.astimezone(ZoneInfo(zone)).isoformat()


def _day_of(stored: str | None, zone: str, cutoff_hour: int) -> str | None:
    if stored is None:
        return None
    moment = datetime.fromisoformat(stored).replace(tzinfo=UTC)
    return business_day(moment, zone, cutoff_hour).isoformat()
