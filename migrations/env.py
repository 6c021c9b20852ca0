"""How Alembic reaches the application's database. Run through ``flask --app wsgi db …``."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from alembic import context
from click import ClickException
from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from app import models
from app.cli.speaking import unusable
from core.db import BigInt, Json, UtcDateTime, db
from core.events import current_transaction

ONE_AT_A_TIME = 7421001  # two machines starting at once: the second waits here


def reached() -> Connection:
    """A connection; where the database cannot be reached, the command ends with the reason."""
    try:
        return db.engine.connect()
    except OperationalError as error:
        raise ClickException(unusable(error)) from error


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Keep other migrations of this PostgreSQL database out; SQLite does so by itself.

    SQLite changes a table by making it anew; dropping the old one would look like deleting all its rows to those that
    refer to it, so the references are checked afterwards instead.
    """
    if connection.dialect.name != "postgresql":
        driver: Any = connection.connection.driver_connection  # ours would begin first, and inside it takes no effect
        driver.execute("PRAGMA foreign_keys = OFF")
        yield
        broken = driver.execute("PRAGMA foreign_key_check").fetchall()
        driver.execute("PRAGMA foreign_keys = ON")
        if broken:
            raise ClickException(f"After the migration {len(broken)} rows refer to rows that are not there.")
        return
    connection.exec_driver_sql(f"SELECT pg_advisory_lock({ONE_AT_A_TIME})")
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({ONE_AT_A_TIME})")
        connection.commit()


def render(kind: str, item: Any, autogenerate: object) -> str | Literal[False]:
    """Our own types by the names that the template imports."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "UtcDateTime()"
    if kind == "type" and isinstance(item, type(BigInt)) and item._variant_mapping == BigInt._variant_mapping:
        return "BigInt"
    if kind == "type" and "postgresql" in getattr(item, "_variant_mapping", {}) and isinstance(item, type(Json)):
        return "Json"
    if kind == "server_default" and isinstance(getattr(item, "arg", None), current_transaction):
        return "current_transaction()"
    return False


def migrate() -> None:
    """Bring the database forward, each change in a transaction of its own."""
    options = {"render_as_batch": True, "transaction_per_migration": True, "render_item": render}
    options |= current_app.extensions["migrate"].configure_args
    with reached() as connection, alone(connection):
        context.configure(connection=connection, target_metadata=models.metadata, **options)
        with context.begin_transaction():
            context.run_migrations()


migrate()
