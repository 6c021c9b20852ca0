"""A million printed codes, made and taken in, next to the database's own bulk load of the same rows.

Every side begins with an empty table. BENCH_CODES says how many codes.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.factory import create_app
from benchmarks import world
from benchmarks.figures import Figure
from benchmarks.rounds import NoEffect, say
from core.audit import SYSTEM
from core.clock import utc_now
from core.db import CACHE_KIB, transaction
from coupons import code_import, printing
from tests.postgres_server import plain_url

CODES = int(os.environ.get("BENCH_CODES", "1000000"))
FEW = CODES // 10
ROUNDS = 3
SECRET = "benchmarks" * 5
OFFER = world.SETTLE_OFFER
ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def application(database_url: str) -> Iterator[None]:
    with create_app(database_url=database_url, secret_key=SECRET, testing=True).app_context():
        yield


def make(count: int) -> None:
    with transaction():
        batch = printing.make_batch(1, OFFER, size=count, name="bench", by=SYSTEM, now=utc_now())
    while not printing.fill_batch(1, batch.id).is_whole:
        pass


def take_in(file: Path) -> None:
    with transaction():
        batch = printing.take_in(1, OFFER, name="bench", by=SYSTEM, now=utc_now())
    with file.open("rb") as stream:
        *_, counts = code_import.import_codes(1, batch.id, stream, tell=_refuse, now=utc_now())
    if counts.accepted != CODES:
        raise NoEffect(f"{counts.accepted} of {CODES} codes were accepted")


def _refuse(line: code_import.Refused) -> None:
    raise NoEffect(f"line {line.line} was refused: {line.problem}")


def batch_for_the_tool() -> int:
    with transaction():
        return printing.take_in(1, OFFER, name="tool", by=SYSTEM, now=utc_now()).id


def load(bench: Any, rows: Path) -> None:
    """The same rows by psql's COPY, or by the sqlite3 shell with the settings of our connections."""
    if bench.pgbench is not None:
        copy = f"\\copy printed_codes (batch_id, code, chain_id) FROM '{rows}'"
        command = [str(bench.pgbench.parent / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", copy]
        subprocess.run([*command, plain_url(bench.url)], check=True)
        return
    shell = shutil.which("sqlite3")
    assert shell is not None
    script = (
        f"PRAGMA foreign_keys = ON;\nPRAGMA synchronous = NORMAL;\nPRAGMA cache_size = -{CACHE_KIB};\n"
        f".mode tabs\n.import {rows} printed_codes\n"
    )  # the columns that a row lacks are NULL; the shell says so of each row
    subprocess.run(
        [shell, bench.url.removeprefix("sqlite:///")],
        input=script,
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def timed(bench: Any, act: Callable[[], object]) -> float:
    """Codes a second, from an empty table."""
    empty(bench)
    begin = time.perf_counter()
    act()
    seconds = time.perf_counter() - begin
    found = world.count(bench.url, "SELECT count(*) FROM printed_codes")
    if found != CODES:
        raise NoEffect(f"{found} codes are there instead of {CODES}")
    return CODES / seconds


def empty(bench: Any) -> None:
    with world.connected(bench.url) as connection:
        connection.execute("TRUNCATE printed_codes" if bench.pgbench is not None else "DELETE FROM printed_codes")
        connection.commit()


def peak_mib(bench: Any, *words: object) -> float:
    """The most memory that the command held."""
    environment = os.environ | {"DATABASE_URL": bench.url, "SECRET_KEY": SECRET, "KAQUAN_NO_DOTENV": "1"}
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "coupons", *map(str, words)]
    said = bench.folder / "said.txt"
    with said.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _high_water_kib(process.pid))
        time.sleep(0.05)
    if process.returncode:
        raise NoEffect(f"coupons {words[0]} ended with status {process.returncode}: {said.read_text()[-500:]}")
    return peak / 1024


def _high_water_kib(pid: int) -> int:
    """What the process itself says; what the system tells its parent counts the parent's memory too."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) if found else 0


def figures(bench: Any) -> Iterator[Figure]:
    partner, rows = bench.folder / "partner.csv", bench.folder / "rows.tsv"
    codes = printing.new_codes(CODES)
    partner.write_text("\n".join(map(printing.shown, codes)) + "\n")
    with application(bench.url):
        batch_id = batch_for_the_tool()
        rows.write_text("".join(f"{batch_id}\t{code}\t1\n" for code in codes))
        del codes
        made, taken, loaded = [], [], []
        for _ in range(min(bench.rounds, ROUNDS)):
            made.append(timed(bench, lambda: make(CODES)))
            loaded.append(timed(bench, lambda: load(bench, rows)))
            taken.append(timed(bench, lambda: take_in(partner)))
    tool = "psql COPY of the same rows" if bench.pgbench is not None else "the sqlite3 shell's .import of the same rows"
    for name, rates in (("made", made), ("taken in", taken)):
        rate, limit = statistics.median(rates), statistics.median(loaded)
        say(f"  {bench.database}: {CODES:,} codes {name}: {rate:,.0f}/s, tool {limit:,.0f}/s")
        value = statistics.median(ours / theirs for ours, theirs in zip(rates, loaded, strict=True))
        detail = f"{CODES} codes, {rate:.0f}/s, tool {limit:.0f}/s"
        yield Figure(f"printed codes {name}, {bench.place}", value, tool, 0.5, 0.8, detail=detail)
    yield from memory(bench, partner)


def memory(bench: Any, partner: Path) -> Iterator[Figure]:
    """What a million takes above what a few take, at the terminal."""
    few, out = bench.folder / "few.csv", bench.folder / "codes.csv"
    few.write_text("\n".join(partner.read_text().split("\n", FEW)[:FEW]) + "\n")
    for name, small, large in (
        ("make", ("codes-make", OFFER, FEW, "--out", out), ("codes-make", OFFER, CODES, "--out", out)),
        ("take in", ("codes-import", OFFER, few), ("codes-import", OFFER, partner)),
    ):
        peaks = []
        for words in (small, large):
            empty(bench)
            peaks.append(peak_mib(bench, *words))
        said = f"above the {peaks[0]:.0f} MiB for {FEW:,}"
        say(f"  {bench.database}: to {name} {CODES:,} codes holds {peaks[1]:.0f} MiB, {FEW:,} {peaks[0]:.0f} MiB")
        yield Figure(
            f"memory to {name} {CODES:,} codes, {bench.place}",
            peaks[1] - peaks[0],
            said,
            64,
            32,
            unit="MiB",
            at_most=True,
        )
    empty(bench)
