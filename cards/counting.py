"""How many cards were taken, where and since when."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import func, select

from cards.models import Card
from core.db import db


def count_cards_by_store(chain_id: int, store_ids: Collection[int], *, since: date) -> dict[int, int]:
    """Cards issued by each of these stores on that business day and after."""
    rows = db.session.execute(
        select(Card.store_id, func.count(Card.id))
        .where(Card.chain_id == chain_id, Card.issued_on >= since, Card.store_id.in_(store_ids))
        .group_by(Card.store_id)
    )
    return {store_id: count for store_id, count in rows if store_id is not None}


def count_cards_by_code(chain_id: int, store_id: int, *, since: date) -> dict[int | None, int]:
    """Cards of one store by the store code they came through; None counts those that came another way."""
    rows = db.session.execute(
        select(Card.store_code_id, func.count(Card.id))
        .where(Card.chain_id == chain_id, Card.issued_on >= since, Card.store_id == store_id)
        .group_by(Card.store_code_id)
    )
    return dict(iter(rows))
