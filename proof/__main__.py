"""``make proof``: stock, limits, coupons, points and money under storms of parallel requests, with processes killed.

Real web processes, 64 clients, PostgreSQL and SQLite. Each line says what was done, what must come of it and what did;
after each part ``ledger verify`` compares the books with their rows. Ends with status 1 when a line does not hold.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from app.factory import create_app
from benchmarks.serving import ROOT, environment, migrate
from core.db import db
from proof import claims, control, growth, honesty, kills, pushes, rewards, tills
from proof.scene import Stage
from proof.serving import serving
from proof.shop import Shop
from proof.table import Table, say
from tests import postgres_server

PARTS: dict[str, Callable[[Stage], None]] = {
    "claims": claims.all_of,
    "tills": tills.all_of,
    "growth": growth.all_of,
    "rewards": rewards.all_of,
    "honesty": honesty.all_of,
    "kills": kills.all_of,
    "pushes": pushes.all_of,
}
ELSEWHERE = {"pushes": ("postgresql", "sqlite")}  # web processes have no part in it
DURABLE = {"max_wal_size": "2GB"}  # as installed: every commit is on the disk


class Place(NamedTuple):
    """A database, and how many web processes serve it."""

    name: str
    database: str
    processes: int


PLACES = {
    place.name: place
    for place in (
        Place("postgresql", "postgresql", 3),
        Place("sqlite", "sqlite", 1),
        Place("sqlite-2", "sqlite", 2),
    )
}
TITLES = {
    "postgresql": "PostgreSQL, 3 web processes",
    "sqlite": "SQLite, 1 web process (as served by default)",
    "sqlite-2": "SQLite, 2 web processes",
}


def main() -> int:
    asked = _arguments()
    began = time.monotonic()
    table = Table()
    for name in asked.only or PLACES:
        _prove(PLACES[name], asked, table)
    lines = len(table.lines)
    print(f"\n{lines - table.misses} of {lines} lines hold; {time.monotonic() - began:.0f} s", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(table.lines, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return 1 if table.misses else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m proof", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=list(PLACES), help="this database only; may be repeated")
    parser.add_argument("--part", action="append", choices=list(PARTS), help="this part only; may be repeated")
    parser.add_argument("--members", type=int, default=1000, help="of a push (1000; all of it is proved with 100000)")
    parser.add_argument("--kills", type=int, default=8, help="of those who send it (8)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines to a file as well")
    return parser.parse_args()


def _prove(place: Place, asked: argparse.Namespace, table: Table) -> None:
    with tempfile.TemporaryDirectory(prefix="kaquan-proof-") as folder:
        url = _new_database(place, Path(folder))
        migrate(url, Path(folder))
        app = create_app(database_url=url, secret_key="benchmarks" * 5, testing=True)
        table.head(TITLES[place.name])
        with app.app_context():
            shop = Shop()
            for part in asked.part or PARTS:
                if part in ELSEWHERE and place.name not in ELSEWHERE[part]:
                    continue
                with serving(url, Path(folder), processes=place.processes) as server:
                    PARTS[part](Stage(shop, server, table, asked.members, asked.kills))
                _verify(url, Path(folder), part, table)
            with serving(url, Path(folder), processes=place.processes, application="proof.naive:app") as server:
                control.naive(Stage(shop, server, table))
            db.session.remove()
            db.engine.dispose()
    postgres_server.stop()


def _new_database(place: Place, folder: Path) -> str:
    if place.database == "sqlite":
        return f"sqlite:///{folder / 'proof.db'}"
    server = postgres_server.start(DURABLE)
    if server is None:
        say("no PostgreSQL (ALLOW_MISSING=1)")
        sys.exit(1)
    return postgres_server.create_database(server.url, "proof")


def _verify(url: str, folder: Path, part: str, table: Table) -> None:
    db.session.rollback()
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "ledger", "verify", "--json"],
        cwd=ROOT,
        env=environment(url, folder),
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.startswith("{"):
        raise RuntimeError(done.stderr)
    document = json.loads(done.stdout)
    rows = sum(check["rows"] for check in document["checks"])
    wrong = ", ".join(check["check"] for check in document["checks"] if check["problems"])
    table.line(
        f"ledger verify after {part}",
        "0 differences",
        f"{document['problems']} differences",
        note=wrong or f"{rows} rows",
    )


if __name__ == "__main__":
    sys.exit(main())
