"""Hot paths: SQL texts run on the driver, without the ORM.

On PostgreSQL a business action is one statement, so it runs in autocommit: one round trip, one commit. SQLite knows no
data-modifying CTE, so there the same action is a few statements in one ``BEGIN IMMEDIATE``.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
import psycopg.errors
from sqlalchemy import Engine, create_engine, event

from core.db import BUSY_TIMEOUT_MS, db

NAMED = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")
# One plan for all values, and indexes even where a table was small when its rows were last counted.
HOT_OPTIONS = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
DEADLOCKS = 5  # that one statement may meet
MOST_OVERFLOW = 20  # connections beyond the pool's own size
RECYCLE_SECONDS = 1800
STORED_MOMENT = "%Y-%m-%d %H:%M:%S.%f"  # how SQLAlchemy stores a DateTime in SQLite
STORED_LENGTH = len("2026-05-31 12:00:00.000000")

Row = Sequence[Any]


class AlreadyThere(Exception):
    """A unique key refused the statement; none of it happened."""


class CheckRefused(Exception):
    """A CHECK refused the statement; none of it happened. ``constraint`` is its name."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class Sql:
    """A statement with ``:names``, written once and spelled for both drivers."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sqlite = text
        self.postgresql = NAMED.sub(r"%(\1)s", text.replace("%", "%%"))
        self.names = list(dict.fromkeys(NAMED.findall(text)))
        # As the server takes it: psycopg would translate a long statement anew at every call.
        self.numbered = NAMED.sub(lambda found: f"${self.names.index(found[1]) + 1}", text).encode()


class Hot:
    """A driver's connection, seen through ``row`` and ``run``."""

    def __init__(self, driver: Any, *, is_postgresql: bool, in_transaction: bool = False) -> None:
        self._driver = driver
        self.is_postgresql = is_postgresql
        self._needs_savepoint = is_postgresql and in_transaction
        self._moment: datetime | None = None  # the last one that SQLite was given, and how it is stored:
        self._stored = ""  # the statements of an action tell the same time

    def row(self, sql: Sql, **values: object) -> Row | None:
        """The first row, or None. Raises AlreadyThere when a unique key says no."""
        return self._execute(sql, values).fetchone()  # type: ignore[no-any-return]

    def number(self, sql: Sql, **values: object) -> int:
        """What a statement counts or sums up: such a statement always has its one row."""
        return int(self._execute(sql, values).fetchone()[0])

    def rows(self, sql: Sql, **values: object) -> list[Row]:
        return self._execute(sql, values).fetchall()  # type: ignore[no-any-return]

    def run(self, sql: Sql, **values: object) -> int:
        """Run it; return how many rows it touched."""
        return self._execute(sql, values).rowcount  # type: ignore[no-any-return]

    @contextmanager
    def together(self) -> Iterator["Hot"]:
        """The same connection, for statements that all happen or none."""
        if not self.is_postgresql or self._needs_savepoint:
            yield self  # it is in one already
            return
        with self._driver.transaction():
            yield Hot(self._driver, is_postgresql=True, in_transaction=True)

    def _execute(self, sql: Sql, values: dict[str, Any]) -> Any:
        if self.is_postgresql:
            return self._on_postgresql(sql, values)
        for name, value in values.items():
            if value.__class__ is datetime:
                values[name] = self._stored if value is self._moment else self._store(value)
        try:
            return self._driver.execute(sql.sqlite, values)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode in (
                sqlite3.SQLITE_CONSTRAINT_UNIQUE,
                sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
            ):
                raise AlreadyThere from error
            if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_CHECK:
                raise CheckRefused(str(error).rpartition(" ")[2]) from error
            raise

    def _store(self, value: datetime) -> str:
        self._moment = value
        self._stored = value.astimezone(UTC).isoformat(" ", "microseconds")[:STORED_LENGTH]
        return self._stored

    def _on_postgresql(self, sql: Sql, values: dict[str, Any]) -> Any:
        if self._needs_savepoint:
            return self._execute_in_savepoint(sql, values)
        try:
            return self._whatever_it_meets(sql, values)
        except psycopg.errors.UniqueViolation as error:
            raise AlreadyThere from error
        except psycopg.errors.CheckViolation as error:
            raise CheckRefused(str(error.diag.constraint_name)) from error

    def _whatever_it_meets(self, sql: Sql, values: dict[str, Any]) -> Any:
        """A statement that PostgreSQL ended to solve a deadlock did nothing: it begins once more.

        A statement that locks a row and then changes it may wait for another of its kind, where a third changed the
        row a moment before: it comes back to the row's old version to find the new one, and somebody stands there.
        """
        for _ in range(DEADLOCKS):
            try:
                return self._numbered(sql, values)
            except psycopg.errors.DeadlockDetected:
                if self._needs_savepoint:  # what the statement had locked is free again
                    self._driver.execute("ROLLBACK TO SAVEPOINT hot")
        return self._numbered(sql, values)

    def _numbered(self, sql: Sql, values: dict[str, object]) -> Any:
        return psycopg.RawCursor(self._driver).execute(sql.numbered, [values[name] for name in sql.names])

    def _execute_in_savepoint(self, sql: Sql, values: dict[str, object]) -> Any:
        """A refused statement must not spoil the PostgreSQL transaction around it."""
        self._driver.execute("SAVEPOINT hot")
        try:
            result = self._whatever_it_meets(sql, values)
        except psycopg.errors.UniqueViolation as error:
            self._driver.execute("ROLLBACK TO SAVEPOINT hot")
            raise AlreadyThere from error
        except psycopg.errors.CheckViolation as error:
            self._driver.execute("ROLLBACK TO SAVEPOINT hot")
            raise CheckRefused(str(error.diag.constraint_name)) from error
        self._driver.execute("RELEASE SAVEPOINT hot")
        return result


