"""API keys: made once, shown once, kept hashed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Row, select, update

from core import audit
from core.audit import Author
from core.db import db
from core.errors import Invalid, NotFound
from core.hot import Sql, look_up
from core.text import Text
from core.tokens import hashed, new_secret
from stores.models import ApiKey, Role, Store

PREFIX = "kq_"
UNDO_WITHIN = timedelta(minutes=10)


class KeyNeedsStore(Invalid):
    """A store's key names its store."""

    code = "key_needs_store"
    sentence = Text("店长和店员的密钥要指定门店。", "A key for a manager or clerk needs a store.")


class KeyOfAllStores(Invalid):
    """Head office's key is not tied to a store."""

    code = "key_of_all_stores"
    sentence = Text(
        "总部的密钥管所有门店，请不要指定门店。", "Head office's key is for all stores: leave the store out."
    )


class KeyUnknown(NotFound):
    """The chain has no key with this number."""

    code = "key_unknown"
    sentence = Text(
        "没有编号为 {id} 的密钥，请看密钥列表。", "There is no key with the number {id}. See the list of keys."
    )


class KeyGone(NotFound):
    """A revocation can be undone for ten minutes."""

    code = "key_gone"
    sentence = Text(
        "作废超过 10 分钟就不能恢复了，请新建一个密钥。", "After ten minutes a key stays revoked. Make a new one."
    )


class NewKey(NamedTuple):
    id: int
    secret: str  # shown once


class FoundKey(NamedTuple):
    id: int
    chain_id: int
    store_id: int | None
    role: str
    name: str


FIND = Sql("SELECT id, chain_id, store_id, role, name FROM api_keys WHERE key_hash = :key_hash AND revoked_at IS NULL")


def find_key(key_hash: str) -> FoundKey | None:
    """The key in force with this hash."""
    row = look_up(FIND, key_hash=key_hash)
    return None if row is None else FoundKey(*row)


def create_key(chain_id: int, *, name: str, role: Role, store_id: int | None, by: Author, now: datetime) -> NewKey:
    """Make a key. Needs an open transaction; raises KeyNeedsStore, KeyOfAllStores, NotFound."""
    if (store_id is None) != (role in (Role.HQ_ADMIN, Role.HQ_ANALYST)):
        raise KeyNeedsStore() if store_id is None else KeyOfAllStores()
    if store_id is not None and not _is_store_of(chain_id, store_id):
        raise NotFound()
    secret = PREFIX + new_secret()
    key = ApiKey(
        chain_id=chain_id,
        store_id=store_id,
        name=name,
        role=role,
        key_hash=hashed(secret),
        last_four=secret[-4:],
        created_at=now,
    )
    db.session.add(key)
    db.session.flush()
    after = {"name": name, "role": role, "store_id": store_id}
    audit.note("key created", chain_id=chain_id, object_kind="key", object_id=key.id, by=by, at=now, after=after)
    return NewKey(key.id, secret)


def revoke_key(chain_id: int, key_id: int, *, by: Author, now: datetime) -> None:
    """End a key at once; a second time changes nothing. Needs an open transaction; raises KeyUnknown."""
    revoked = db.session.scalar(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.chain_id == chain_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(ApiKey.id)
    )
    if revoked is not None:
        audit.note("key revoked", chain_id=chain_id, object_kind="key", object_id=key_id, by=by, at=now)
    elif db.session.scalar(select(ApiKey.id).filter_by(id=key_id, chain_id=chain_id)) is None:
        raise KeyUnknown(id=key_id)


def restore_key(chain_id: int, key_id: int, *, by: Author, now: datetime) -> None:
    """Undo a revocation of a moment ago. Needs an open transaction; raises KeyGone."""
    restored = db.session.scalar(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.chain_id == chain_id, ApiKey.revoked_at > now - UNDO_WITHIN)
        .values(revoked_at=None)
        .returning(ApiKey.id)
    )
    if restored is None:
        raise KeyGone()
    audit.note("key restored", chain_id=chain_id, object_kind="key", object_id=key_id, by=by, at=now)


def list_keys(chain_id: int) -> Sequence[ApiKey]:
    """The newest first."""
    return db.session.scalars(select(ApiKey).filter_by(chain_id=chain_id).order_by(ApiKey.id.desc())).all()


def list_keys_with_stores(chain_id: int) -> Sequence[Row[ApiKey, Store | None]]:
    """The newest first, each with its store; head office's keys have none."""
    return db.session.execute(
        select(ApiKey, Store)
        .outerjoin(Store, Store.id == ApiKey.store_id)
        .where(ApiKey.chain_id == chain_id)
        .order_by(ApiKey.id.desc())
    ).all()


def _is_store_of(chain_id: int, store_id: int) -> bool:
    return db.session.scalar(select(Store.id).filter_by(id=store_id, chain_id=chain_id)) is not None
