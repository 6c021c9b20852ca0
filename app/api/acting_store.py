"""The store that a request to the till's API acts for."""

from app.auth.guard import actor
from checkout import errors, queries


def acting_store_id(store_code: str | None) -> int:
    """The key's own store, or the one a head-office key names. Raises StoreNeeded, StoreNotFound."""
    who = actor()
    if store_code is None:
        if who.store_ids is None:
            raise errors.StoreNeeded()
        return next(iter(who.store_ids))
    till = queries.find_till_by_code(who.chain_id, store_code)
    if till is None or not who.may_see_store(till.store_id):
        raise errors.StoreNotFound()
    return till.store_id
