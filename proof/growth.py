"""``python -m proof.growth``: a million members whose true tree is known, replayed by several processes and compared.

From a seed a history is drawn (proof/history.py): who shared through which channel, who opened what and when, who came
through whom, and much that must change nothing. Several processes live it through the functions that serve pages and
API (proof/replay.py). Then each edge, link and visit is compared with the truth (proof/compare.py), and each figure
with the same worked out from the history (proof/figures.py). Ends with status 1 on a difference.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.factory import create_app
from benchmarks.serving import migrate
from core.clock import utc_now
from core.db import db, transaction
from proof import compare, figures, history, replay
from proof.history import CHAINS, STORES
from proof.replay import Ground
from proof.scene import Stage
from proof.table import Table, say
from sharing.models import SharingPolicy
from stores.models import Chain
from tests import postgres_server
from tests.factories import make_chain, make_store, make_store_code

FAST = postgres_server.THROW_AWAY | {"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "30min"}
TITLES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
PROCESSES = {"postgresql": 3, "sqlite": 2}  # PostgreSQL works while ours wait; SQLite has one writer
SMALL = 5_000  # members, as a part of ``make proof``


def all_of(stage: Stage) -> None:
    """The part of ``make proof``: the same on a small history, in the database of the storms."""
    url = stage.server.database_url
    with tempfile.TemporaryDirectory(prefix="kaquan-growth-") as folder:
        grow(stage.table, url, Path(folder), members=SMALL, processes=3, seed=utc_now().toordinal())


def grow(table: Table, url: str, folder: Path, *, members: int, processes: int, seed: int) -> None:
    """Draw, replay and compare, in a migrated database; needs an application context."""
    begun = time.monotonic()
    drawn = history.draw(members, seed)
    ground = lay_ground(url, folder)
    replay.prepare(drawn, folder, processes)
    steps = len(drawn.owner) + len(drawn.act)
    say(f"  seed {seed}: {len(drawn.owner):,} links and {len(drawn.act):,} acts in {drawn.waves} waves")
    del drawn
    replaying = time.monotonic()
    peak = replay.replay(ground, processes, lambda told: _tell(told, steps, time.monotonic() - replaying))
    took = time.monotonic() - replaying
    truth, lived = history.load(folder), replay.lived(folder)
    compare.compare(table, truth, ground, lived)
    figures.compare(table, truth, ground, lived)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"    seed {seed}; {processes} processes, {took:.0f} s, {members / took:,.0f} members/s, at most {peak:.0f} MiB"
        f" each; all in all {time.monotonic() - begun:.0f} s, {own:.0f} MiB for the truth",
        flush=True,
    )


def lay_ground(url: str, folder: Path) -> Ground:
    """The chains with their rules, stores and store codes."""
    chains: list[Chain] = []
    store_ids, tokens = [], []
    for rule in CHAINS:
        chain = make_chain(rule.slug)
        chains.append(chain)
        if rule.slug != CHAINS[0].slug:  # the first counts as every chain begins
            policy = SharingPolicy(
                chain_id=chain.id, window_days=rule.window_days, store_code_wins=rule.store_code_wins
            )
            with transaction():
                db.session.add(policy)
        stores = [make_store(chain) for _ in range(STORES)]
        store_ids.append([store.id for store in stores])
        tokens.append([make_store_code(store).token for store in stores])
    return Ground(url, folder, [chain.id for chain in chains], store_ids, tokens)


def _tell(told: replay.Told, steps: int, seconds: float) -> None:
    share, rate = 100 * told.done / steps, told.done / seconds
    say(f"  wave {told.wave}: {told.done:,} of {steps:,} steps, {share:.0f} %, {rate:,.0f}/s, {told.peak_mib:.0f} MiB")


def main() -> int:
    asked = _arguments()
    table = Table()
    try:
        for database in asked.databases:
            _prove(database, asked, table)
    finally:
        postgres_server.stop()
    lines = len(table.lines)
    print(f"\n{lines - table.misses} of {lines} lines hold", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(table.lines, ensure_ascii=False, indent=2, default=str) + "\n", "utf-8")
    return 1 if table.misses else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m proof.growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--databases", nargs="+", choices=list(TITLES), default=list(TITLES))
    parser.add_argument("--processes", type=int, help="that replay; 3 on PostgreSQL and 2 on SQLite unless told")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave histories and SQLite's database there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the lines to a file as well")
    return parser.parse_args()


@contextmanager
def _folder(database: str, keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="kaquan-growth-") as name:
            yield Path(name)
    else:
        (keep / database).mkdir(parents=True)
        yield keep / database


def _prove(database: str, asked: argparse.Namespace, table: Table) -> None:
    with _folder(database, asked.keep) as folder:
        url = f"sqlite:///{folder / 'growth.db'}"
        if database == "postgresql":
            server = postgres_server.start(FAST)
            if server is None:
                say("no PostgreSQL (ALLOW_MISSING=1)")
                sys.exit(1)
            url = postgres_server.create_database(server.url, "growth")
        migrate(url, folder)
        app = create_app(database_url=url, secret_key=replay.SECRET_KEY, testing=True)
        processes = asked.processes or PROCESSES[database]
        table.head(f"{TITLES[database]}, {asked.members:,} members, replayed by {processes} processes")
        with app.app_context():
            grow(table, url, folder, members=asked.members, processes=processes, seed=asked.seed)
            db.session.remove()
            db.engine.dispose()
    postgres_server.stop()


if __name__ == "__main__":
    sys.exit(main())
