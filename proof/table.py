"""The table that a proof prints, a line as soon as it is known."""

import sys
from dataclasses import dataclass, field

WIDTHS = (58, 48, 48)


@dataclass
class Table:
    """``misses`` counts the lines that were not as expected."""

    misses: int = 0
    lines: list[dict[str, object]] = field(default_factory=list)
    place: str = ""

    def head(self, place: str) -> None:
        self.place = place
        print(f"\n{place}\n{_row('what', 'expected', 'got', 'ok')}", flush=True)

    def line(self, what: str, expected: object, got: object, *, is_ok: bool | None = None, note: str = "") -> None:
        """A line; it holds when both are equal, unless ``is_ok`` says otherwise."""
        holds = expected == got if is_ok is None else is_ok
        self.misses += not holds
        self.lines.append({"place": self.place, "what": what, "expected": expected, "got": got, "ok": holds})
        print(_row(what, expected, got, "yes" if holds else "NO"), flush=True)
        if note:
            print(f"    {note}", flush=True)


def _row(what: str, expected: object, got: object, ok: str) -> str:
    cells = (f"{cell!s:{width - 1}} " for cell, width in zip((what, expected, got), WIDTHS, strict=True))
    return f"  {''.join(cells)}{ok}"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
