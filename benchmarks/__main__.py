"""``make bench``: what the application does over HTTP, next to what its own SQL allows in the same minute.

Each figure is the median over rounds of a ratio: the application and its limit take turns, and every request is
counted in the database afterwards. Ends with status 1 when a figure is below its floor. BENCH_MEMBERS=1000000 makes
the chain ten times as large. Tree, segments and pushes have a million members each, in databases of their own
(BENCH_TREE_MEMBERS, BENCH_AUDIENCE_MEMBERS, BENCH_PUSH_MEMBERS).
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import actions, codes, exports, limits, pictures, pushes, segments, serving, tree, world
from benchmarks.actions import Action
from benchmarks.figures import Figure, as_json, figures_table, ratio, table
from benchmarks.rounds import Measured, NoEffect, Side, by_limit, checked, numbers, over_http, say
from core.clock import utc_now
from tests import postgres_server

DURABLE = {"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "30min"}
LIMIT_NUMBERS = 100_000  # the application's numbers begin at 0, those of the limits here
LINK_NUMBERS = 500_000  # and those of cards through links here


@dataclass
class Bench:
    """One database with a chain in it, and the application serving it."""

    database: str
    url: str
    served: serving.Serving
    pgbench: Path | None
    rounds: int
    seconds: float
    folder: Path
    samples: list[dict[str, Any]]

    @property
    def place(self) -> str:
        return "PostgreSQL" if self.pgbench else "SQLite"

    def measure(self, name: str, action: Callable[[int], Action], *, durable: bool = False) -> Measured:
        """Rounds of HTTP and limit in turn; ``action`` may be another one in each round."""
        measured = Measured(name, self.database)
        http_numbers, limit_first = numbers(), LIMIT_NUMBERS
        warming = over_http(self.served.port, action(0).requests(http_numbers))
        self._checked(warming, action(0), 1.0)
        for number in range(1, self.rounds + 1):
            now = action(number)
            measured.http.append(
                self._checked(over_http(self.served.port, now.requests(http_numbers)), now, self.seconds)
            )
            limit = by_limit(self._limit(now, limit_first, durable=durable))
            measured.limit.append(self._checked(limit, now, self.seconds))
            limit_first += limits.CLIENTS * limits.STRIDE
        self.note(measured)
        return measured

    def _checked(self, side: Side, action: Action, seconds: float) -> Any:
        return checked(side, seconds, database_url=self.url, counted=action.counted)

    def _limit(self, action: Action, first: int, *, durable: bool) -> Callable[[float], limits.Run]:
        if self.pgbench is None:
            with world.connected(self.url) as connection:
                actions.check_same_statements(action, connection, first)
            path = self.url.removeprefix("sqlite:///")
            return lambda seconds: limits.in_process(
                path, action.in_sqlite, first=first, seconds=seconds, durable=durable
            )
        program, script = self.pgbench, action.pgbench
        defines = script.defines | {"now": utc_now().isoformat()}
        return lambda seconds: limits.pgbench(
            program, self.url, script.statement, sets=script.sets, defines=defines, first=first, seconds=seconds
        )

    def note(self, measured: Measured) -> None:
        row = measured.row()
        self.samples.append(row)
        say(f"  {self.database}: {measured.name}: {row['rate']}/s, limit {row['limit_rate']}/s")


def limit_name(bench: Bench) -> str:
    return "pgbench, same SQL, 16 clients" if bench.pgbench else "sqlite3 in process, same SQL"


def issuing(bench: Bench) -> Iterator[Figure]:
    measured = bench.measure(actions.ISSUE.name, lambda _: actions.ISSUE)
    floor, goal = (0.25, 0.45) if bench.pgbench else (0.30, 0.50)
    value = ratio(measured.rates, measured.limit_rates)
    yield Figure(f"issue a card, {bench.place}", value, limit_name(bench), floor, goal)


def claiming(bench: Bench) -> Iterator[Figure]:
    measured = bench.measure(actions.CLAIM_SPREAD.name, lambda _: actions.CLAIM_SPREAD)
    floor, goal = (0.20, 0.40) if bench.pgbench else (None, 0.50)
    value = ratio(measured.rates, measured.limit_rates)
    yield Figure(f"claim, {world.SPREAD_OFFERS} offers, {bench.place}", value, limit_name(bench), floor, goal)
    if bench.pgbench:  # on SQLite there is one writer, whichever row it is
        hot = bench.measure("claim, one hot offer", actions.claim_hot)
        value = ratio(hot.rates, hot.limit_rates)
        one_row = "pgbench, the same claim from one stock row"
        yield Figure(f"claim, one hot offer, {bench.place}", value, one_row, 0.80, 3)


def settling(bench: Bench) -> Iterator[Figure]:
    measured = bench.measure(actions.SETTLE.name, lambda _: actions.SETTLE, durable=True)
    floor, goal = (0.20, 0.40) if bench.pgbench else (None, 0.50)
    value = ratio(measured.rates, measured.limit_rates)
    yield Figure(f"settle with a coupon, {bench.place}", value, limit_name(bench), floor, goal)


def against_orm(bench: Bench) -> Iterator[Figure]:
    """The real endpoint and the same one written with the ORM, each by its own server."""
    if bench.pgbench is None:
        return
    with serving.serving(bench.url, bench.folder, application="benchmarks.by_orm:app") as orm:
        ours, theirs = in_turn(
            bench,
            Way("issue a card", bench.served.port, actions.issue_request, actions.ISSUE.counted),
            Way("issue a card, by ORM", orm.port, actions.issue_by_orm_request, actions.ISSUE.counted),
            first=50_000,
        )
    bench.note(theirs)
    yield Figure(f"issue a card, {bench.database}", ratio(ours.rates, theirs.rates), "the same endpoint by ORM", 4, 6)


def by_link(bench: Bench) -> Iterator[Figure]:
    """Taking the card through a friend's link, next to taking it from a store code."""
    port = bench.served.port
    ours, plain = in_turn(
        bench,
        Way("take a card through a link", port, actions.join_by_link_request, "SELECT count(*) FROM referrals"),
        Way("take a card by a store code", port, actions.issue_request, actions.ISSUE.counted),
        first=LINK_NUMBERS,
    )
    bench.note(ours)
    bench.note(plain)
    value = ratio(ours.rates, plain.rates)
    yield Figure(f"take a card through a link, {bench.place}", value, "the same by a store code", 0.6, 0.8)


