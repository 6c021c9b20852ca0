"""The same SELECT, spelled for PostgreSQL and for SQLite: cells, local times, business days."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from app.reports.columns import PERSONAL, Column, Kind
from core.clock import business_day
from core.hot import STORED_MOMENT

# With these a spreadsheet takes a cell for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
SIGNS = ", ".join(str(ord(sign)) for sign in FORMULA_STARTS)


@dataclass(frozen=True)
class Spelling(ABC):
    """How one database writes what reports need.

    ``zone`` is SQL that gives a row's time zone. ``offset`` is set where all zones are always that far from UTC, as in
    China: local times are much cheaper then.
    """

    zone: str
    offset: timedelta | None
    shows_personal: bool
    is_for_spreadsheets: bool = True  # not so on a page, where nothing runs as a formula
    is_row_by_row: bool = True  # not so where rows are sums of many

    def cell(self, column: Column, sql: str) -> str:
        """The value of a column as it stands in the file."""
        if column.kind == Kind.TIME:
            return self.local_time(sql)
        if column.kind in PERSONAL and not self.shows_personal:
            return self._guarded(f"({self._masked(column.kind, sql)})")
        if column.kind == Kind.PHONE:
            return f"CASE WHEN {self._is_phone(sql)} THEN {sql} ELSE {self._guarded(sql)} END"
        if column.kind in PERSONAL or column.kind == Kind.TEXT:
            return self._guarded(sql)
        return sql

    def _masked(self, kind: Kind, sql: str) -> str:
        if kind == Kind.PHONE:
            start = f"CASE WHEN length({sql}) > 11 THEN substr({sql}, length({sql}) - 10, 3) ELSE '' END"
            return f"{start} || '****' || substr({sql}, length({sql}) - 3)"
        if kind == Kind.EMAIL:
            return f"substr({sql}, 1, 1) || '***' || substr({sql}, {self._position(sql, '@')})"
        return f"CASE WHEN {sql} <> '' THEN substr({sql}, 1, 1) || '**' END"

    def _guarded(self, sql: str) -> str:
        """Text with a ' in front where a spreadsheet would take it for a formula; nothing for an empty one."""
        if not self.is_for_spreadsheets:
            return f"NULLIF({sql}, '')"
        return f"CASE WHEN {self._first_letter(sql)} IN ({SIGNS}) THEN '''' || {sql} ELSE NULLIF({sql}, '') END"

    @property
    def iso_offset(self) -> str:
        """+08:00"""
        assert self.offset is not None
        return datetime(2026, 1, 1, tzinfo=timezone(self.offset)).isoformat()[-6:]

    @abstractmethod
    def _first_letter(self, sql: str) -> str:
        """The number of the first letter in Unicode."""

    @abstractmethod
    def _position(self, sql: str, letter: str) -> str:
        """Where a letter stands in a text."""

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
    def path_step(self, sql: str) -> str:
        """A member's place in a path of the propagation tree."""

    @abstractmethod
    def values(self, given: dict[str, Any]) -> dict[str, Any]:
        """Parameters as the driver takes them."""


