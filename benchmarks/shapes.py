"""``python -m benchmarks.shapes``: the ways to keep a tree, side by side at a million members, on both databases.

The application's own edges, with their paths, beside a nested set and a closure table made from them. Everything is
plain SQL on one connection; times are medians of some rounds, in milliseconds. What changes rows is rolled back.
docs/decisions/referral-paths.md tells what was concluded.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg

from benchmarks import tree_world
from benchmarks.figures import table
from benchmarks.rounds import say
from benchmarks.tree import SIZES, filled
from benchmarks.tree_world import Tree
from benchmarks.world import connected, tidy
from core.hot import NAMED, Sql

NESTED = """
    CREATE TABLE nested (
        member_id bigint PRIMARY KEY, lft bigint NOT NULL, rgt bigint NOT NULL, depth integer NOT NULL
    )"""
NESTED_INDEX = "CREATE INDEX ix_nested_lft ON nested (lft, depth)"
CLOSURE = """
    CREATE TABLE closure (
        ancestor_id bigint NOT NULL, distance integer NOT NULL, member_id bigint NOT NULL,
        PRIMARY KEY (ancestor_id, distance, member_id)
    )"""
CLOSURE_INDEX = "CREATE INDEX ix_closure_member ON closure (member_id)"
FIRST_PAIRS = "INSERT INTO closure SELECT referrer_id, 1, member_id FROM referrals"
NEXT_PAIRS = """
    INSERT INTO closure
    SELECT c.ancestor_id, c.distance + 1, r.member_id
    FROM closure c JOIN referrals r ON r.chain_id = 1 AND r.referrer_id = c.member_id
    WHERE c.distance = :distance"""

BELOW = """
    WITH RECURSIVE below(member_id, generation) AS (
        SELECT member_id, 1 FROM referrals WHERE chain_id = 1 AND referrer_id = :top
        UNION ALL
        SELECT r.member_id, b.generation + 1
        FROM below b JOIN referrals r ON r.chain_id = 1 AND r.referrer_id = b.member_id
    )"""
ABOVE = """
    WITH RECURSIVE above(member_id) AS (
        SELECT referrer_id FROM referrals WHERE chain_id = 1 AND member_id = :leaf
        UNION ALL
        SELECT r.referrer_id FROM above a JOIN referrals r ON r.chain_id = 1 AND r.member_id = a.member_id
    )"""
ROOTS = """
    WITH RECURSIVE below(root_id, member_id) AS (
        SELECT referrer_id, member_id FROM referrals WHERE chain_id = 1 AND depth = 1
        UNION ALL
        SELECT b.root_id, r.member_id FROM below b JOIN referrals r ON r.chain_id = 1 AND r.referrer_id = b.member_id
    )"""
RANGE = "FROM referrals WHERE chain_id = 1 AND path >= :path || '0' AND path < :path || 'g'"
WITHIN = "FROM nested n WHERE lft > :lft AND lft < :rgt"
LENGTH = {"postgresql": "octet_length(path)", "sqlite": "length(path)"}


class Way(NamedTuple):
    """A way to keep the tree, and what each question is in it; None where it has no answer of its own."""

    name: str
    counted: str
    generations: str
    to_root: str | None
    roots: str | None


def ways(database: str) -> list[Way]:
    length = LENGTH[database]
    return [
        Way(
            "recursive query",
            f"{BELOW} SELECT count(*) FROM below",
            f"{BELOW} SELECT generation, count(*) FROM below GROUP BY generation",
            f"{ABOVE} SELECT count(*) FROM above",
            f"{ROOTS} SELECT root_id, count(*) FROM below GROUP BY root_id",
        ),
        Way(
            "path, depth from the row",
            f"SELECT count(*) {RANGE}",
            f"SELECT depth - :depth, count(*) {RANGE} GROUP BY 1",
            "SELECT path FROM referrals WHERE chain_id = 1 AND member_id = :leaf",
            "SELECT substr(path, 1, 10), count(*) FROM referrals WHERE chain_id = 1 GROUP BY 1",
        ),
        Way(
            "path, depth from its length; root id",
            f"SELECT count(*) {RANGE}",
            f"SELECT {length} / 10 - 1 - :depth, count(*) {RANGE} GROUP BY 1",
            "SELECT path FROM referrals WHERE chain_id = 1 AND member_id = :leaf",
            "SELECT root_id, count(*) FROM referrals WHERE chain_id = 1 GROUP BY root_id",
        ),
        Way(
            "nested set",
            f"SELECT count(*) {WITHIN}",
            f"SELECT depth - :depth, count(*) {WITHIN} GROUP BY 1",
            "SELECT count(*) FROM nested n, nested leaf WHERE leaf.member_id = :leaf AND n.lft < leaf.lft"
            " AND n.rgt > leaf.lft",
            "SELECT member_id, (rgt - lft - 1) / 2 FROM nested WHERE depth = 0 AND rgt > lft + 1",
        ),
        Way(
            "closure table",
            "SELECT count(*) FROM closure WHERE ancestor_id = :top",
            "SELECT distance, count(*) FROM closure WHERE ancestor_id = :top GROUP BY distance",
            "SELECT count(*) FROM closure WHERE member_id = :leaf",
            "SELECT ancestor_id, count(*) FROM closure GROUP BY ancestor_id",
        ),
    ]


MOVES: dict[str, tuple[str, ...]] = {
    "recursive query": ("UPDATE referrals SET referrer_id = :to WHERE chain_id = 1 AND member_id = :top",),
    "path, depth from its length; root id": (
        "UPDATE referrals SET path = :to_path || substr(path, CAST(:kept AS integer)), depth = depth + :deeper,"
        " root_id = :to_root WHERE chain_id = 1 AND path >= :path AND path < :path || 'g'",
    ),
    "nested set": (
        "UPDATE nested SET lft = -lft, rgt = -rgt WHERE lft BETWEEN :lft AND :rgt",
        "UPDATE nested SET lft = CASE WHEN lft > :rgt THEN lft - :width ELSE lft END, rgt = rgt - :width"
        " WHERE rgt > :rgt",
        "UPDATE nested SET lft = CASE WHEN lft > :to_lft THEN lft + :width ELSE lft END, rgt = rgt + :width"
        " WHERE rgt > :to_lft",
        "UPDATE nested SET lft = -lft + :shift, rgt = -rgt + :shift, depth = depth + :deeper WHERE lft < 0",
    ),
    "closure table": (
        "DELETE FROM closure WHERE member_id IN (SELECT member_id FROM closure WHERE ancestor_id = :top"
        " UNION ALL SELECT :top) AND ancestor_id IN (SELECT ancestor_id FROM closure WHERE member_id = :top)",
        "INSERT INTO closure SELECT up.ancestor_id, up.distance + 1 + down.distance, down.member_id"
        " FROM (SELECT ancestor_id, distance FROM closure WHERE member_id = :to UNION ALL SELECT :to, 0) up,"
        " (SELECT member_id, distance FROM closure WHERE ancestor_id = :top UNION ALL SELECT :top, 0) down",
    ),
}  # fmt: skip


def places(tree: Tree) -> list[tuple[int, int]]:
    """The nested set: where each begins and ends when the tree is walked, the roots one after the other."""
    below = tree.below().tolist()
    begins, ends, next_free = [0] * len(below), [0] * len(below), [0] * len(below)
    free = 1
    for member, parent in enumerate(tree.parent.tolist()):
        if not member:
            continue
        width = 2 * (below[member] + 1)
        if parent:
            begin, next_free[parent] = next_free[parent], next_free[parent] + width
        else:
            begin, free = free, free + width
        begins[member], ends[member], next_free[member] = begin, begin + width - 1, begin + 1
    return list(zip(begins, ends, strict=True))


class Bench:
    def __init__(self, connection: Any, tree: Tree, rounds: int) -> None:
        self.connection, self.tree, self.rounds = connection, tree, rounds
        self.on_postgresql = isinstance(connection, psycopg.Connection)

    def run(self, sql: str, values: dict[str, Any]) -> Any:
        known = Sql(sql)
        used = {name: values[name] for name in known.names}
        if not self.on_postgresql:
            return self.connection.execute(known.sqlite, used)
        typed = NAMED.sub(lambda found: f"{found[0]} ::{'text' if isinstance(used[found[1]], str) else 'bigint'}", sql)
        return self.connection.execute(Sql(typed).postgresql, used)

    def ms(self, sqls: tuple[str, ...], values: dict[str, Any], *, undo: bool = False) -> float:
        taken = []
        for _ in range(self.rounds + 1):
            begin = time.perf_counter()
            for sql in sqls:
                done = self.run(sql, values)
                if done.description:
                    done.fetchall()
            taken.append(1000 * (time.perf_counter() - begin))
            if undo:
                self.connection.rollback()
        return statistics.median(taken[1:])

    def prepare(self) -> dict[str, float]:
        """Make the other ways' tables; the seconds that each took."""
        took = {}
        begin = time.perf_counter()
        self.connection.execute(NESTED)
        rows = [
            (member, lft, rgt, depth)
            for member, ((lft, rgt), depth) in enumerate(zip(places(self.tree), self.tree.depth.tolist(), strict=True))
            if member
        ]
        if self.on_postgresql:
            with self.connection.cursor().copy("COPY nested FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            self.connection.executemany("INSERT INTO nested VALUES (?, ?, ?, ?)", rows)
        self.connection.execute(NESTED_INDEX)
        self.connection.commit()
        took["nested set"] = time.perf_counter() - begin
        begin = time.perf_counter()
        self.connection.execute(CLOSURE + ("" if self.on_postgresql else " WITHOUT ROWID"))
        self.run(FIRST_PAIRS, {})
        for distance in range(1, int(self.tree.depth.max())):
            self.run(NEXT_PAIRS, {"distance": distance})
        self.connection.execute(CLOSURE_INDEX)
        self.connection.commit()
        took["closure table"] = time.perf_counter() - begin
        tidy(self.connection)
        if self.on_postgresql:
            self.connection.autocommit = False
            self.connection.execute("SET jit = off")
            self.connection.commit()
        return took

    def values(self, size: int) -> dict[str, Any]:
        """The sub-tree of about this size, its place in each way, and where it is to go: below another root."""
        tree = self.tree
        top = tree.nearest(size * tree.members // 1_000_000)
        to = next(member for member in range(1, tree.members) if tree.root[member] == member != tree.root[top])
        leaf = int(tree.depth.argmax())
        lft, rgt = self.number("SELECT lft, rgt FROM nested WHERE member_id = :id", top)
        (to_lft, _) = self.number("SELECT lft, rgt FROM nested WHERE member_id = :id", to)
        found = self.number("SELECT path, depth FROM referrals WHERE chain_id = 1 AND member_id = :id", top)
        path, depth = found or (f"{top:010x}", 0)
        width = rgt - lft + 1
        landed = to_lft - width if to_lft > rgt else to_lft
        return {
            "top": top, "to": to, "leaf": leaf, "lft": lft, "rgt": rgt, "width": width, "path": path, "depth": depth,
            "to_path": f"{to:010x}", "to_root": to, "kept": len(path) - 9, "deeper": 1 - depth,
            "to_lft": landed, "shift": landed + 1 - lft,
        }  # fmt: skip

    def number(self, sql: str, member: int) -> Any:
        return self.run(sql, {"id": member}).fetchone()

    def lines(self, database: str) -> Iterator[list[str]]:
        took = self.prepare()
        values = [self.values(size) for size in SIZES]
        head = [f"{database}, ms"]
        for one in values:
            members = self.run(f"SELECT count(*) {RANGE}", one).fetchone()[0]
            head += [f"count of {members:,}", "by generation"]
        yield [*head, "path to root", "all roots", "move the first", "table made in"]
        for way in ways(database):
            cells = [way.name]
            for one in values:
                cells += [f"{self.ms((sql,), one):.2f}" for sql in (way.counted, way.generations)]
            for sql in (way.to_root, way.roots):
                cells.append(f"{self.ms((sql,), values[0]):.2f}" if sql else "-")
            move = MOVES.get(way.name)
            cells.append(f"{self.ms(move, values[0], undo=True):.0f}" if move else "-")
            cells.append(f"{took[way.name]:.0f} s" if way.name in took else "-")
            say(f"  {database}: {way.name}: {', '.join(cells[1:])}")
            yield cells


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.shapes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--databases", nargs="+", choices=["postgresql", "sqlite"], default=["postgresql", "sqlite"])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    tree = tree_world.draw()
    for database in asked.databases:
        with filled(database, tree) as url, connected(url) as connection:
            rows = list(Bench(connection, tree, asked.rounds).lines(database))
        print(table(rows), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