def moment(value: datetime | str) -> datetime:
    """A time as a raw row holds it (text in SQLite), as aware UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def one_action(*, durable: bool = False) -> AbstractContextManager[Hot]:
    """A connection for one business action that commits by itself.

    ``durable`` asks SQLite to be on the disk before answering (money); PostgreSQL always is.
    """
    _end_reading()  # left open it would keep this thread's snapshot old
    engine = db.engine
    if engine.dialect.name == "postgresql":
        return _autocommitting(_hot_engine(engine))
    return _Immediate(_writer(engine), durable=durable)


@contextmanager
def reading() -> Iterator[Hot]:
    """A connection for looking things up, without a transaction; inside ``transaction()`` the open one."""
    if _in_transaction():
        yield this_transaction()
        return
    engine = db.engine
    is_postgresql = engine.dialect.name == "postgresql"
    with _pooled(_hot_engine(engine) if is_postgresql else engine) as driver:
        yield Hot(driver, is_postgresql=is_postgresql)


def look_up(sql: Sql, **values: object) -> Row | None:
    """``reading()`` for one row: on SQLite by the writer's connection when it is idle, since it knows most pages."""
    engine = db.engine
    if engine.dialect.name != "postgresql" and not _in_transaction():
        writer = _writer(engine)
        if writer.turn.acquire(blocking=False):
            try:
                return Hot(writer.driver, is_postgresql=False).row(sql, **values)
            finally:
                writer.turn.release()
    with reading() as hot:
        return hot.row(sql, **values)


def _in_transaction() -> bool:
    return db.session.registry.has() and bool(db.session().info.get("in_transaction"))


def _end_reading() -> None:
    if not db.session.registry.has():
        return
    session = db.session()
    if session.info.get("in_transaction"):
        raise RuntimeError("one_action() opened inside transaction(); use this_transaction()")
    session.commit()


@contextmanager
def _autocommitting(engine: Engine) -> Iterator[Hot]:
    with _pooled(engine) as driver:
        yield Hot(driver, is_postgresql=True)


class _Writer:
    """The connection by which a process writes to SQLite, and the queue of its threads for it.

    SQLite has one writer, and itself waits by sleeping ever longer. One connection for all threads keeps the pages it
    has read: those of another are worth nothing once this one has written.
    """

    def __init__(self, engine: Engine) -> None:
        self.turn = Lock()
        self.pooled = engine.raw_connection()  # never given back: the connection lives as long as the engine
        self.driver: Any = self.pooled.driver_connection


class _Immediate(AbstractContextManager[Hot]):
    """One action on SQLite: ``BEGIN IMMEDIATE`` to ``COMMIT``, in turn."""

    def __init__(self, writer: _Writer, *, durable: bool) -> None:
        self._turn, self._driver, self._durable = writer.turn, writer.driver, durable

    def __enter__(self) -> Hot:
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise sqlite3.OperationalError("database is locked")
        try:
            if self._durable:
                self._driver.execute("PRAGMA synchronous = FULL")
            self._driver.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._leave()
            raise
        return Hot(self._driver, is_postgresql=False)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._driver.execute("COMMIT")
        finally:
            if self._driver.in_transaction:  # the block or the COMMIT failed
                self._driver.execute("ROLLBACK")
            self._leave()

    def _leave(self) -> None:
        try:
            if self._durable:
                self._driver.execute("PRAGMA synchronous = NORMAL")
        finally:
            self._turn.release()


_writers: WeakKeyDictionary[Engine, _Writer] = WeakKeyDictionary()
_making = Lock()


def _writer(engine: Engine) -> _Writer:
    writer = _writers.get(engine)
    if writer is None:
        with _making:
            writer = _writers.get(engine)
            if writer is None:
                writer = _writers[engine] = _Writer(engine)
                event.listen(engine, "engine_disposed", _forget)
    return writer


def _forget(engine: Engine) -> None:
    writer = _writers.pop(engine, None)
    if writer is not None:
        writer.pooled.invalidate()


@contextmanager
def _pooled(engine: Engine) -> Iterator[Any]:
    pooled = engine.raw_connection()
    driver = pooled.driver_connection
    try:
        yield driver
    except psycopg.OperationalError:
        if driver is not None and driver.closed:  # the server went away: the others of the pool are lost too
            pooled.invalidate()
            engine.dispose()
        raise
    finally:
        pooled.close()


_hot_engines: "WeakKeyDictionary[Engine, Engine]" = WeakKeyDictionary()


def _hot_engine(engine: Engine) -> Engine:
    """PostgreSQL connections that only ever see whole actions: in autocommit, and never rolled back.

    A ROLLBACK makes psycopg forget its prepared statements; planning one of ours costs more than running it. They look
    single rows up by key, so that the plan for all values is the best plan.
    """
    hot = _hot_engines.get(engine)
    if hot is None:
        hot = create_engine(
            engine.url,
            isolation_level="AUTOCOMMIT",
            pool_size=engine.pool.size(),  # type: ignore[attr-defined]
            max_overflow=MOST_OVERFLOW,
            pool_recycle=RECYCLE_SECONDS,
            pool_reset_on_return=None,
            connect_args={
                "prepare_threshold": 0,
                "options": HOT_OPTIONS,
            },
        )
        _hot_engines[engine] = hot
        event.listen(engine, "engine_disposed", lambda _: hot.dispose())
    return hot


def this_transaction() -> Hot:
    """The same statements inside an open ``transaction()``."""
    connection = db.session.connection()
    is_postgresql = connection.dialect.name == "postgresql"
    return Hot(connection.connection.driver_connection, is_postgresql=is_postgresql, in_transaction=True)
