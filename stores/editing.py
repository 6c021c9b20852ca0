"""One store by hand: opening it, correcting what we know of it, closing it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from core import audit
from core.audit import Author
from core.db import db, insert
from core.errors import Conflict, NotFound
from core.text import Text
from stores.cleaning import cleaned
from stores.codes import DOOR, add_code
from stores.models import Chain, Store
from stores.store_files import FIELDS, Row


class StoreCodeTaken(Conflict):
    """Two stores of a chain never share head office's number."""

    code = "store_code_taken"
    sentence = Text("门店编号“{store_code}”已经有了。", "There is already a store with the code “{store_code}”.")


def create_store(
    chain_id: int,
    cells: Mapping[str, str],
    *,
    labels: Mapping[str, str] | None = None,
    by: Author,
    now: datetime,
) -> Store:
    """Open a store with its first code. ``cells`` are texts by field, as in head office's file.

    Needs an open transaction; raises StoreCodeTaken and what cleaning raises. ``labels`` name the
    fields in its sentences.
    """
    values = _cleaned(cells, labels)
    chain = db.session.get(Chain, chain_id)
    if chain is None:
        raise NotFound()
    values["timezone"] = values.get("timezone") or chain.timezone
    statement = insert(Store).values(chain_id=chain_id, created_at=now, **_defaults() | values)
    statement = statement.on_conflict_do_nothing(index_elements=["chain_id", "code"])
    store_id = db.session.scalar(statement.returning(Store.id))
    if store_id is None:
        raise StoreCodeTaken(store_code=values["code"])
    store = db.session.get_one(Store, store_id)
    _note("store created", store, by=by, now=now, after=values)
    add_code(chain_id, store_id, label=DOOR.say(chain.language), by=by, now=now)
    return store


def edit_store(
    chain_id: int,
    store_id: int,
    cells: Mapping[str, str],
    *,
    labels: Mapping[str, str] | None = None,
    by: Author,
    now: datetime,
) -> Store:
    """Correct a store. Needs an open transaction; raises NotFound, StoreCodeTaken and what cleaning raises."""
    store = _store_of(chain_id, store_id)
    values = {name: value for name, value in _cleaned(cells, labels).items() if value is not None or name != "timezone"}
    changed = {name: value for name, value in values.items() if getattr(store, name) != value}
    if not changed:
        return store
    if "code" in changed and _has_other(chain_id, store_id, changed["code"]):
        raise StoreCodeTaken(store_code=changed["code"])
    before = {name: getattr(store, name) for name in changed}
    for name, value in changed.items():
        setattr(store, name, value)
    db.session.flush()
    _note("store edited", store, by=by, now=now, before=before, after=changed)
    return store


def close_store(chain_id: int, store_id: int, *, by: Author, now: datetime) -> None:
    """Close a store: its codes give no more cards. A second time changes nothing. Needs an open transaction."""
    _set_closed(chain_id, store_id, now, "store closed", by=by, now=now)


def reopen_store(chain_id: int, store_id: int, *, by: Author, now: datetime) -> None:
    """Open a closed store again; its codes work as before. Needs an open transaction."""
    _set_closed(chain_id, store_id, None, "store reopened", by=by, now=now)


def _set_closed(
    chain_id: int, store_id: int, closed_at: datetime | None, action: str, *, by: Author, now: datetime
) -> None:
    store = _store_of(chain_id, store_id)
    was = Store.closed_at.is_not(None) if closed_at is None else Store.closed_at.is_(None)
    changed = db.session.scalar(
        update(Store).where(Store.id == store_id, was).values(closed_at=closed_at).returning(Store.id)
    )
    if changed is not None:
        db.session.refresh(store)
        _note(action, store, by=by, now=now)


def _cleaned(cells: Mapping[str, str], labels: Mapping[str, str] | None) -> dict[str, Any]:
    known = {"code": "", "name": ""} | {name: cells[name] for name in FIELDS if name in cells}
    return cleaned(Row(0, known, 0), {name: name for name in FIELDS} | dict(labels or {}))


def _defaults() -> dict[str, Any]:
    return dict.fromkeys(FIELDS, "") | {"longitude": None, "latitude": None}


def _store_of(chain_id: int, store_id: int) -> Store:
    store = db.session.scalar(select(Store).filter_by(id=store_id, chain_id=chain_id))
    if store is None:
        raise NotFound()
    return store


def _has_other(chain_id: int, store_id: int, code: str) -> bool:
    other = select(Store.id).where(Store.chain_id == chain_id, Store.code == code, Store.id != store_id)
    return db.session.scalar(other) is not None


def _note(
    action: str,
    store: Store,
    *,
    by: Author,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    audit.note(
        action,
        chain_id=store.chain_id,
        object_kind="store",
        object_id=store.id,
        by=by,
        at=now,
        before=before,
        after=after,
    )