class Way(NamedTuple):
    """One of two ways over HTTP, and what shows that it took effect."""

    name: str
    port: int
    request: Callable[[int], bytes]
    counted: str


def in_turn(bench: Bench, *ways: Way, first: int) -> list[Measured]:
    """Rounds of one way after the other, each with numbers that nobody used."""
    measured = [Measured(way.name, bench.database) for way in ways]
    fresh = numbers(first)
    for seconds in (1.0, *[bench.seconds] * bench.rounds):
        for way, rounds in zip(ways, measured, strict=True):
            side = over_http(way.port, (way.request(n) for n in fresh))
            sample = checked(side, seconds, database_url=bench.url, counted=way.counted)
            if seconds == bench.seconds:
                rounds.http.append(sample)
    return measured


@contextmanager
def benches(arguments: argparse.Namespace, samples: list[dict[str, Any]]) -> Iterator[Iterator[Bench]]:
    """One bench per database asked for, one after the other."""
    with tempfile.TemporaryDirectory(prefix="kaquan-bench-") as name:
        folder = Path(name)

        def each() -> Iterator[Bench]:
            for database in arguments.databases:
                yield from prepared(database, folder, arguments, samples)

        try:
            yield each()
        finally:
            postgres_server.stop()


def prepared(
    database: str, folder: Path, arguments: argparse.Namespace, samples: list[dict[str, Any]]
) -> Iterator[Bench]:
    pgbench = None
    if database == "sqlite":
        url = f"sqlite:///{folder / 'bench.db'}"
    else:
        server = postgres_server.start(DURABLE)
        if server is None or server.bin is None:
            raise SystemExit("The benchmarks need the PostgreSQL of the wheel: unset TEST_POSTGRES_URL, ALLOW_MISSING")
        url, pgbench = postgres_server.create_database(server.url, "bench"), server.bin / "pgbench"
    say(f"{database}: {world.MEMBERS:,} members, {world.FREE_WALLETS:,} wallets without a card …")
    serving.migrate(url, folder)
    world.fill(url)
    with serving.serving(url, folder) as served:
        yield Bench(database, url, served, pgbench, arguments.rounds, arguments.seconds, folder, samples)


