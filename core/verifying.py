"""Checks of the books: what is kept as a balance, a counter or a total, against the rows it stands for.

A check is one SELECT of a row for each thing compared, ``subject``, ``expected`` and ``found``; the database counts
those that differ. All checks of a run read one snapshot, whatever is written meanwhile, and nothing is held in memory.

In its text ``ours(k)`` stands for the rows of the chain that is looked at, by the ``chain_id`` of table ``k``, and
``hex10(k.id)`` for a number as ten hex digits.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from core.db import db
from core.hot import Sql
from core.text import Text

OURS = re.compile(r"\bours\((\w+)\)")
HEX10 = re.compile(r"\bhex10\(([\w.]+)\)")
SESSION = """SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL jit = off; SET LOCAL work_mem = '64MB'"""


class Check(NamedTuple):
    """What must be equal. ``subject`` says what a compared row is: a card, an offer …"""

    name: str
    about: Text
    subject: str
    sql: str


class Difference(NamedTuple):
    """One thing that does not agree with its rows."""

    subject: str
    expected: str
    found: str


class Finding(NamedTuple):
    """What a check came to: how much was compared, how much of it differs, the first of those."""

    check: Check
    rows: int
    problems: int
    differences: list[Difference]


def verify(checks: Iterable[Check], *, chain_id: int | None = None, most: int = 20) -> Iterator[Finding]:
    """Run every check, for one chain or for all, and list at most so many differences of each."""
    db.session.commit()  # a reading left open would hold its own, older snapshot
    with _snapshot() as driver:
        for check in checks:
            yield _find(driver, check, chain_id, most)


def _find(driver: Any, check: Check, chain_id: int | None, most: int) -> Finding:
    ours = "TRUE" if chain_id is None else r"\1.chain_id = :chain_id"
    compared = f"({OURS.sub(ours, check.sql)}) AS compared"
    differs = "compared.expected <> compared.found"
    (counts,) = _rows(driver, f"SELECT count(*), count(CASE WHEN {differs} THEN 1 END) FROM {compared}", chain_id)
    differences: list[Difference] = []
    if counts[1]:
        listing = f"SELECT subject, expected, found FROM {compared} WHERE {differs} ORDER BY subject LIMIT {int(most)}"
        differences = [Difference(*map(str, row)) for row in _rows(driver, listing, chain_id)]
    return Finding(check, int(counts[0]), int(counts[1]), differences)


def _rows(driver: Any, text: str, chain_id: int | None) -> list[Any]:
    values = {} if chain_id is None else {"chain_id": chain_id}
    is_sqlite = isinstance(driver, sqlite3.Connection)
    sql = Sql(HEX10.sub(r"printf('%010x', \1)" if is_sqlite else r"lpad(to_hex(\1), 10, '0')", text))
    return driver.execute(sql.sqlite if is_sqlite else sql.postgresql, values).fetchall()  # type: ignore[no-any-return]


@contextmanager
def _snapshot() -> Iterator[Any]:
    connection = db.engine.raw_connection()
    driver: Any = connection.driver_connection
    try:
        if isinstance(driver, sqlite3.Connection):
            driver.execute("BEGIN")
        else:
            driver.execute(SESSION)
        yield driver
    finally:
        connection.rollback()
        connection.close()
