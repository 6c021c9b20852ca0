"""The limits: the application's own SQL, run by the database's load tool or straight in the driver."""

import os
import re
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.db import CACHE_KIB, CHECKPOINT_PAGES
from core.hot import HOT_OPTIONS
from tests.postgres_server import plain_url

CLIENTS = 16
JOBS = 2
STRIDE = 3_000  # numbers that one client may use up in one round
TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
DONE = re.compile(r"^number of transactions actually processed: (\d+)", re.MULTILINE)
LATENCY = re.compile(r"^latency average = ([\d.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    rate: float
    done: int
    average_ms: float


def pgbench(
    program: Path,
    database_url: str,
    statement: str,
    *,
    sets: str,
    defines: Mapping[str, object],
    first: int,
    seconds: float,
) -> Run:
    """Run a statement from 16 prepared connections; ``:n`` is another number in every transaction.

    The numbers begin after ``first``; a run uses up 16 * STRIDE of them at most.
    """
    script = f"\\set i :i + 1\n\\set n :first + :client_id * {STRIDE} + :i\n{sets}\n{statement.strip().rstrip(';')};\n"
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [str(program), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", f"--jobs={JOBS}"]
        command += [f"--time={seconds:.0f}", f"--file={file.name}", "--define=i=0", f"--define=first={first}"]
        command += [f"--define={name}={value}" for name, value in defines.items()]
        done = subprocess.run(
            [*command, plain_url(database_url)],
            env=os.environ | {"PGOPTIONS": HOT_OPTIONS},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode or not TPS.search(done.stdout):
        raise RuntimeError(f"pgbench failed: {done.stderr[-3000:]}\n{done.stdout[-1000:]}")
    processed = int(_only(DONE, done.stdout))
    if processed > CLIENTS * STRIDE:
        raise RuntimeError("pgbench ran out of numbers: enlarge STRIDE")
    return Run(float(_only(TPS, done.stdout)), processed, float(_only(LATENCY, done.stdout)))


def _only(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    assert found is not None
    return found[1]


def in_process(path: str, action: Callable[[Any, int], None], *, first: int, seconds: float, durable: bool) -> Run:
    """Run an action's statements on one SQLite connection, each in its own ``BEGIN IMMEDIATE``."""
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
    synchronous = "FULL" if durable else "NORMAL"
    settings = ("foreign_keys = ON", "journal_mode = WAL", f"synchronous = {synchronous}", f"cache_size = -{CACHE_KIB}")
    for pragma in (*settings, f"wal_autocheckpoint = {CHECKPOINT_PAGES}"):
        connection.execute(f"PRAGMA {pragma}")
    done = 0
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        connection.execute("BEGIN IMMEDIATE")
        action(connection, first + done)
        connection.execute("COMMIT")
        done += 1
    taken = time.perf_counter() - begin
    connection.close()
    return Run(done / taken, done, 1000 * taken / done)
