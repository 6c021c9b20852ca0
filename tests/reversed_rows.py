"""Rows in the reverse of any order that nobody asked for: ``KAQUAN_REVERSED=1 make test``.

PostgreSQL puts new rows where old ones were deleted, so that what came in order a thousand times comes otherwise one
day. Here what each SELECT of it leaves open comes in reverse, also what INSERT takes its rows from and what UPDATE and
DELETE return. A test that fails under this asks for an order nobody promised, or shows a page whose order is not whole.
"""

import re
from typing import Any

from sqlalchemy import Engine, event

PARTS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|[()]|[^'\"()]+")
VERB = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b")
TAIL = re.compile(r"\b(LIMIT|OFFSET|FETCH|FOR (NO KEY )?(UPDATE|SHARE)|FOR KEY SHARE|ON CONFLICT|RETURNING)\b")
REVERSED = "row_number() OVER () DESC"
UNMIXED = re.compile(r"\b(DISTINCT|UNION|EXCEPT|INTERSECT)\b")


def reverse_rows() -> None:
    event.listen(Engine, "before_cursor_execute", _reversed, retval=True)


def _reversed(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> Any:
    if conn.dialect.name == "postgresql" and not executemany:
        statement = reversed_where_open(statement)
    return statement, parameters


def reversed_where_open(statement: str) -> str:
    """The statement with its rows in reverse wherever it leaves their order open."""
    outer = _outermost(statement)
    verb = VERB.search(outer)
    if verb is None or not outer.lstrip().startswith((verb[0], "WITH")):
        return statement
    if verb[0] in {"UPDATE", "DELETE"}:
        return _returned(statement, verb.start()) if "RETURNING" in outer else statement
    source = outer.find("SELECT")
    if source < 0 or " FROM " not in outer[source:].replace("\n", " "):
        return statement
    if UNMIXED.search(outer):
        is_open = verb[0] == "SELECT" and "ORDER BY" not in outer
        return f"SELECT * FROM ({statement}) AS found ORDER BY {REVERSED}" if is_open else statement
    tail = TAIL.search(outer, source)
    end = tail.start() if tail else len(outer)
    by = "random()" if " FOR " in outer[end - 1 :] else REVERSED  # locked rows are not numbered
    order = f", {by} " if "ORDER BY" in outer[source:end] else f" ORDER BY {by} "
    return statement[:end].rstrip() + order + statement[end:]


def _returned(statement: str, start: int) -> str:
    """What a statement returns, in reverse; before ``start`` stands its WITH."""
    before = statement[:start].rstrip()
    changed = f"{before}, changed" if before else "WITH changed"
    return f"{changed} AS ({statement[start:]}) SELECT * FROM changed ORDER BY {REVERSED}"


def _outermost(statement: str) -> str:
    """What stands in no brackets and no quotes; the rest is blank, so that places stay the same."""
    depth, outer = 0, []
    for part in PARTS.findall(statement):
        if part == "(":
            depth += 1
        elif part == ")":
            depth -= 1
        outer.append(part if depth == 0 and part[0] not in "'\"()" else " " * len(part))
    return "".join(outer)
