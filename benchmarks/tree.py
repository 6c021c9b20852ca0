"""The propagation tree at a million members: what the application asks of it, next to numpy in memory and recursion.

The figures of pages and API are asked for by their own functions. Each is compared, and must be equal, with the same
worked out by numpy from arrays that are in memory already, or by a recursive query in the same database.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import text

from benchmarks import places, tree_world
from benchmarks.figures import Figure, ratio
from benchmarks.rounds import NoEffect, say
from benchmarks.tree_world import Array, Period, Tree
from core.db import db
from sharing import queries, spreaders

CHAIN = 1
SIZES = (93_000, 1_000)  # of sub-trees, in a tree of a million: the nearest there is
GENERATIONS = {93_000: (0.5, 2.0), 1_000: (2.0, 20.0)}  # floor and goal of each
TOP = 20
DAYS = 30

RECURSIVE_COUNT = text("""
    WITH RECURSIVE below(member_id) AS (
        SELECT member_id FROM referrals WHERE chain_id = :chain_id AND referrer_id = :member_id
        UNION ALL
        SELECT r.member_id FROM below b JOIN referrals r ON r.chain_id = :chain_id AND r.referrer_id = b.member_id
    )
    SELECT count(*) FROM below""")
RECURSIVE_ROOTS = text("""
    WITH RECURSIVE below(root_id, member_id) AS (
        SELECT referrer_id, member_id FROM referrals WHERE chain_id = :chain_id AND depth = 1
        UNION ALL
        SELECT b.root_id, r.member_id
        FROM below b JOIN referrals r ON r.chain_id = :chain_id AND r.referrer_id = b.member_id
    )
    SELECT root_id, count(*) FROM below GROUP BY root_id ORDER BY count(*) DESC, root_id""")


@dataclass
class Place:
    """A database with the tree in it, in an application context."""

    name: str
    tree: Tree
    rounds: int
    samples: list[dict[str, Any]]

    def compare(self, what: str, ours: Callable[[], Any], theirs: Callable[[], Any]) -> float:
        """How many times as long theirs takes: the median over rounds in turn. Both must come to the same."""
        if (a := ours()) != (b := theirs()):
            raise NoEffect(f"{what}, {self.name}: {a!s:.200} is not {b!s:.200}")
        taken = [(timed(ours), timed(theirs)) for _ in range(self.rounds)]
        own, other = [a for a, _ in taken], [b for _, b in taken]
        row = {"what": what, "database": self.name, "ms": in_ms(own), "other_ms": in_ms(other)}
        self.samples.append(row)
        say(f"  {self.name}: {what}: {row['ms']} ms, the other {row['other_ms']} ms")
        return ratio(other, own)


def timed(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def in_ms(seconds: Sequence[float]) -> float:
    return round(1000 * statistics.median(seconds), 2)


# --- in memory ----------------------------------------------------------------------------------------------------


def generations(tree: Tree, top: int) -> list[tuple[int, int]]:
    """The sub-tree by generation: whose referrer stands in the generation before, step by step."""
    front = np.zeros(tree.members + 1, dtype=np.bool_)
    front[top] = True
    sizes: list[int] = []
    while True:
        front = front[tree.parent]
        front[0] = False
        size = int(np.count_nonzero(front))
        if not size:
            return list(enumerate(sizes, start=1))
        sizes.append(size)


def reach(tree: Tree) -> Array:
    """How many stand below each, generation by generation from the deepest."""
    below = np.zeros(tree.members + 1, dtype=np.int64)
    order = np.argsort(tree.depth, kind="stable")
    starts = np.searchsorted(tree.depth[order], np.arange(int(tree.depth.max()) + 2))
    for depth in range(int(tree.depth.max()), 0, -1):
        level = order[starts[depth] : starts[depth + 1]]
        below += np.bincount(tree.parent[level], weights=below[level] + 1, minlength=len(below)).astype(np.int64)
    return below


class Row(NamedTuple):
    """Of a spreader what both can tell."""

    member_id: int
    direct: int
    links: int
    visits: int
    reach: int


def top_spreaders(tree: Tree, period: Period) -> list[Row]:
    """Everybody made a link when he joined, and whoever came through it opened it once."""
    is_within = (tree.joined >= period.begin) & (tree.joined < period.end)
    is_within[0] = False
    direct = np.bincount(tree.parent[is_within & (tree.parent > 0)], minlength=len(tree.parent))
    first = np.argsort(-direct, kind="stable")[:TOP]
    below = reach(tree)
    return [Row(int(one), int(direct[one]), int(is_within[one]), int(direct[one]), int(below[one])) for one in first]


# --- asked of the application -------------------------------------------------------------------------------------


def asked_generations(top: int) -> list[tuple[int, int]]:
    root = queries.find_root(CHAIN, member_id=top)
    assert root is not None
    return [tuple(each) for each in queries.count_below(CHAIN, root)]


def asked_spreaders(period: Period) -> list[Row]:
    found = spreaders.top_spreaders(CHAIN, *period.moments, limit=TOP)
    return [Row(each.member_id, each.direct, each.links, each.visits, each.reach) for each in found]


# --- figures ------------------------------------------------------------------------------------------------------


def measure(place: Place) -> Iterator[Figure]:
    tree, name = place.tree, place.name
    largest = tree.nearest(SIZES[0] * tree.members // 1_000_000)
    below = tree.below()
    middle = tree.joined[tree.members // 2]
    period = Period(int(middle), int(middle) + DAYS * 86_400)
    in_memory = "numpy in memory, the same"
    for size in SIZES:
        top = tree.nearest(size * tree.members // 1_000_000)
        what = f"sub-tree of {below[top]:,} by generation"
        value = place.compare(what, lambda top=top: asked_generations(top), lambda top=top: generations(tree, top))
        yield Figure(f"{what}, {name}", value, in_memory, *GENERATIONS[size])
    value = place.compare(
        "top spreaders of a month", lambda: asked_spreaders(period), lambda: top_spreaders(tree, period)
    )
    yield Figure(f"top {TOP} spreaders of {DAYS} days, {name}", value, in_memory, 0.5, 1.0)
    what = f"count of a sub-tree of {below[largest]:,}"
    value = place.compare(
        what,
        lambda: queries.count_reach(CHAIN, [largest])[largest],
        lambda: db.session.scalar(RECURSIVE_COUNT, {"chain_id": CHAIN, "member_id": largest}),
    )
    yield Figure(f"{what}, {name}", value, "a recursive query", 20, 100)
    value = place.compare(
        "reach of all roots",
        lambda: [tuple(each) for each in queries.roots_by_reach(CHAIN, limit=None)],
        lambda: [tuple(row) for row in db.session.execute(RECURSIVE_ROOTS, {"chain_id": CHAIN})],
    )
    yield Figure(f"reach of all {tree_world.ROOTS} roots, {name}", value, "a recursive query", 50, 90)


def filled(database: str, tree: Tree) -> AbstractContextManager[str]:
    """The address of a database with the tree, in an application context."""
    what = f"a tree of {tree.members:,} members"
    return places.filled(database, "tree", what, lambda url: tree_world.fill(url, tree))


def figures(databases: Sequence[str], rounds: int, samples: list[dict[str, Any]]) -> Iterator[Figure]:
    tree = tree_world.draw()
    for database in databases:
        with filled(database, tree):
            yield from measure(Place({"postgresql": "PostgreSQL"}.get(database, "SQLite"), tree, rounds, samples))