class PostgresqlSpelling(Spelling):
    @property
    def session(self) -> str:
        """What the connection must be told first.

        Rows come by index, in their order, rather than joined and sorted first: they leave at once, and need neither
        disk nor other cores.
        """
        offset = "+00:00" if self.offset is None else self.iso_offset
        by_index = "SET LOCAL random_page_cost = 1.1; SET LOCAL max_parallel_workers_per_gather = 0"
        if self.is_row_by_row:
            by_index += "; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
        settings = "SET LOCAL jit = off; SET LOCAL DateStyle = 'ISO'; SET LOCAL work_mem = '32MB'"
        return f"{settings}; {by_index}; SET LOCAL TIME ZONE INTERVAL '{offset}' HOUR TO MINUTE"

    def _first_letter(self, sql: str) -> str:
        return f"ascii({sql})"

    def _position(self, sql: str, letter: str) -> str:
        return f"strpos({sql}, '{letter}')"

    def _is_phone(self, sql: str) -> str:
        return f"{sql} ~ '^[+][0-9]+$'"

    def local_time(self, sql: str) -> str:
        if self.offset is not None:  # the session's own zone
            return f"overlay(left({sql}::text, 19) placing 'T' from 11) || '{self.iso_offset}'"
        local = f"({sql} AT TIME ZONE {self.zone})"
        offset = f"({local} - ({sql} AT TIME ZONE 'UTC'))"
        return (
            f"to_char({local}, 'YYYY-MM-DD\"T\"HH24:MI:SS') || CASE WHEN {offset} < interval '0' "
            f"THEN to_char(-{offset}, '\"-\"HH24:MI') ELSE to_char({offset}, '\"+\"HH24:MI') END"
        )

    def day_of(self, sql: str) -> str:
        if self.offset is not None:
            return f"({sql} - make_interval(hours => :cutoff_hour))::date"
        return f"(({sql} AT TIME ZONE {self.zone}) - make_interval(hours => :cutoff_hour))::date"

    def days(self) -> str:
        return "SELECT each::date AS day FROM generate_series(:first ::date, :last ::date, interval '1 day') AS each"

    def path_step(self, sql: str) -> str:
        return f"lpad(to_hex({sql}), 10, '0')"

    def values(self, given: dict[str, Any]) -> dict[str, Any]:
        return given


class SqliteSpelling(Spelling):
    def _first_letter(self, sql: str) -> str:
        return f"unicode({sql})"

    def _position(self, sql: str, letter: str) -> str:
        return f"instr({sql}, '{letter}')"

    def _is_phone(self, sql: str) -> str:
        return f"({sql} GLOB '+[0-9]*' AND substr({sql}, 2) NOT GLOB '*[^0-9]*')"

    def local_time(self, sql: str) -> str:
        if self.offset is None:
            return f"local_time({sql}, {self.zone})"
        seconds = int(self.offset.total_seconds())
        return f"replace(datetime({sql}, '{seconds:+d} seconds'), ' ', 'T') || '{self.iso_offset}'"

    def day_of(self, sql: str) -> str:
        if self.offset is None:
            return f"day_of({sql}, {self.zone}, :cutoff_hour)"
        seconds = int(self.offset.total_seconds())
        return f"date({sql}, '{seconds:+d} seconds', '-' || :cutoff_hour || ' hours')"

    def days(self) -> str:
        return (
            "SELECT each AS day FROM (WITH RECURSIVE counted(each) AS (SELECT :first UNION ALL "
            "SELECT date(each, '+1 day') FROM counted WHERE each < :last) SELECT each FROM counted)"
        )

    def path_step(self, sql: str) -> str:
        return f"printf('%010x', {sql})"

    def values(self, given: dict[str, Any]) -> dict[str, Any]:
        return {name: _stored(value) for name, value in given.items()}


def common_offset(zones: Collection[str]) -> timedelta | None:
    """How far all these zones always are from UTC; None where they differ or change their clocks."""
    offsets = {_constant_offset(zone) for zone in zones}
    return offsets.pop() if len(offsets) == 1 else None


@lru_cache
def _constant_offset(zone: str) -> timedelta | None:
    """Looked at week by week over the time that reports know."""
    week, weeks = timedelta(days=7), 60 * 52
    local = [datetime(2000, 1, 1, tzinfo=UTC) + week * each for each in range(weeks)]
    offsets = {moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in local}
    return offsets.pop() if len(offsets) == 1 else None


def _stored(value: object) -> object:
    """A parameter as SQLAlchemy stores its like in SQLite."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime(STORED_MOMENT)
    return value.isoformat() if isinstance(value, date) else value


class _Joined:
    """``string_agg`` of PostgreSQL; in order, whatever order the rows come in."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._between = ""

    def step(self, part: str | None, between: str) -> None:
        if part is not None:
            self._parts.append(part)
            self._between = between

    def finalize(self) -> str | None:
        return self._between.join(sorted(self._parts)) if self._parts else None


def add_functions(connection: sqlite3.Connection) -> None:
    """Teach a SQLite connection what PostgreSQL knows: times of zones that change their clocks, joined texts."""
    connection.create_aggregate("string_agg", 2, _Joined)  # type: ignore[arg-type]
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
