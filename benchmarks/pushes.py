"""Pushes to a million members: freezing an audience, and sending over HTTP."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks import fanout, freeze, push_world
from benchmarks.figures import Figure
from benchmarks.push_world import Place

PARTS: dict[str, Callable[[Place, str], Iterator[Figure]]] = {"freeze": freeze.figures, "fanout": fanout.figures}


def figures(
    parts: Sequence[str], databases: Sequence[str], rounds: int, samples: list[dict[str, Any]]
) -> Iterator[Figure]:
    """What is asked for of ``PARTS``, on each database."""
    for database in databases:
        with push_world.filled(database) as url:
            place = Place({"postgresql": "PostgreSQL"}.get(database, "SQLite"), rounds, samples)
            for part in parts:
                yield from PARTS[part](place, url)
