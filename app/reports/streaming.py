"""A report as bytes, row by row: COPY on PostgreSQL, the driver's cursor on SQLite. Memory stays flat."""

import csv
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from app.reports.question import Question
from app.reports.spelling import PostgresqlSpelling, add_functions
from core.db import db
from core.hot import Sql

BOM = b"\xef\xbb\xbf"  # without it Excel reads UTF-8 as the local code page
CHUNK = 64 * 1024  # bytes
ROWS = 1000  # fetched together on SQLite


class Export:
    """An answer being sent: its lines once, and then what it was."""

    def __init__(self, question: Question, driver: Any, *, is_for_spreadsheets: bool = True) -> None:
        self.question = question
        self.rows = 0
        self.size = 0
        self._digest = hashlib.sha256()
        self._sql = question.spelling(is_for_spreadsheets=is_for_spreadsheets)
        self._is_postgresql = isinstance(self._sql, PostgresqlSpelling)
        self._driver = driver
        self._prepare()

    def _prepare(self) -> None:
        """One snapshot for the lines and the totals."""
        if isinstance(self._sql, PostgresqlSpelling):
            self._driver.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._driver.execute(self._sql.session)
        else:
            add_functions(self._driver)
            self._driver.execute("BEGIN")

    def lines(self) -> Iterator[bytes]:
        """The file in pieces. The query has been accepted by the database before the first piece, the header."""
        pieces = self._copied() if self._is_postgresql else self._written()
        for piece in pieces:
            self._digest.update(piece)
            self.size += len(piece)
            yield piece

    def first_rows(self, limit: int) -> list[tuple[Any, ...]]:
        """The beginning of the file, as rows."""
        select = f"{self.question.select(self._sql)} LIMIT {limit}"
        return [tuple(row) for row in self._run(select)]

    def totals(self) -> dict[str, int]:
        """The number of rows and the sums, counted by the database itself in the same snapshot."""
        (row,) = self._run(self.question.select_totals(self._sql))
        names = ["rows", *(column.header for column in self.question.report.totals)]
        return {name: int(value) for name, value in zip(names, row, strict=True)}

    def _run(self, select: str) -> list[Any]:
        sql = Sql(select)
        text = sql.postgresql if self._is_postgresql else sql.sqlite
        return self._driver.execute(text, self.question.values(self._sql)).fetchall()  # type: ignore[no-any-return]

    @property
    def sha256(self) -> str:
        """Of the lines sent so far."""
        return self._digest.hexdigest()

    def _header(self) -> bytes:
        headers = ",".join(column.header for column in self.question.report.columns)
        return (BOM if self.question.bom else b"") + headers.encode() + b"\n"

    def _copied(self) -> Iterator[bytes]:
        select = Sql(self.question.select(self._sql)).postgresql
        values = self.question.values(self._sql)
        with self._driver.cursor() as cursor, cursor.copy(f"COPY ({select}) TO STDOUT (FORMAT csv)", values) as copy:
            yield self._header()
            piece = bytearray()
            for line in copy:  # the driver hands out one line at a time
                self.rows += 1
                piece += line
                if len(piece) >= CHUNK:
                    yield bytes(piece)
                    piece.clear()
            yield bytes(piece)

    def _written(self) -> Iterator[bytes]:
        select = Sql(self.question.select(self._sql)).sqlite
        cursor = self._driver.execute(select, self.question.values(self._sql))
        yield self._header()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        while True:
            rows = list(islice(cursor, ROWS))
            if not rows:
                return
            writer.writerows(rows)
            self.rows += len(rows)
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()


@contextmanager
def export(question: Question, *, is_for_spreadsheets: bool = True) -> Iterator[Export]:
    """An export on a connection of its own, given back however it ends."""
    db.session.commit()  # the asking is over; a reading left open would hold its snapshot
    connection = db.engine.raw_connection()
    try:
        yield Export(question, connection.driver_connection, is_for_spreadsheets=is_for_spreadsheets)
    finally:
        connection.rollback()
        connection.close()
