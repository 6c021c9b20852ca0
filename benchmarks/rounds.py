"""Rounds of A and B in turn: the application over HTTP, then its limit. Only their ratio in a round means anything."""

import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from benchmarks import limits, load, world
from benchmarks.load import Sample


class NoEffect(Exception):
    """A request failed, or was answered as done and was not: nothing was measured."""


@dataclass
class Measured:
    """All rounds of one action."""

    name: str
    database: str
    http: list[Sample] = field(default_factory=list)
    limit: list[limits.Run] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        return [sample.rate for sample in self.http]

    @property
    def limit_rates(self) -> list[float]:
        return [run.rate for run in self.limit]

    def percentile_ms(self, share: float) -> float:
        return statistics.median(sample.percentile_ms(share) for sample in self.http)

    def row(self) -> dict[str, Any]:
        return {
            "what": self.name,
            "database": self.database,
            "requests": sum(len(sample.latencies) for sample in self.http),
            "errors": sum(sample.errors for sample in self.http),
            "rate": round(statistics.median(self.rates), 1),
            "p50_ms": round(self.percentile_ms(0.50), 2),
            "p99_ms": round(self.percentile_ms(0.99), 2),
            "limit_rate": round(statistics.median(self.limit_rates), 1) if self.limit else None,
            "rates": [round(rate, 1) for rate in self.rates],
            "limit_rates": [round(rate, 1) for rate in self.limit_rates],
        }


@dataclass
class Side:
    """Something that acts for a while on fresh numbers and says how often it did."""

    run: Callable[[float], Any]
    done: Callable[[Any], int]


def over_http(port: int, requests: Iterator[bytes]) -> Side:
    def run(seconds: float) -> Sample:
        sample = load.run(port, requests, seconds=seconds)
        if sample.errors:
            raise NoEffect(f"{sample.errors} errors {dict(sample.statuses)}: {sample.refused[:1]}")
        return sample

    return Side(run, lambda sample: len(sample.latencies))


def by_limit(run: Callable[[float], limits.Run]) -> Side:
    return Side(run, lambda done: done.done)


def checked(side: Side, seconds: float, *, database_url: str, counted: str) -> Any:
    """Run one side, and compare what it says it did with what is in the database."""
    before = world.count(database_url, counted)
    result = side.run(seconds)
    after = world.count(database_url, counted)
    if after - before != side.done(result):
        raise NoEffect(f"{side.done(result)} were answered, {after - before} took effect")
    return result


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def numbers(first: int = 0) -> Iterator[int]:
    return count(first)
