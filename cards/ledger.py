"""The points ledger: a balance changes only together with a line that says by how much and why.

The parts below stand in the statement of checkout/settling.py; on SQLite the same steps follow one another in one
transaction.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, update

from cards.models import Card, PointEntry
from core.db import db
from core.hot import Hot, Sql

ATTEMPTS = 20

# --- PostgreSQL: parts of one statement ---------------------------------------------------------------------------

# The card as it was priced. Locked here, so that what depends on it happens for one till after the other.
HOLD = """
held AS (
    SELECT id, chain_id, member_id FROM cards
    WHERE id = :card_id AND chain_id = :chain_id AND state = 'active' AND tier_id = :tier_id
    FOR NO KEY UPDATE
)"""
# Reads ``checkout`` (id, card_id, member_id).
EARN = """
earned AS (
    UPDATE cards k SET points = k.points + :points
    FROM checkout b WHERE k.id = b.card_id AND :points > 0
    RETURNING k.id, k.chain_id, k.points, b.id AS checkout_id
),
entry AS (
    INSERT INTO point_entries (chain_id, card_id, delta, balance, cause, at)
    SELECT chain_id, id, :points, points, 'checkout:' || checkout_id, :now FROM earned
),
visited AS (
    UPDATE members SET last_visit_at = :now WHERE id = (SELECT member_id FROM checkout)
)"""

# --- SQLite: the same, step by step -------------------------------------------------------------------------------

IS_HELD = Sql("""
    SELECT id FROM cards WHERE id = :card_id AND chain_id = :chain_id AND state = 'active' AND tier_id = :tier_id
""")
ADD_POINTS = Sql("UPDATE cards SET points = points + :points WHERE id = :card_id RETURNING points")
ADD_ENTRY = Sql("""
    INSERT INTO point_entries (chain_id, card_id, delta, balance, cause, at)
    VALUES (:chain_id, :card_id, :points, :balance, 'checkout:' || :checkout_id, :now)
""")
VISITED = Sql("UPDATE members SET last_visit_at = :now WHERE id = :member_id")


class TakenBack(NamedTuple):
    """What an undo took from a card."""

    points: int
    short: int  # earned then, but spent since: the chain bears them


def is_held(hot: Hot, *, card_id: int, chain_id: int, tier_id: int) -> bool:
    """Whether the card still is as it was priced. Only in an open SQLite transaction, where nobody else writes."""
    return hot.row(IS_HELD, card_id=card_id, chain_id=chain_id, tier_id=tier_id) is not None


def earn_stepwise(
    hot: Hot, *, chain_id: int, card_id: int, member_id: int, points: int, checkout_id: int, now: datetime
) -> None:
    """Note the visit and book the points of a checkout, in an open SQLite transaction."""
    hot.run(VISITED, member_id=member_id, now=now)
    if points == 0:
        return
    balance = hot.row(ADD_POINTS, card_id=card_id, points=points)
    assert balance is not None
    hot.run(
        ADD_ENTRY,
        chain_id=chain_id,
        card_id=card_id,
        points=points,
        balance=balance[0],
        checkout_id=checkout_id,
        now=now,
    )


def hold(card_id: int) -> None:
    """Lock a card before the rest of an undo: settling takes it first too, and two orders would end in a deadlock.

    Needs an open transaction.
    """
    db.session.execute(select(Card.id).where(Card.id == card_id).with_for_update(key_share=True))


def take_back(card_id: int, points: int, *, cause: str, now: datetime) -> TakenBack:
    """Take earned points back, as far as they are still there. Needs an open transaction.

    A balance never goes below zero: what the member has spent in the meantime stays spent, and is reported as short.
    """
    for _ in range(ATTEMPTS):
        chain_id, held = db.session.execute(select(Card.chain_id, Card.points).where(Card.id == card_id)).one()
        taken = min(points, held)
        if taken == 0:
            return TakenBack(0, points)
        balance = db.session.scalar(
            update(Card)
            .where(Card.id == card_id, Card.points == held)
            .values(points=Card.points - taken)
            .returning(Card.points)
            .execution_options(synchronize_session=False)
        )
        if balance is None:
            continue  # another purchase of the same card came between
        entry = PointEntry(chain_id=chain_id, card_id=card_id, delta=-taken, balance=balance, cause=cause, at=now)
        db.session.add(entry)
        db.session.flush()
        return TakenBack(taken, points - taken)
    raise RuntimeError("the balance of one card kept changing")
