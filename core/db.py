"""The database session, the base model and the one way to commit."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    TypeDecorator,
    any_,
    cast,
    event,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, registry

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

WRITES = "kaquan_writes"  # execution option: this transaction is going to write
BUSY_TIMEOUT_MS = 10_000
CACHE_KIB = 16_000  # of pages, for each connection to SQLite
CHECKPOINT_PAGES = 10_000  # 40 MB of WAL: ten times fewer pauses to copy pages home than by default

ANALYSED_ROWS = 1_000  # of each index: enough for the planner, and done in a moment at any size
SMALLEST_TABLE = 1_000
STATISTICS = (
    f"PRAGMA analysis_limit = {ANALYSED_ROWS}",
    "ANALYZE",
    # What SQLite found out about a small table's indexes goes; the line without an index is the table's size.
    f"""INSERT INTO sqlite_stat1 (tbl, stat)
        SELECT tbl, '{SMALLEST_TABLE}' FROM sqlite_stat1
        GROUP BY tbl HAVING max(CAST(stat AS INTEGER)) < {SMALLEST_TABLE}""",
    f"""DELETE FROM sqlite_stat1
        WHERE CAST(stat AS INTEGER) < {SMALLEST_TABLE}
        AND tbl IN (SELECT tbl FROM sqlite_stat1 WHERE idx IS NULL AND stat = '{SMALLEST_TABLE}')""",
    "ANALYZE sqlite_schema",  # read it again
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime on every backend; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"naive datetime: {value!r}")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


BigInt = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows only in an INTEGER key
Json = JSON().with_variant(postgresql.JSONB(), "postgresql")


class Base(DeclarativeBase):
    # Set on a registry: Flask-SQLAlchemy refuses a type_annotation_map here.
    registry = registry(
        metadata=MetaData(naming_convention=NAMING_CONVENTION),
        type_annotation_map={datetime: UtcDateTime(), int: BigInt, dict[str, Any]: Json, list[Any]: Json},
    )


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})

if TYPE_CHECKING:

    class Model(Base):
        """What a type checker sees of ``db.Model``."""

        __abstract__ = True
else:
    Model = db.Model


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """The CHECK that a column holds one of an enum's words."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=f"{column}_known")


def insert(model: Any) -> Any:
    """An INSERT that knows ``on_conflict_do_…`` in the dialect of this database."""
    dialect = postgresql if db.engine.dialect.name == "postgresql" else sqlite
    return dialect.insert(model)


def among(column: Any, ids: Collection[int]) -> ColumnElement[bool]:
    """``column IN ids``, as one value: the statement is the same for any number of them."""
    if db.engine.dialect.name == "postgresql":
        several = postgresql.ARRAY(BigInteger())  # said, since an empty one has no type of its own
        is_one: ColumnElement[bool] = column == any_(cast(literal(list(ids), several), several))
        return is_one
    one = func.json_each(json.dumps(list(ids))).table_valued("value")
    is_in: ColumnElement[bool] = column.in_(select(one.c.value))
    return is_in


def prepare(engine: Engine) -> None:
    """Called once by the factory, inside the application context."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_sqlite_pragmas)
        event.listen(engine, "begin", _begin_sqlite)


def _set_sqlite_pragmas(connection: Any, _record: object) -> None:
    """Check foreign keys, let readers and a writer overlap, leave BEGIN to us."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")


def _begin_sqlite(connection: Any) -> None:
    """Writers queue at their BEGIN: a lock taken later could not be waited for."""
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def refresh_statistics() -> None:
    """Let the query planner of SQLite know how much there is by now; PostgreSQL's autovacuum does this by itself.

    A table may grow from one row to thousands before the next night, and what is planned for one row is slow
    then: so each counts as one of ``SMALLEST_TABLE`` rows at least.
    """
    if db.engine.dialect.name == "sqlite":
        with db.engine.connect() as connection:
            for statement in STATISTICS:
                connection.exec_driver_sql(statement)
            connection.commit()


@contextmanager
def transaction() -> Iterator[None]:
    """Commit what the block did, or nothing of it. Blocks do not nest."""
    session = db.session()
    if session.info.get("in_transaction"):
        raise RuntimeError("transaction() opened inside another one")
    if session.in_transaction():
        session.commit()  # ends the reading that came before
    session.info["in_transaction"] = True
    try:
        session.connection(execution_options={WRITES: True})
        yield
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info["in_transaction"] = False