PARTS: dict[str, Callable[[Bench], Iterable[Figure]]] = {
    "issue": issuing,
    "claim": claiming,
    "settle": settling,
    "orm": against_orm,
    "links": by_link,
    "exports": exports.figures,
    "codes": codes.figures,
}


def machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "load_before": [round(value, 2) for value in os.getloadavg()],
        "members": world.MEMBERS,
    }


def samples_table(samples: list[dict[str, Any]]) -> str:
    rows = [("over HTTP, 16 connections", "database", "requests/s", "p50 ms", "p99 ms", "errors", "limit/s")]
    for row in samples:
        limit = "-" if row["limit_rate"] is None else f"{row['limit_rate']:.0f}"
        rows.append(
            (
                row["what"],
                row["database"],
                f"{row['rate']:.0f}",
                f"{row['p50_ms']:.1f}",
                f"{row['p99_ms']:.1f}",
                str(row["errors"]),
                limit,
            )
        )
    return table(rows)


def tree_table(samples: list[dict[str, Any]]) -> str:
    rows = [("asked of the application", "database", "ms", "in the other way, ms")]
    rows += [(row["what"], row["database"], f"{row['ms']:.1f}", f"{row['other_ms']:.1f}") for row in samples]
    return table(rows)


def run(arguments: argparse.Namespace, samples: list[dict[str, Any]], asked: list[dict[str, Any]]) -> list[Figure]:
    """The figures; ``samples`` of what went over HTTP and ``asked`` of tree and segments are added to."""
    figures: list[Figure] = []
    if "pictures" in arguments.parts:
        figures += pictures.figures(arguments.rounds, arguments.seconds)
    if set(PARTS) & set(arguments.parts):
        with benches(arguments, samples) as each:
            for bench in each:
                for part, measure in PARTS.items():
                    if part in arguments.parts:
                        figures += measure(bench)
    if asked_parts := [part for part in pushes.PARTS if part in arguments.parts]:
        figures += pushes.figures(asked_parts, arguments.databases, arguments.rounds, asked)
    if "tree" in arguments.parts:
        figures += tree.figures(arguments.databases, arguments.rounds, asked)
    if "segments" in arguments.parts:
        figures += segments.figures(arguments.databases, arguments.rounds, asked)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    every = [*PARTS, *pushes.PARTS, "tree", "segments", "pictures"]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(every)}; all when none is named")
    parser.add_argument("--databases", nargs="+", choices=["postgresql", "sqlite"], default=["postgresql", "sqlite"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each side in each round")
    parser.add_argument("--json", metavar="FILE", help="write everything measured there")
    arguments = parser.parse_args()
    arguments.parts = arguments.parts or every
    if unknown := set(arguments.parts) - set(every):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    facts = machine()
    samples: list[dict[str, Any]] = []
    asked: list[dict[str, Any]] = []
    try:
        figures = run(arguments, samples, asked)
    except NoEffect as problem:
        print(f"Nothing was measured: {problem}", file=sys.stderr)
        return 1
    if samples:
        print(samples_table(samples), end="\n\n")
    if asked:
        print(tree_table(asked), end="\n\n")
    print(figures_table(figures))
    if arguments.json:
        Path(arguments.json).write_text(as_json(figures, samples + asked, facts), encoding="utf-8")
    below = [figure.name for figure in figures if not figure.holds]
    if below:
        print(f"\nBelow the floor: {'; '.join(below)}", file=sys.stderr)
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
