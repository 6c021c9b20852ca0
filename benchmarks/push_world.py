"""A chain with many members who can be reached, for pushes: each has a phone number and agreed to messages there."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from benchmarks import places, tree_world, world
from core.db import db
from core.hot import Sql

MEMBERS = int(os.environ.get("BENCH_PUSH_MEMBERS", "1000000"))
NOON = datetime(2026, 6, 1, 4, tzinfo=UTC)  # in Shanghai
PHONE = "'+86139' || substr('0000000' || n.i, length('0000000' || n.i) - 7)"
PEOPLE = [text.replace("NULL, 'zh'", f"{PHONE}, 'zh'") for text in tree_world.PEOPLE]
AGREED = (
    "INSERT INTO consents (chain_id, member_id, channel, purpose, is_granted, source, at)"
    " SELECT 1, n.i, 'gateway', 'promotion', TRUE, 'bench', {ago} FROM {numbers}"
)
MANNERS = (
    "INSERT INTO push_policies (chain_id, quiet_from, quiet_until, cap_per_day, cap_per_week) VALUES (1, 0, 0, 99, 99)"
)


@dataclass
class Place:
    """A database with the members in it, in an application context."""

    name: str
    rounds: int
    samples: list[dict[str, Any]]


def fill(database_url: str, members: int = MEMBERS) -> None:
    """Fill a migrated, empty database, and let it count its rows."""
    is_sqlite = database_url.startswith("sqlite")
    dialect = world.DIALECTS["sqlite" if is_sqlite else "postgresql"]
    parts = {
        "numbers": dialect.numbers,
        "secret": dialect.secret,
        "ago": dialect.ago,
        "wallet_hash": dialect.sha256.format("'bench-wallet-' || n.i"),
    }
    with world.connected(database_url) as connection:
        connection.execute("PRAGMA foreign_keys = OFF" if is_sqlite else "SET session_replication_role = replica")
        for count, text in [*tree_world.FILL, *((members, text) for text in (*PEOPLE, AGREED)), (1, MANNERS)]:
            sql = Sql(text.format(**parts))
            connection.execute(sql.sqlite if is_sqlite else sql.postgresql, {"n": count})
        connection.commit()
        world.tidy(connection)


def filled(database: str, members: int = MEMBERS) -> AbstractContextManager[str]:
    """The address of a database with the members, in an application context."""
    return places.filled(database, "push", f"{members:,} members who can be reached", lambda url: fill(url, members))


def forget_deliveries(database_url: str) -> None:
    """Make room for the next round, so that it finds the table as the last one did."""
    db.session.remove()
    with world.connected(database_url) as connection:
        if isinstance(connection, psycopg.Connection):
            connection.execute("TRUNCATE deliveries CASCADE")
            connection.commit()
            connection.autocommit = True
            connection.execute("CHECKPOINT")
            return
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM deliveries")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
