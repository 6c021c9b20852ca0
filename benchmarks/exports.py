"""A report of all members over HTTP, next to the database's own tool writing the same rows."""

import hashlib
import http.client
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from app.factory import create_app
from app.reports.question import Question, Reader, ask
from app.reports.spelling import PostgresqlSpelling
from benchmarks import world
from benchmarks.figures import Figure
from benchmarks.rounds import NoEffect, say
from benchmarks.serving import Serving
from core.clock import utc_now
from core.hot import NAMED, Sql
from tests.postgres_server import plain_url

REPORT = "members"
BLOCK = 1 << 20


@dataclass(frozen=True)
class Written:
    """A file that somebody wrote: how fast, how many lines, and which."""

    seconds: float
    lines: int
    sha256: str


def over_http(served: Serving) -> Written:
    begin = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=300)
    connection.request("GET", f"/reports/{REPORT}.csv?bom=0", headers={"Authorization": f"Bearer {world.HQ_KEY}"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise NoEffect(f"the report was answered with {answer.status}: {answer.read(500)!r}")
    answer.readline()  # the header, which the database's tool does not write
    written = _read(answer, begin)
    connection.close()
    return written


def by_tool(command: list[str]) -> Written:
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        written = _read(process.stdout, begin)
    if process.returncode:
        raise NoEffect(f"{command[0]} ended with status {process.returncode}")
    return written


def _read(file: Any, begin: float) -> Written:
    lines, digest = 0, hashlib.sha256()
    while block := file.read(BLOCK):
        lines += block.count(b"\n")
        digest.update(block)
    return Written(time.perf_counter() - begin, lines, digest.hexdigest())


@contextmanager
def asked(database_url: str) -> Iterator[Question]:
    app = create_app(database_url=database_url, secret_key="benchmarks" * 5, testing=True)
    with app.app_context():
        yield ask(REPORT, Reader(1), now=utc_now())


def postgresql_command(bench: Any) -> list[str]:
    with asked(bench.url) as question, psycopg.connect(plain_url(bench.url)) as connection:
        sql = question.spelling()
        assert isinstance(sql, PostgresqlSpelling)
        select = psycopg.ClientCursor(connection).mogrify(
            Sql(question.select(sql)).postgresql.encode(), question.values(sql)
        )
    psql = str(bench.pgbench.parent / "psql")
    return [
        psql,
        "-X",
        "-q",
        "-c",
        f"BEGIN; {sql.session}; COPY ({select}) TO STDOUT (FORMAT csv)",
        plain_url(bench.url),
    ]


def sqlite_command(bench: Any) -> list[str]:
    with asked(bench.url) as question:
        sql = question.spelling()
        values = question.values(sql)
        select = NAMED.sub(lambda found: _literal(values[found[1]]), question.select(sql))
    shell = shutil.which("sqlite3")
    assert shell is not None
    return [shell, "-readonly", "-csv", "-newline", "\n", bench.url.removeprefix("sqlite:///"), select]


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + re.sub("'", "''", str(value)) + "'"


def figures(bench: Any) -> list[Figure]:
    """Speed against the tool, and the most memory that a web process held meanwhile."""
    on_postgresql = bench.pgbench is not None
    command = postgresql_command(bench) if on_postgresql else sqlite_command(bench)
    before = bench.served.resident_mib()
    bench.served.forget_peak()
    over_http(bench.served)
    ratios, ours, theirs = [], [], []
    for _ in range(bench.rounds):
        http, tool = over_http(bench.served), by_tool(command)
        if http.lines != tool.lines or http.lines != world.count(bench.url, "SELECT count(*) FROM members"):
            raise NoEffect(f"{http.lines} lines over HTTP, {tool.lines} by the tool")
        if on_postgresql and http.sha256 != tool.sha256:
            raise NoEffect("the lines over HTTP are not those of psql")
        ratios.append(tool.seconds / http.seconds)
        ours.append(http.lines / http.seconds)
        theirs.append(tool.lines / tool.seconds)
    peak = bench.served.peak_mib()
    rate, limit = statistics.median(ours), statistics.median(theirs)
    say(f"  {bench.database}: {REPORT}.csv, {http.lines:,} rows: {rate:,.0f}/s, tool {limit:,.0f}/s")
    tool_name = "psql COPY TO STDOUT" if on_postgresql else "the sqlite3 shell's CSV"
    floor, goal = (0.5, 0.9) if on_postgresql else (0.3, 0.6)
    detail = f"{http.lines} rows, {rate:.0f}/s, tool {limit:.0f}/s"
    return [
        Figure(f"CSV of members, {bench.place}", statistics.median(ratios), tool_name, floor, goal, detail=detail),
        Figure(
            f"memory for the CSV, {bench.place}",
            peak - before,
            f"above the {before:.0f} MiB held before",
            100,
            64,
            unit="MiB",
            at_most=True,
        ),
    ]
