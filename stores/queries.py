"""Reading stores and their codes. Every list pages by key and can be kept to the reader's own stores."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Row, Select, func, or_, select

from core.db import db
from core.errors import NotFound
from stores.models import Chain, Scan, Store, StoreCode

PAGE = 500
Query = TypeVar("Query", bound="Select[*tuple[Any, ...]]")
StoreIds = frozenset[int] | None  # None: every store of the chain


def get_chain(chain_id: int) -> Chain:
    return db.session.get_one(Chain, chain_id)


def get_store(chain_id: int, store_id: int, *, store_ids: StoreIds = None) -> Store:
    """The store; NotFound also when it is another chain's, or not the reader's."""
    store = db.session.scalar(_of(select(Store), chain_id, store_ids).where(Store.id == store_id))
    if store is None:
        raise NotFound()
    return store


def find_store_by_code(chain_id: int, code: str, *, store_ids: StoreIds = None) -> Store | None:
    """The store with head office's number, if the reader may see it."""
    return db.session.scalar(_of(select(Store), chain_id, store_ids).where(Store.code == code))


def ids_of_codes(chain_id: int, codes: Sequence[str]) -> dict[str, int]:
    """The chain's stores that have these codes, by code; what is no code of hers is not in it."""
    rows = db.session.execute(select(Store.code, Store.id).where(Store.chain_id == chain_id, Store.code.in_(codes)))
    return {row[0]: row[1] for row in rows}


def codes_of_ids(chain_id: int, ids: Sequence[int]) -> list[str]:
    """The codes of some of the chain's stores, in order."""
    query = select(Store.code).where(Store.chain_id == chain_id, Store.id.in_(ids)).order_by(Store.code)
    return list(db.session.scalars(query))


def names_of_ids(chain_id: int, ids: Sequence[int]) -> dict[int, str]:
    """The names of some of the chain's stores."""
    rows = db.session.execute(select(Store.id, Store.name).where(Store.chain_id == chain_id, Store.id.in_(ids)))
    return {row[0]: row[1] for row in rows}


def get_store_code(chain_id: int, code_id: int, *, store_ids: StoreIds = None) -> Row[StoreCode, Store]:
    """A code with its store; NotFound as above."""
    query = select(StoreCode, Store).join(Store, Store.id == StoreCode.store_id).where(StoreCode.id == code_id)
    row = db.session.execute(_of(query, chain_id, store_ids)).one_or_none()
    if row is None:
        raise NotFound()
    return row


def list_stores(
    chain_id: int,
    *,
    store_ids: StoreIds = None,
    search: str = "",
    city: str = "",
    after: int = 0,
    limit: int = 50,
) -> Sequence[Store]:
    """A page of stores in the order they were added, after the one with the id ``after``."""
    query = _matching(select(Store), chain_id, store_ids, search, city)
    return db.session.scalars(query.where(Store.id > after).order_by(Store.id).limit(limit)).all()


def each_store(chain_id: int, *, store_ids: StoreIds = None, search: str = "", city: str = "") -> Iterator[Store]:
    """The same, all of them, fetched a page at a time."""
    after = 0
    while page := list_stores(chain_id, store_ids=store_ids, search=search, city=city, after=after, limit=PAGE):
        after = page[-1].id
        for store in page:
            db.session.expunge(store)  # a long list must not stay in memory
            yield store


def count_stores(chain_id: int, *, store_ids: StoreIds = None, search: str = "", city: str = "") -> int:
    query = _matching(select(func.count(Store.id)), chain_id, store_ids, search, city)
    return db.session.scalar(query) or 0


def list_cities(chain_id: int, *, store_ids: StoreIds = None) -> Sequence[str]:
    """The cities that have stores, those with the most first."""
    query = _of(select(Store.city), chain_id, store_ids).where(Store.city != "")
    return db.session.scalars(query.group_by(Store.city).order_by(func.count().desc(), Store.city)).all()


def codes_of_store(chain_id: int, store_id: int) -> Sequence[StoreCode]:
    """Its codes, those in force first."""
    return db.session.scalars(
        select(StoreCode)
        .filter_by(chain_id=chain_id, store_id=store_id)
        .order_by(StoreCode.revoked_at.is_not(None), StoreCode.id)
    ).all()


def list_codes(
    chain_id: int,
    *,
    store_ids: StoreIds = None,
    store_code: str = "",
    only_in_force: bool = False,
    after: int = 0,
    limit: int = 50,
) -> Sequence[Any]:
    """A page of codes, each with its store's code, name and closing."""
    query = (
        select(
            StoreCode.id,
            StoreCode.token,
            StoreCode.label,
            StoreCode.revoked_at,
            StoreCode.created_at,
            Store.code.label("store_code"),
            Store.name.label("store_name"),
            Store.closed_at,
        )
        .join(Store, Store.id == StoreCode.store_id)
        .where(StoreCode.chain_id == chain_id, StoreCode.id > after)
    )
    query = _of(query, chain_id, store_ids)
    if store_code:
        query = query.where(Store.code == store_code)
    if only_in_force:
        query = query.where(StoreCode.revoked_at.is_(None), Store.closed_at.is_(None))
    return db.session.execute(query.order_by(StoreCode.id).limit(limit)).all()


def each_code(chain_id: int, *, store_code: str = "", only_in_force: bool = False) -> Iterator[Any]:
    """All codes of a chain, fetched a page at a time."""
    after = 0
    while page := list_codes(chain_id, store_code=store_code, only_in_force=only_in_force, after=after, limit=PAGE):
        yield from page
        after = page[-1].id


def count_codes_in_force(chain_id: int, *, store_code: str = "") -> int:
    query = (
        select(func.count(StoreCode.id))
        .join(Store, Store.id == StoreCode.store_id)
        .where(StoreCode.chain_id == chain_id, StoreCode.revoked_at.is_(None), Store.closed_at.is_(None))
    )
    return db.session.scalar(query.where(Store.code == store_code) if store_code else query) or 0


def count_codes_by_store(chain_id: int, store_ids: Sequence[int]) -> dict[int, int]:
    """How many codes in force each of these stores has."""
    rows = db.session.execute(
        select(StoreCode.store_id, func.count(StoreCode.id))
        .where(StoreCode.chain_id == chain_id, StoreCode.store_id.in_(store_ids), StoreCode.revoked_at.is_(None))
        .group_by(StoreCode.store_id)
    )
    return dict(iter(rows))


def count_scans_by_code(chain_id: int, store_id: int, *, since: datetime) -> dict[int, int]:
    """How often each code of a store was scanned since then."""
    rows = db.session.execute(
        select(Scan.store_code_id, func.count(Scan.id))
        .where(Scan.chain_id == chain_id, Scan.store_id == store_id, Scan.at >= since)
        .group_by(Scan.store_code_id)
    )
    return dict(iter(rows))


def _matching(query: Query, chain_id: int, store_ids: StoreIds, search: str, city: str) -> Query:
    query = _of(query, chain_id, store_ids)
    if city:
        query = query.where(Store.city == city)
    for word in search.replace("\0", "").split()[:6]:
        columns = (Store.name, Store.code, Store.city, Store.address)
        query = query.where(or_(*(column.icontains(word, autoescape=True) for column in columns)))
    return query


def _of(query: Query, chain_id: int, store_ids: StoreIds) -> Query:
    query = query.where(Store.chain_id == chain_id)
    return query if store_ids is None else query.where(Store.id.in_(store_ids))
