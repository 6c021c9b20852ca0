"""What was measured, against what is asked for."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One line of the answer: a ratio (or an amount) with its floor and goal.

    ``limit`` says what the ratio is taken to. ``at_most`` turns floor and goal round: less is better.
    """

    name: str
    value: float
    limit: str
    floor: float | None = None
    goal: float | None = None
    unit: str = ""
    at_most: bool = False
    detail: str = ""

    @property
    def holds(self) -> bool:
        return self.floor is None or self._reaches(self.floor)

    @property
    def verdict(self) -> str:
        if self.floor is None:
            return ""
        if not self.holds:
            return "ABOVE THE MOST" if self.at_most else "BELOW FLOOR"
        return "OK, goal reached" if self.goal is not None and self._reaches(self.goal) else "OK"

    def _reaches(self, mark: float) -> bool:
        return self.value <= mark if self.at_most else self.value >= mark


def ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """Median over the rounds of A's rate to B's in the same round."""
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:.0f} {unit}" if unit else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def figures_table(figures: Sequence[Figure]) -> str:
    rows = [("what", "measured", "floor", "goal", "", "to what")]
    for figure in figures:
        floor, goal = _number(figure.floor, figure.unit), _number(figure.goal, figure.unit)
        value = _number(figure.value, figure.unit)
        rows.append((figure.name, value, floor, goal, figure.verdict, figure.limit))
    return table(rows)


def as_json(figures: Sequence[Figure], samples: Sequence[dict[str, Any]], machine: dict[str, Any]) -> str:
    lines = [asdict(figure) | {"holds": figure.holds} for figure in figures]
    return json.dumps({"machine": machine, "figures": lines, "samples": samples}, indent=1, ensure_ascii=False)
