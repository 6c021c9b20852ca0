"""The time zones in which a chain's members live: those of its stores, and its own."""

from sqlalchemy import select

from core.db import db
from stores.models import Chain, Store


def zones_of(chain: Chain) -> list[str]:
    """The chain's own first, then those of its stores, closed ones too: members stay."""
    found = db.session.scalars(select(Store.timezone).where(Store.chain_id == chain.id).distinct())
    return [chain.timezone, *sorted(set(found) - {chain.timezone})]
