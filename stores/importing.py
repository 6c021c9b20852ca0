"""Taking head office's list of stores in: new ones are added, known ones (by code) brought up to date.

A line that cannot be kept is left out and reported; the others go in together, or none does.
What the file has no column for is left as it is. A store that the file does not name is left alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from core import audit
from core.audit import Author
from core.db import db, insert
from core.errors import Invalid, NotFound
from core.text import Text
from stores.cleaning import cleaned, is_odd_phone
from stores.codes import give_first_codes
from stores.models import Chain, Store
from stores.store_files import FIELDS, Row, StoreFile, readable

EMPTY: dict[str, Any] = dict.fromkeys(FIELDS, "") | {"longitude": None, "latitude": None}


class CodeRepeated(Invalid):
    code = "store_code_repeated"
    sentence = Text(
        "门店编号“{store_code}”在第 {first_line} 行已经出现过。",
        "The store code “{store_code}” is already in line {first_line}.",
    )


@dataclass(frozen=True)
class RefusedLine:
    """A line that was left out, and why."""

    line: int
    store_code: str
    store_name: str
    reason: Invalid


@dataclass(frozen=True)
class Change:
    """A known store whose values in the file are not the ones we have."""

    store_id: int
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass
class ImportPlan:
    """What an import does, worked out without doing it."""

    chain_id: int
    encoding: str
    columns: dict[str, str]
    unused: list[str]
    created: list[dict[str, Any]] = field(default_factory=list)
    updated: list[Change] = field(default_factory=list)
    unchanged: int = 0
    refused: list[RefusedLine] = field(default_factory=list)
    odd_phones: int = 0  # kept as written: no valid number of the store's country

    @property
    def taken(self) -> int:
        return len(self.created) + len(self.updated) + self.unchanged


def plan_import(chain_id: int, file: StoreFile, rows: Iterable[Row] | None = None) -> ImportPlan:
    """Say what importing the file would do; changes nothing.

    ``rows`` are the file's rows, perhaps wrapped by whoever shows progress. Inside a transaction
    that ``lock_stores`` began, what is planned stays true until its end.
    """
    timezone = db.session.scalar(select(Chain.timezone).where(Chain.id == chain_id))
    if timezone is None:
        raise NotFound
    plan = ImportPlan(chain_id, file.encoding, file.columns, file.unused)
    known = _known_stores(chain_id)
    first_lines: dict[str, int] = {}
    for row in file.rows if rows is None else rows:
        try:
            values = _kept(row, file.columns, first_lines)
        except Invalid as reason:
            plan.refused.append(_refused(row, reason))
            continue
        plan.odd_phones += is_odd_phone(values.get("phone", ""))
        _sort_in(plan, values, known.get(values["code"]), timezone)
    return plan


def import_stores(plan: ImportPlan, *, by: Author, now: datetime) -> None:
    """Do what was planned, in the open transaction; each new store gets its first code.

    A store that someone else created meanwhile is updated instead.
    """
    _insert(plan, now)
    _update(plan, by=by, now=now)
    give_first_codes(plan.chain_id, now=now)
    audit.note(
        "stores imported",
        chain_id=plan.chain_id,
        object_kind="chain",
        object_id=plan.chain_id,
        by=by,
        at=now,
        after=counts(plan),
    )


def lock_stores(chain_id: int) -> None:
    """Let imports of one chain come one after the other: call first in the transaction.

    It only keeps the counts exact; without it the unique key still decides.
    """
    db.session.execute(select(Chain.id).where(Chain.id == chain_id).with_for_update(key_share=True))


def counts(plan: ImportPlan) -> dict[str, int]:
    return {
        "created": len(plan.created),
        "updated": len(plan.updated),
        "unchanged": plan.unchanged,
        "refused": len(plan.refused),
    }


def _kept(row: Row, columns: dict[str, str], first_lines: dict[str, int]) -> dict[str, Any]:
    values = cleaned(row, columns)
    first_line = first_lines.setdefault(values["code"], row.line)
    if first_line != row.line:
        raise CodeRepeated(store_code=values["code"], first_line=first_line)
    return values


def _refused(row: Row, reason: Invalid) -> RefusedLine:
    return RefusedLine(row.line, readable(row.cells["code"]), readable(row.cells["name"]), reason)


def _known_stores(chain_id: int) -> dict[str, dict[str, Any]]:
    columns = [Store.id, *(getattr(Store, name) for name in FIELDS)]
    rows = db.session.execute(select(*columns).where(Store.chain_id == chain_id))
    return {row["code"]: dict(row) for row in rows.mappings()}


def _sort_in(plan: ImportPlan, values: dict[str, Any], known: Mapping[str, Any] | None, timezone: str) -> None:
    if known is None:
        plan.created.append(EMPTY | values | {"timezone": values.get("timezone") or timezone})
        return
    if values.get("timezone", "") is None:
        del values["timezone"]  # an empty cell says nothing against the zone that the store has
    after = {name: value for name, value in values.items() if value != known[name]}
    if after:
        plan.updated.append(Change(known["id"], {name: known[name] for name in after}, after))
    else:
        plan.unchanged += 1


def _insert(plan: ImportPlan, now: datetime) -> None:
    if not plan.created:
        return
    statement = insert(Store)
    statement = statement.on_conflict_do_update(
        index_elements=["chain_id", "code"],
        set_={name: statement.excluded[name] for name in FIELDS if name != "code"},
    )
    rows = [store | {"chain_id": plan.chain_id, "created_at": now} for store in plan.created]
    db.session.connection().execute(statement, rows)


def _update(plan: ImportPlan, *, by: Author, now: datetime) -> None:
    for change in plan.updated:
        db.session.execute(update(Store).where(Store.id == change.store_id).values(change.after))
        audit.note(
            "store imported",
            chain_id=plan.chain_id,
            object_kind="store",
            object_id=change.store_id,
            by=by,
            at=now,
            before=change.before,
            after=change.after,
        )
