"""Hot paths: SQL texts run on the driver, without the ORM.

On PostgreSQL a business action is one statement, so it runs in autocommit: one round trip, one commit. SQLite knows no
data-modifying CTE, so there the same action is a few statements in one ``BEGIN IMMEDIATE``.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg.errors

from core.db import BUSY_TIMEOUT_MS, db

NAMED = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")
STORED_MOMENT = "%Y-%m-%d %H:%M:%S.%f"  # how SQLAlchemy stores a DateTime in SQLite

Row = Sequence[Any]


class AlreadyThere(Exception):
    """A unique key refused the statement; none of it happened."""


class Sql:
    """A statement with ``:names``, written once and spelled for both drivers."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sqlite = text
        self.postgresql = NAMED.sub(r"%(\1)s", text.replace("%", "%%"))


class Hot:
    """A driver's connection, seen through ``row`` and ``run``."""

    def __init__(self, driver: Any, *, is_postgresql: bool) -> None:
        self._driver = driver
        self.is_postgresql = is_postgresql

    def row(self, sql: Sql, **values: object) -> Row | None:
        """The first row, or None. Raises AlreadyThere when a unique key says no."""
        return self._execute(sql, values).fetchone()  # type: ignore[no-any-return]

    def rows(self, sql: Sql, **values: object) -> list[Row]:
        return self._execute(sql, values).fetchall()  # type: ignore[no-any-return]

    def run(self, sql: Sql, **values: object) -> int:
        """Run it; return how many rows it touched."""
        return self._execute(sql, values).rowcount  # type: ignore[no-any-return]

    def _execute(self, sql: Sql, values: dict[str, object]) -> Any:
        if self.is_postgresql:
            try:
                return self._driver.execute(sql.postgresql, values)
            except psycopg.errors.UniqueViolation as error:
                raise AlreadyThere from error
        stored = {name: _stored(value) for name, value in values.items()}
        try:
            return self._driver.execute(sql.sqlite, stored)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode in (
                sqlite3.SQLITE_CONSTRAINT_UNIQUE,
                sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
            ):
                raise AlreadyThere from error
            raise


def moment(value: datetime | str) -> datetime:
    """A time as a raw row holds it (text in SQLite), as aware UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _stored(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime(STORED_MOMENT)
    return value


@contextmanager
def one_action(*, durable: bool = False) -> Iterator[Hot]:
    """A connection for one business action that commits by itself.

    ``durable`` asks SQLite to be on the disk before answering (money); PostgreSQL always is.
    """
    if db.session().info.get("in_transaction"):
        raise RuntimeError("one_action() opened inside transaction(); use this_transaction()")
    if db.engine.dialect.name == "postgresql":
        with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            yield Hot(connection.connection.driver_connection, is_postgresql=True)
        return
    db.session.commit()  # a reading left open would keep this thread's snapshot old
    pooled = db.engine.raw_connection()
    try:
        yield from _immediate(pooled.driver_connection, durable=durable)
    finally:
        pooled.close()


def _immediate(driver: Any, *, durable: bool) -> Iterator[Hot]:
    if durable:
        driver.execute("PRAGMA synchronous = FULL")
    driver.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    driver.execute("BEGIN IMMEDIATE")
    try:
        yield Hot(driver, is_postgresql=False)
        driver.execute("COMMIT")
    except BaseException:
        driver.execute("ROLLBACK")
        raise
    finally:
        if durable:
            driver.execute("PRAGMA synchronous = NORMAL")


def this_transaction() -> Hot:
    """The same statements inside an open ``transaction()``."""
    connection = db.session.connection()
    return Hot(connection.connection.driver_connection, is_postgresql=connection.dialect.name == "postgresql")
